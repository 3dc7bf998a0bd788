import {parseAst} from 'vitest/node';
import {readFileSync,readdirSync} from 'node:fs';
const files=readdirSync('test',{recursive:true}).filter(f=>f.endsWith('.test.ts')).sort();
const pick=process.argv[2]?new RegExp(process.argv[2]):/./;
for(const f of files){ if(!pick.test(f))continue; console.log('## '+f);
 const src=readFileSync('test/'+f,'utf8');
 const s=parseAst(src,{lang:'ts',astType:'ts'},f);
 const root=e=>e.type==='Identifier'?e.name:e.type==='MemberExpression'?root(e.object):e.type==='CallExpression'?root(e.callee):undefined;
 const walk=(n,d)=>{ if(!n||typeof n!=='object')return; if(Array.isArray(n)){n.forEach(x=>walk(x,d));return;} let dd=d; if(n.type==='CallExpression'){ const m=root(n.callee); if(['it','test','describe'].includes(m)&&n.arguments.length){const a=n.arguments[0]; const t=a.type==='Literal'&&typeof a.value==='string'?a.value:a.type==='TemplateLiteral'?src.slice(a.start+1,a.end-1):undefined; if(t!==undefined){console.log('  '.repeat(d)+(m=='describe'?'D ':'- ')+t); dd=d+1}}} for(const k in n) if(k!=='type') walk(n[k],dd); };
 walk(s,0);}

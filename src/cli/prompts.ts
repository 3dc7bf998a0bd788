/** The questions of the guided start: a file of its own, so that the bundle takes these three and leaves the others out. */
export { confirm, input, select } from '@inquirer/prompts';

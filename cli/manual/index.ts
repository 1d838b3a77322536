/** The manual page, and the parts of `--help` that Commander does not write. */
export { formatManPage } from './man-page.ts'

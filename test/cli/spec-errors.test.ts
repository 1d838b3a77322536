import * as assert from 'uvu/assert'
import { STATUSES } from '../../cli/manual/surroundings.ts'
import { formatDocument } from '../../cli/process/document.ts'
import { errorJson, renderError } from '../../cli/render/error.ts'
import { StrataError } from '../../store/values/errors.ts'
import { specExample, specText } from '../helpers/spec-example.ts'
import { suite } from '../helpers/suite.ts'

const document = suite('spec/errors.md')

const error = new StrataError('PATH_MISSING', {
  message: '1 path is listed beside app.tar, but not in it',
  facts: { paths: ['opt/app/bin/tool'] },
  hint: '--ignore-missing goes on without them'
})

document('shows an error as the command prints it, and as --json has it', () => {
  assert.ok(specText('errors.md').includes(`\`\`\`\n${renderError(error)}\n\`\`\``))
  assert.is(
    formatDocument(errorJson(error)),
    JSON.stringify(JSON.parse(specExample('errors.md', 'json')), undefined, 2)
  )
})

document('has exactly the exit statuses of the manual page', () => {
  const rows = specText('errors.md').matchAll(/^\| (\d+)[^|]*\| [^|]*\|$/gm)
  assert.equal(
    STATUSES.map(({ name }) => Number.parseInt(name, 10)),
    [...rows].map(([, status]) => Number(status))
  )
})

document.run()

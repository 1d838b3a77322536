import * as assert from 'uvu/assert'
import { formatLayerList, looksLikeLayerList, parseLayerList } from '../../../compose/stack/layer-list.ts'
import { formatLock, looksLikeLock, parseLock } from '../../../compose/stack/lock-file.ts'
import { parseStack } from '../../../compose/stack/stack-file.ts'
import { refused } from '../../helpers/refused.ts'
import { specExample } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const document = suite('spec/lock.md')

const example = (name: string): string => specExample('lock.md', name)

document('shows a lock that is read, and written to the same bytes', () => {
  const text = example('lock')
  assert.ok(looksLikeLock(text))
  assert.is(formatLock(parseLock(text, 'example')), text)
})

document('describes a lock in which a field more or of another type is refused by its name', () => {
  const lock = JSON.parse(example('lock'))
  const parse = (document: object) => () => parseLock(JSON.stringify(document), 'example')
  refused(parse({ ...lock, date: '2025' }), 'LOCK_INVALID', /field date: is not known/)
  refused(parse({ ...lock, tree: 'abc' }), 'LOCK_INVALID', /field tree: found "abc"/)
  for (const field of Object.keys(lock.image))
    refused(
      parse({ ...lock, image: { ...lock.image, [field]: null } }),
      'LOCK_INVALID',
      /^example: field image/
    )
})

document('shows a layer list of which comments and missing words alone are lost', () => {
  const text = example('list')
  assert.ok(looksLikeLayerList(text))
  const modules = parseLayerList(text, 'example')
  assert.equal(
    modules.map(({ name, captured }) => [name, captured]),
    [
      [undefined, undefined],
      ['mpi/openmpi-4.1.6', undefined],
      [undefined, true]
    ]
  )
  assert.is(formatLayerList(modules), text.replace(/^#.*\n/gm, '').replace(/^(\S+)$/m, '$1 - -'))
})

document('shows a stack that is read', async () => {
  const { modules, audience } = await parseStack(example('stack'), 'stack.yaml')
  assert.is(modules.length, 3)
  assert.is(audience, 'group:vasp')
})

document.run()

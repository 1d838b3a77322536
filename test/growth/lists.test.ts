import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { is } from 'uvu/assert'
import { encodeSidecar } from '../../store/acl/sidecar-encode.ts'
import { listModules, listRefs } from '../../store/module/ref-list.ts'
import { atAllSize } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { growsLinearly } from './growth.ts' // first: what is loaded before it is not counted

const lists = suite('growth: lists')
const long = atAllSize(lists)

function storeWithRefs(count: number): string {
  const root = scratch()
  for (let i = 0; i < count; i++) {
    const folder = join(root, `refs/modules/c${i % 20}/name${Math.floor(i / 10)}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${i % 10}.1`), `${RECORD}\n`)
  }
  return root
}

const RECORD = 'baguqeerahvac7d6gi5goblszidgbym3bj3pdcywn5hodjpgqhamzlxckchrq'

long('of modules, read or not, take work in proportion to their number', async () => {
  const sizes = new Map<string, number>()
  const make = (size: number) => {
    const root = storeWithRefs(size)
    sizes.set(root, size)
    return root
  }
  await growsLinearly({
    make,
    size: 1000,
    run: root => is(listModules(root).modules.length, sizes.get(root))
  })
  await growsLinearly({ make, size: 1000, run: root => is(listRefs(root).refs.length, sizes.get(root)) })
})

lists('of attributes in a sidecar take work in proportion to its entries', async () => {
  const attributes = new Map([['user.x', Buffer.from('1')]])
  await growsLinearly({
    make: size => Array.from({ length: size }, (_, i) => ({ path: `opt/some/dir/file${i}`, attributes })),
    size: 2000,
    run: entries => encodeSidecar({ entries, users: new Map(), groups: new Map() })
  })
})

lists.run()

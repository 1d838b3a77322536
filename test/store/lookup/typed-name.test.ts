import * as assert from 'uvu/assert'
import { parseTypedRequest } from '../../../store/lookup/typed-name.ts'
import { formatRequirement } from '../../../store/module/requirement.ts'
import { type QuickModule, quickStore } from '../../helpers/quick-store.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const MODULES: Record<string, QuickModule> = {
  'app/vasp-6.4': {},
  'app/vasp-5.4': {},
  'mpi/openmpi-4.1.4': {},
  'lib/gtk-3-3.24': {},
  'lib/2geom-1.2': {},
  'test/geom-1': {},
  'lib/hdf5-1.14': {},
  'old/hdf5-1.8': {},
  'lib/zlib-1.3': {},
  'site/zlib-1.2': { hidden: true }
}

const typed = suite('names as users of Lmod type them')

const store = await quickStore(scratch(), MODULES)

const UNDERSTOOD: Record<string, string> = {
  vasp: 'app/vasp',
  'vasp-6': 'app/vasp-6',
  'vasp/6.4': 'app/vasp-6.4',
  'app/vasp/6.4': 'app/vasp-6.4',
  'gtk-3/3.24': 'lib/gtk-3-3.24',
  'openmpi/4.1.4': 'mpi/openmpi-4.1.4',
  'mpi/openmpi/4.1.4': 'mpi/openmpi-4.1.4',
  'lib/2geom': 'lib/2geom',
  'lib/2geom/1.2': 'lib/2geom-1.2',
  'hdf5-1.8': 'old/hdf5-1.8',
  zlib: 'lib/zlib',
  'app/none': 'app/none',
  'vasp >= 6': 'app/vasp >= 6',
  'openmpi>=4,<5': 'mpi/openmpi >= 4, < 5'
}

for (const [word, meaning] of Object.entries(UNDERSTOOD))
  typed(`${word} is ${meaning}`, async () => {
    assert.is(formatRequirement(await parseTypedRequest(store, word)), meaning)
  })

typed('a name of several modules is refused with all of them', async () => {
  const several = await refusedLater(
    parseTypedRequest(store, 'hdf5'),
    'MODULE_CHOICE',
    /"hdf5" is the name of 2 modules/
  )
  assert.equal(several.facts.modules, ['lib/hdf5', 'old/hdf5'])
  assert.is(several.hint, 'the same command with lib/hdf5')
  const hidden = await refusedLater(
    parseTypedRequest(store, 'zlib', { hidden: true }),
    'MODULE_CHOICE',
    /2 modules/
  )
  assert.equal(hidden.facts.modules, ['lib/zlib', 'site/zlib'])
})

typed('an unknown short name is an error that suggests similar ones', async () => {
  const unknown = await refusedLater(parseTypedRequest(store, 'openmip'), 'MODULE_UNKNOWN', /"openmip"/)
  assert.equal(unknown.facts['did you mean'], ['mpi/openmpi'])
  await refusedLater(parseTypedRequest(store, 'vasp/7'), 'MODULE_UNKNOWN', /"vasp\/7"/)
  await refusedLater(parseTypedRequest(store, 'a/b/c'), 'MODULE_NAME', /more than one/)
  await refusedLater(parseTypedRequest(store, 'vasp >= new'), 'USAGE', /">= new" has version "new"/)
})

typed.run()

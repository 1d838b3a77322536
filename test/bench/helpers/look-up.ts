/** One look-up in a process of its own, as a command does it: `look-up.js STORE modules|provides|content|users [WHAT]`. */
import type { Digest } from '../../../store/digest.ts'
import { openCatalogue } from '../../../store/index/catalogue.ts'
import { openStore } from '../../../store/store.ts'

const [folder, question, what = ''] = process.argv.slice(2)
const catalogue = openCatalogue(await openStore({ store: folder }))

const answers: Record<string, () => Promise<unknown>> = {
  modules: async () => {
    const { modules, faults } = await catalogue.modules()
    return { modules: modules.length, faults: faults.map(({ code }) => code) }
  },
  provides: async () => {
    const { providers, unsearched } = await catalogue.provides(what)
    return { providers: providers.length, unsearched }
  },
  content: () => catalogue.layersWithContent(what as Digest),
  users: async () => ({ users: (await catalogue.usersOfBlob(what as Digest)).length })
}
process.stdout.write(`${JSON.stringify(await answers[question]())}\n`)

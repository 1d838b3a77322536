/**
 * One look-up in a process of its own, as a command makes it, answered as one line of JSON:
 * `look-up.js STORE count|modules|provides|users [WHAT]`.
 */

import { openCatalogue } from '../../store/index/catalogue.ts'
import { formatModuleName } from '../../store/module/name.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Digest } from '../../store/values/digest.ts'

const [folder, question, what = ''] = process.argv.slice(2)
const catalogue = openCatalogue(await openRepository({ store: folder }))

const answers: Record<string, () => Promise<unknown>> = {
  count: async () => {
    const { modules, faults } = await catalogue.modules()
    return { modules: modules.length, faults: faults.length }
  },
  modules: async () => {
    const { modules, faults } = await catalogue.modules()
    return {
      modules: modules.map(({ name, record }) => `${formatModuleName(name)} ${record}`),
      faults: faults.map(({ code }) => code)
    }
  },
  provides: async () => {
    const { providers, unsearched } = await catalogue.provides(what)
    return {
      providers: providers.map(
        ({ module, path, kind }) => `${formatModuleName(module.name)} ${path} ${kind}`
      ),
      unsearched
    }
  },
  users: async () => (await catalogue.usersOfBlob(what as Digest)).map(({ name }) => formatModuleName(name))
}
process.stdout.write(`${JSON.stringify(await answers[question]())}\n`)

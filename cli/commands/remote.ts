import type { Command } from 'commander'
import type { RegistrySettings } from '../../store/registry/index.ts'
import { addRemote, parsePrefix, type Remote, removeRemote } from '../../store/remote/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf, type RegistryFlags, registrySettings } from '../context/index.ts'
import { withRegistryFlags } from '../flags/index.ts'
import { ExitStatus } from '../process/index.ts'
import { type ListedRemote, remotesJson, renderRemotes } from '../render/index.ts'

const EXAMPLES = `
  add NAME HOST/PREFIX   count the modules below HOST/PREFIX as modules of the site, and ask for their list
  list                   the remotes, and how many modules each offered when it was asked
  rm NAME                forget a remote of your own list
  update [NAME...]       ask the remotes what they offer now

The list is yours (~/.config/strata/remotes). The host has one for all users (/etc/strata/remotes), a store for its users
(trust/remotes in it): a name and HOST/PREFIX a line, and the word internal where pushes may hold what must not leave the site.

Examples:
  compose remote add site registry.example.org/site
  compose remote update
  compose avail
  compose build vasp.sqfs base/debian app/vasp`

export default (program: Command): void => {
  const command = program
    .command('remote ACTION [WORD...]')
    .summary('registries whose modules can be used here')
    .description(
      'Name registries whose modules count as those of the site: avail lists them, and build and run fetch what is missing. ACTION is add, list, rm or update.'
    )
  withRegistryFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (action: string, words: string[], options: RegistryFlags, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const act = ACTIONS[action]
      if (act === undefined || !act.takes(words.length))
        throw new StrataError('USAGE', {
          message:
            act === undefined
              ? `remote ${action} is unknown: wanted one of ${Object.keys(ACTIONS).join(', ')}`
              : `remote ${action} does not take ${words.length} words`,
          hint: 'compose remote add NAME HOST/PREFIX; compose remote list; compose remote rm NAME; compose remote update'
        })
      await act.run({ context, store, registry: registrySettings(options) }, words)
    })
}

interface Acting {
  context: Context
  store: Repository
  registry: RegistrySettings
}

const ACTIONS: Record<
  string,
  { takes: (words: number) => boolean; run: (acting: Acting, words: string[]) => Promise<void> }
> = {
  add: {
    takes: words => words === 2,
    async run(acting, [name, address]) {
      const remote = addRemote(name, parsePrefix(address))
      // A registry that is down now may be up later, so the remote stays.
      await update(acting, [remote], { isMild: true })
    }
  },
  list: {
    takes: words => words === 0,
    async run({ context, store }) {
      show(context, await listed(await store.remotes()))
    }
  },
  rm: {
    takes: words => words === 1,
    async run({ context, store }, [name]) {
      const removed = removeRemote(name, await store.remotes())
      show(context, await listed([removed]), 'forgotten')
    }
  },
  update: {
    takes: () => true,
    async run(acting, words) {
      const remotes = await acting.store.remotes()
      const unknown = words.find(word => !remotes.some(({ name }) => name === word))
      if (unknown !== undefined)
        throw new StrataError('USAGE', {
          message: `there is no remote ${unknown}`,
          hint: 'compose remote list'
        })
      await update(
        acting,
        words.length === 0 ? remotes : remotes.filter(({ name }) => words.includes(name)),
        { isMild: false }
      )
    }
  }
}

/** A remote that does not answer does not hinder the others; the exit status tells. */
async function update(
  { context, store, registry }: Acting,
  remotes: Remote[],
  { isMild }: { isMild: boolean }
): Promise<void> {
  let failure: StrataError | undefined
  for (const remote of remotes)
    try {
      const { notes } = await store.updateCatalogue(remote, registry)
      for (const note of notes) context.io.note(`${remote.name}: ${note}`)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      failure ??= error
      const next = error.hint === undefined ? '' : `\n  try: ${error.hint}`
      context.io.note(`${remote.name} did not tell its modules: ${error.message}${next}`)
    }
  show(context, await listed(remotes))
  if (failure !== undefined && !isMild) throw new ExitStatus(failure.exitStatus)
}

async function listed(remotes: Remote[]): Promise<ListedRemote[]> {
  const { readCatalogue } = await import('../../store/remote/catalogue.ts')
  return remotes.map(remote => ({ remote, catalogue: readCatalogue(remote) }))
}

const show = (context: Context, remotes: ListedRemote[], how?: string): void =>
  context.result(remotesJson(remotes), () => renderRemotes(remotes, how))

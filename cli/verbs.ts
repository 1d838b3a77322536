import type { Command } from 'commander'
import type { Verbs } from './context/index.ts'

type Definition = { default: (program: Command, verbs: Verbs) => void }

/** The file of each verb, in the order of `compose --help`. */
export const VERBS: Record<string, () => Promise<Definition>> = {
  help: () => import('./commands/help.ts'),
  init: () => import('./commands/init.ts'),
  import: () => import('./commands/import.ts'),
  capture: () => import('./commands/capture.ts'),
  push: () => import('./commands/push.ts'),
  pull: () => import('./commands/pull.ts'),
  remote: () => import('./commands/remote.ts'),
  login: () => import('./commands/login.ts'),
  logout: () => import('./commands/logout.ts'),
  avail: () => import('./commands/avail.ts'),
  overview: () => import('./commands/overview.ts'),
  spider: () => import('./commands/spider.ts'),
  keyword: () => import('./commands/keyword.ts'),
  provides: () => import('./commands/provides.ts'),
  whatis: () => import('./commands/whatis.ts'),
  show: () => import('./commands/show.ts'),
  du: () => import('./commands/du.ts'),
  export: () => import('./commands/export.ts'),
  build: () => import('./commands/build.ts'),
  lock: () => import('./commands/lock.ts'),
  list: () => import('./commands/list.ts'),
  add: () => import('./commands/add.ts'),
  rm: () => import('./commands/rm.ts'),
  swap: () => import('./commands/swap.ts'),
  purge: () => import('./commands/purge.ts'),
  update: () => import('./commands/update.ts'),
  save: () => import('./commands/save.ts'),
  restore: () => import('./commands/restore.ts'),
  savelist: () => import('./commands/savelist.ts'),
  describe: () => import('./commands/describe.ts'),
  default: () => import('./commands/default.ts'),
  alias: () => import('./commands/alias.ts'),
  run: () => import('./commands/run.ts'),
  shell: () => import('./commands/shell.ts'),
  mount: () => import('./commands/mount.ts'),
  umount: () => import('./commands/umount.ts'),
  doctor: () => import('./commands/doctor.ts'),
  inspect: () => import('./commands/inspect.ts'),
  ls: () => import('./commands/ls.ts'),
  cat: () => import('./commands/cat.ts'),
  which: () => import('./commands/which.ts'),
  diff: () => import('./commands/diff.ts'),
  sign: () => import('./commands/sign.ts'),
  policy: () => import('./commands/policy.ts'),
  verify: () => import('./commands/verify.ts'),
  extract: () => import('./commands/extract.ts'),
  fsck: () => import('./commands/fsck.ts'),
  unpublish: () => import('./commands/unpublish.ts'),
  history: () => import('./commands/history.ts'),
  pin: () => import('./commands/pin.ts'),
  gc: () => import('./commands/gc.ts'),
  completion: () => import('./commands/completion.ts'),
  manual: () => import('./commands/manual.ts')
}

/** Verbs that only shell scripts call; help does not list them. */
export const UNLISTED: Record<string, () => Promise<Definition>> = {
  complete: () => import('./commands/complete.ts')
}

/** Synonyms from `module`. Each is an alias in its verb's file, too. */
export const SYNONYMS: Record<string, string> = {
  load: 'add',
  del: 'rm',
  unload: 'rm',
  switch: 'swap',
  av: 'avail',
  ov: 'overview',
  key: 'keyword'
}

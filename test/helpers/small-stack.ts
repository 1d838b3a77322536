import { join } from 'node:path'
import { composed } from './compose.ts'
import { hostLayer } from './layers.ts'
import { bash } from './real-tree.ts'
import { scratch } from './scratch.ts'

export interface SmallStack {
  folder: string
  store: string
  stackFile: string
  modules: string[]
}

/** Group that the licensed application is for; no account database has it. */
export const LICENSED = 4242

/**
 * A base from this host's own files, a library of two layers with a whiteout, and a licensed application with ACLs,
 * published in a store that everybody may read.
 */
export function smallStack(): SmallStack {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    `chmod 755 "$1"; cd "$1"
    mkdir -p one/opt/lib/data two/opt/lib/data app/opt/solver/bin
    seq 200000 > one/opt/lib/data/numbers; echo old > one/opt/lib/data/gone; echo 1 > one/opt/lib/version
    echo 2 > two/opt/lib/version; touch two/opt/lib/data/.wh.gone
    printf '#!/bin/sh\\necho "$SOLVER_HOME"\\n' > app/opt/solver/bin/solver
    chmod 750 app/opt/solver app/opt/solver/bin/solver
    for layer in one two app; do tar -C "$layer" --sort=name --owner=0 --group=0 --numeric-owner -cf "$layer.tar" opt; done
    for path in opt/solver opt/solver/bin/solver; do
      printf '# file: %s\\nuser::rwx\\ngroup::---\\ngroup:licensed:r-x\\nmask::r-x\\nother::---\\n\\n' "$path"
    done > app.acl
    printf 'modules:\\n  - base/host # the host\\n  - lib/numbers\\n  - app/solver-2\\n' > stack.yaml`,
    folder
  )
  const at = (name: string) => join(folder, name)
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/host-1.0', hostLayer()])
  composed(store, ['import', 'lib/numbers-1.1', at('one.tar'), at('two.tar')])
  composed(store, [
    ...[
      'import',
      'app/solver-2.1',
      at('app.tar'),
      '--acl',
      at('app.acl'),
      '--map-group',
      `licensed=${LICENSED}`
    ],
    ...['--requires', 'lib/numbers', '--set', 'SOLVER_HOME=/opt/solver', '--label', 'org.example.site=here']
  ])
  return { folder, store, stackFile: at('stack.yaml'), modules: ['base/host', 'lib/numbers', 'app/solver'] }
}

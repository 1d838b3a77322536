import type { FuzzTarget } from '../target.ts'
import { indexTarget, recipeTarget, sandboxRecordTarget, squashfsTarget } from './binary.ts'
import { blockTarget } from './blocks.ts'
import { elfTarget, loaderCacheTarget, shellTarget } from './host.ts'
import { aclTarget, getfaclTarget, getfattrTarget } from './listings.ts'
import { layerListTarget, layerTarget, lockTarget, recordTarget, sidecarTarget } from './manifests.ts'
import { ociTarget } from './oci.ts'
import { cpioTarget, debTarget, rpmTarget } from './packages.ts'
import { sifTarget } from './sif.ts'
import { paxTarget, tarTarget } from './tar.ts'
import { specTarget, stackTarget } from './yaml.ts'

/** Every parser of input that others made. A new one is added here, and its finds go to finds/NAME/. */
export const targets: readonly FuzzTarget[] = [
  tarTarget,
  paxTarget,
  getfaclTarget,
  getfattrTarget,
  aclTarget,
  layerTarget,
  recordTarget,
  sidecarTarget,
  lockTarget,
  layerListTarget,
  specTarget,
  stackTarget,
  squashfsTarget,
  blockTarget,
  indexTarget,
  recipeTarget,
  sandboxRecordTarget,
  ociTarget,
  debTarget,
  rpmTarget,
  cpioTarget,
  sifTarget,
  elfTarget,
  loaderCacheTarget,
  shellTarget
]

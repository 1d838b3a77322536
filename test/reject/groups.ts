import type { Area } from './case.ts'
import { collector } from './cases/collector.ts'
import { compressions } from './cases/compressions.ts'
import { desync, ids } from './cases/headers.ts'
import { images, superblocks } from './cases/images.ts'
import { hardLinks, symbolicLinks, whiteouts } from './cases/links.ts'
import { contentIds, layerManifests, records, sidecars } from './cases/manifests.ts'
import { controlCharacters, twins } from './cases/names.ts'
import { paxRecords, sparse } from './cases/pax.ts'
import { acls, attributes, privileges } from './cases/rights.ts'
import { sandboxes } from './cases/sandboxes.ts'
import { storeFiles, tamperedBlobs } from './cases/stores.ts'
import { layerLists, locks, moduleNames, specs, stackFiles } from './cases/texts.ts'
import { traversal } from './cases/traversal.ts'

/** Areas that one process runs after another: groups take about the same time. */
export const groups = {
  paths: [traversal, symbolicLinks, hardLinks, whiteouts],
  headers: [desync, ids, paxRecords, sparse, compressions],
  metadata: [controlCharacters, twins, attributes, acls, privileges],
  texts: [contentIds, layerManifests, records, sidecars, specs, stackFiles, locks, layerLists, moduleNames],
  images: [superblocks, images],
  stores: [tamperedBlobs, storeFiles],
  sandboxes: [sandboxes, collector]
} satisfies Record<string, Area[]>

export type GroupName = keyof typeof groups

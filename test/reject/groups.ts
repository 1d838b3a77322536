import { SIZE, someOf } from '../helpers/size.ts'
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
import { sif } from './cases/sif.ts'
import { storeFiles, tamperedBlobs } from './cases/stores.ts'
import { layerLists, locks, moduleNames, specs, stackFiles } from './cases/texts.ts'
import { traversal } from './cases/traversal.ts'

/** Cases of an area that `npm test` takes. */
const QUICK_CASES = 6

/** Areas that one process runs after another: groups take about the same time. */
const areas = {
  paths: [traversal, symbolicLinks, hardLinks, whiteouts],
  headers: [desync, ids, paxRecords, sparse, compressions],
  metadata: [controlCharacters, twins, attributes, acls, privileges],
  texts: [contentIds, layerManifests, records, sidecars, specs, stackFiles, locks, layerLists, moduleNames],
  images: [superblocks, images, sif],
  stores: [tamperedBlobs, storeFiles],
  sandboxes: [sandboxes, collector]
} satisfies Record<string, Area[]>

export type GroupName = keyof typeof areas

/** The areas of a group. Slow cases are left out of `npm test` anyway. */
export const areasOf = (group: GroupName): Area[] =>
  areas[group].map(({ area, cases }) => ({
    area,
    cases:
      SIZE === 'all'
        ? cases
        : someOf(
            cases.filter(({ isSlow }) => !isSlow),
            QUICK_CASES
          )
  }))

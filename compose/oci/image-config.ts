/** The configuration of an OCI image (OCI image-spec, config.md; spec/outputs.md#config). */
import { formatTerms, type ModuleRecord, TERMS_LABEL } from '../../store/module/index.ts'
import { composeEnvironment, imageLabels } from '../runtime-files/index.ts'
import type { WrittenLayer } from './layout-writer.ts'

/** The config holds no time, so that builds of one stack on two days give the same image. */
const NO_TIME = '1970-01-01T00:00:00Z'

/** Default PATH of container engines; paths of modules are put before it. */
export const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const RUNSCRIPT = '/.singularity.d/runscript'

/** A layer in the image's history. */
export interface LayerHistory {
  /** Name of the module, or a description of other layers. */
  name: string
  /** Id of the layer; none for generated files. */
  id?: string
}

export interface ConfigInput {
  architecture: string
  /** Bottom to top. */
  records: ModuleRecord[]
  layers: WrittenLayer[]
  /** One for each layer. */
  history: LayerHistory[]
  /** True if there are no generated files, and so no runscript. */
  bare: boolean
}

export function imageConfig({ architecture, records, layers, history, bare }: ConfigInput): object {
  const environment = composeEnvironment(records, { PATH: USUAL_PATH })
  const terms = formatTerms(records)
  return {
    created: NO_TIME,
    architecture,
    os: 'linux',
    config: {
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...entryPoint(records, bare),
      Labels: sortByKey({ ...imageLabels(records), ...(terms !== undefined && { [TERMS_LABEL]: terms }) })
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: history.map(({ name, id }) => ({
      created: NO_TIME,
      created_by: `compose build${id === undefined ? '' : ` # layer ${id}`}`,
      comment: name
    }))
  }
}

/** With a runscript, starts it like `apptainer run`; otherwise the requested program, or a shell. */
function entryPoint(records: ModuleRecord[], bare: boolean): object {
  const script = records.findLast(({ runscript }) => runscript !== undefined)?.runscript
  if (script === undefined) return { Cmd: ['/bin/sh'] }
  if (!bare) return { Entrypoint: [RUNSCRIPT] }
  const [, interpreter = '/bin/sh'] = /^#! *(\S+)/.exec(script) ?? []
  return { Entrypoint: [interpreter, '-c', script, 'runscript'] }
}

/** Keys in byte order, so that the same labels give the same bytes. */
const sortByKey = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))

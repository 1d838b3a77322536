/** Links, the values that manifests have besides those of JSON (store/values/fields.ts). */
import { CID } from 'multiformats/cid'
import { cidFault, type DAG_JSON, describe, formatCid, type RAW, type Reader } from '../values/index.ts'

export const link =
  (codec: typeof RAW | typeof DAG_JSON): Reader<CID> =>
  (value, field) => {
    const cid = CID.asCID(value)
    if (cid === null) return field.refuse(`found ${describe(value)}, wanted a link (CID)`)
    const fault = cidFault(cid, codec)
    if (fault !== undefined) field.refuse(`the link ${cid} ${fault}`)
    // CID.parse remembers the text that it was given, in any base and with any padding, but our ids have only one text.
    if (cid.toString() !== formatCid(cid)) field.refuse(`the link ${cid} is not in its canonical text form`)
    return cid
  }

/** A sandbox that becomes a module: its changes, the layers that it was made of, and their records. */

import { countBytes, type LayerInput } from '../../store/import/index.ts'
import { type Origin, originName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  type CapturedLayer,
  type ReadSandboxOptions,
  readSandbox,
  SANDBOX_FOLDER,
  type SandboxEdits
} from '../sandbox/index.ts'
import { type Lock, parseLock } from '../stack/index.ts'
import { recordsOfSandbox, type SandboxRecords } from './sandbox-records.ts'
import type { CapturedBy, OpenSourceOptions } from './source-kind.ts'

export type SandboxOptions = Pick<
  OpenSourceOptions,
  'name' | 'flatten' | 'capture' | 'bounds' | 'modes' | 'onProgress'
>

export interface OpenedSandbox {
  directory: string
  edits: SandboxEdits
  lock: Lock
  records: SandboxRecords
}

/** @throws StrataError SANDBOX_INVALID, LOCK_INVALID, SOURCE_CHANGED, IO */
export async function openSandbox(
  store: Repository,
  directory: string,
  { flatten = false, capture, modes }: SandboxOptions
): Promise<OpenedSandbox> {
  const edits = readEdits(directory, { whole: flatten, tidying: capture?.tidying, modes })
  const lock = parseLock(edits.lock.toString('utf8'), `${directory}/${SANDBOX_FOLDER}/lock`)
  return { directory, edits, lock, records: await recordsOfSandbox(store, directory, lock.modules) }
}

function readEdits(directory: string, options: ReadSandboxOptions): SandboxEdits {
  try {
    return readSandbox(directory, options)
  } catch (cause) {
    if (!(cause instanceof StrataError) || cause.code !== 'SANDBOX_INVALID') throw cause
    const { message, facts } = cause
    const hint = `mv ${directory}/${SANDBOX_FOLDER} elsewhere, to import the directory as it is`
    throw new StrataError('SANDBOX_INVALID', {
      message,
      facts,
      hint: cause.facts.file ? hint : cause.hint,
      cause
    })
  }
}

/** Turns files of a sandbox into a layer. */
export function layerOf(
  { directory, edits: { leftOut } }: OpenedSandbox,
  { tar, attributes }: CapturedLayer,
  { capture, onProgress }: Pick<SandboxOptions, 'capture' | 'onProgress'>
): LayerInput {
  const name = originName(directory)
  const origin: Origin =
    capture === undefined ? { kind: 'sandbox', ...(name && { name }) } : capturedOrigin(capture)
  return {
    name: directory,
    chunks: countBytes(tar, bytesRead => onProgress?.({ source: directory, bytesRead })),
    attributes,
    leftOut,
    origin: () => origin
  }
}

export const capturedOrigin = ({ command, packages, removed }: CapturedBy): Origin => ({
  kind: 'capture',
  recipe: command,
  ...(packages.length > 0 && { packages }),
  ...(removed.length > 0 && { removed })
})

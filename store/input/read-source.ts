import { open } from 'node:fs/promises'
import { StrataError } from '../values/index.ts'

/** Bytes asked for at a time: enough that calls cost nothing, and few enough for a cache. */
const READ_BYTES = 1 << 20

/**
 * The bytes of a file, or of standard input for `-`, in chunks of up to 1 MiB that belong to the caller.
 * @throws StrataError IO if it cannot be opened or read
 */
export async function* readSource(path: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    if (path === '-') yield* process.stdin
    else yield* readFile(path)
  } catch (cause) {
    if (!isSystemError(cause)) throw cause
    const name = path === '-' ? 'standard input' : path
    throw new StrataError('IO', {
      message: `${name}: cannot be read: ${cause.code}`,
      facts: { path: name },
      hint: cause.code === 'ENOENT' ? 'check the spelling; "-" reads standard input' : undefined,
      cause
    })
  }
}

async function* readFile(path: string): AsyncGenerator<Uint8Array, void, void> {
  const file = await open(path, 'r')
  try {
    for (;;) {
      // Each read gets a new buffer, because the receiver of an earlier chunk may still hold it.
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, null)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { code: string } =>
  error instanceof Error && 'syscall' in error && 'code' in error

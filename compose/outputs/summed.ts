/** Tells `onProgress` the sum of all that it is given. */
export function summed(onProgress: ((bytes: number) => void) | undefined): (more: number) => void {
  let bytes = 0
  return more => {
    bytes += more
    onProgress?.(bytes)
  }
}

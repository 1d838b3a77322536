/** Passes the running sum of its values to `onProgress`. */
export function summed(onProgress: ((bytes: number) => void) | undefined): (more: number) => void {
  let bytes = 0
  return more => {
    bytes += more
    onProgress?.(bytes)
  }
}

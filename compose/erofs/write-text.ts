/** Bytes as latin1. A call of `write` takes longer than a loop over a name. */
export function writeText(out: Uint8Array, start: number, text: string): void {
  for (let i = 0; i < text.length; i++) out[start + i] = text.charCodeAt(i)
}

/** Ids of users and groups, as Linux has them. */

export type IdKind = 'user' | 'group'

/** 2^32-1 is "no id" to the kernel. */
export const MAX_ID = 0xffff_fffe

export const isDigits = (text: string): boolean => /^[0-9]+$/.test(text)

/** Parses an id in decimal digits, 0..2^32-2; undefined for anything else. */
export function parseId(text: string): number | undefined {
  const id = isDigits(text) && text.length <= 10 ? Number(text) : MAX_ID + 1
  return id <= MAX_ID ? id : undefined
}

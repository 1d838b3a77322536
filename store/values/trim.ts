/**
 * Text without some characters at its ends. A regular expression such as `/\/+$/` reads every run of slashes again from each
 * of its characters, so a long run in the middle of an input costs its square.
 */

export function trimEnds(text: string, characters: string): string {
  let start = 0
  while (start < text.length && characters.includes(text[start])) start++
  return trimLast(text.slice(start), characters)
}

export function trimLast(text: string, characters: string): string {
  let end = text.length
  while (end > 0 && characters.includes(text[end - 1])) end--
  return text.slice(0, end)
}

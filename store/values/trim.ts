/**
 * Removes given characters from the ends of a text. A regular expression such as `/\/+$/` would read a run of slashes
 * again from each of its characters, so a long run inside an input would cost the square of its length.
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

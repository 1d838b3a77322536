/** Patterns of the shell for one name: `*`, `?`, `[a-z]`, `[!a-z]`, and a backslash before a character that means itself. */

/** Undefined stands for `*`. */
type Step = ((character: string) => boolean) | undefined

export const isPattern = (text: string): boolean => /[*?[]/.test(text)

/** In a time that grows with the product of the lengths: after a mismatch, the last `*` takes one character more. */
export function matchesPattern(name: string, pattern: string): boolean {
  const steps = stepsOf(pattern)
  let [at, step] = [0, 0]
  let star: { at: number; step: number } | undefined
  while (at < name.length || step < steps.length) {
    const fits = step < steps.length ? steps[step] : () => false
    if (fits === undefined) {
      star = { at, step }
      step++
    } else if (at < name.length && fits(name[at])) {
      at++
      step++
    } else if (star !== undefined && star.at < name.length) {
      at = ++star.at
      step = star.step + 1
    } else return false
  }
  return true
}

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = []
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]
    const end =
      character === '[' ? pattern.indexOf(']', at + (/^\[[!^]/.test(pattern.slice(at)) ? 3 : 2)) : -1
    if (character === '*') steps.push(undefined)
    else if (character === '?') steps.push(() => true)
    else if (end >= 0) {
      steps.push(classOf(pattern.slice(at + 1, end)))
      at = end
    } else {
      const meant = character === '\\' && at + 1 < pattern.length ? pattern[++at] : character
      steps.push(other => other === meant)
    }
  }
  return steps
}

/** @param text between the brackets */
function classOf(text: string): Step {
  const isOther = text.startsWith('!') || text.startsWith('^')
  const listed = isOther ? text.slice(1) : text
  const ranges: [first: string, last: string][] = []
  for (let at = 0; at < listed.length; at++) {
    const isRange = listed[at + 1] === '-' && at + 2 < listed.length
    ranges.push([listed[at], isRange ? listed[at + 2] : listed[at]])
    if (isRange) at += 2
  }
  return character => ranges.some(([first, last]) => first <= character && character <= last) !== isOther
}

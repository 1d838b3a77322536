/**
 * Two signatures count as two only if different people made them with different keys. One person may have several keys,
 * and a key may be listed for several people. So the most pairs are sought in which each key and each name stands once
 * (a maximum matching, by augmenting paths).
 * @param namesOfKeys for each key, the names that it can stand for
 */
export function countPairs(namesOfKeys: string[][]): number {
  const keyOfName = new Map<string, number>()
  const place = (key: number, tried: Set<string>): boolean => {
    for (const name of namesOfKeys[key]) {
      if (tried.has(name)) continue
      tried.add(name)
      const other = keyOfName.get(name)
      if (other !== undefined && !place(other, tried)) continue
      keyOfName.set(name, key)
      return true
    }
    return false
  }
  return namesOfKeys.filter((_, key) => place(key, new Set())).length
}

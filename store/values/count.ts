/** `1 path`, `2 paths`, `62,440 inodes`. By hand: the first toLocaleString costs 100 ms. */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${String(n).replace(/\B(?=(\d{3})+$)/g, ',')} ${n === 1 ? one : many}`

/** `1 path is`, `2 paths are`. */
export const countThatAre = (n: number, one: string, many?: string): string =>
  `${count(n, one, many)} ${n === 1 ? 'is' : 'are'}`

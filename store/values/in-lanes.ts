/**
 * Does some pieces of work side by side, each lane taking the next. After a failure no more are begun.
 * @throws the first failure, when all lanes have ended
 */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  let next = 0
  let failure: { reason: unknown } | undefined
  const lane = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++]
      await work(item).catch(reason => {
        failure ??= { reason }
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane))
  if (failure !== undefined) throw (failure as { reason: unknown }).reason
}

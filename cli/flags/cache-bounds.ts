import { type CacheBounds, USUAL_BOUNDS } from '../../compose/cache/index.ts'
import { parseSize } from './sizes.ts'

/** Bounds of the user's cache; COMPOSE_CACHE_SIZE sets another size. @throws StrataError USAGE */
export function usualBounds({ COMPOSE_CACHE_SIZE: size }: NodeJS.ProcessEnv): CacheBounds {
  return { ...USUAL_BOUNDS, ...(size && { mostBytes: parseSize(size, 'COMPOSE_CACHE_SIZE') }) }
}

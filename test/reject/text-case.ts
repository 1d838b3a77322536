import type { RejectCase } from './case.ts'

/** A row of a table: what is wrong, the text, what must happen, and where that happened to others. */
export type TextRow<T = string> = [name: string, text: T, expect: RejectCase['expect'], reference?: string]

/** Cases of a parser: it refuses, or what it gives back is looked at. */
export const textCases = <T>(rows: TextRow<T>[], parse: (text: T) => unknown): RejectCase[] =>
  rows.map(([name, text, expect, reference]) => ({
    name,
    expect,
    ...(reference !== undefined && { reference }),
    async attack() {
      await parse(text)
    }
  }))

import * as ipld from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { decodeDagJson, encodeDagJson } from '../../../store/values/dag-json.ts'
import { blobCid, type Digest } from '../../../store/values/digest.ts'
import { type Random, randomOf } from '../../compose/helpers/random-layer.ts'
import { suite } from '../../helpers/suite.ts'

/** Beside the package of the format's authors. */
const dagJson = suite('dag-json')

const TEXTS = [
  '',
  'a',
  'b"\\\n',
  '\x7f\x80\xff',
  'é',
  '€',
  '\ud83d\ude00',
  '\ufeffx',
  '\u2028',
  '__proto__',
  'length',
  'é€'
]

function randomNode(random: Random, depth: number): unknown {
  const kinds = depth > 0 ? 8 : 6
  switch (random(kinds)) {
    case 0:
      return TEXTS[random(TEXTS.length)]
    case 1:
      return [0, 1, -1, 131072, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER][random(6)]
    case 2:
      return random(2) === 0
    case 3:
      return new Uint8Array(Array.from({ length: random(5) }, () => random(256)))
    case 4:
      return blobCid(random(16).toString(16).repeat(64) as Digest)
    case 5:
      return null
    case 6:
      return Array.from({ length: random(4) }, () => randomNode(random, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random(5) }, () => [TEXTS[random(TEXTS.length)], randomNode(random, depth - 1)])
      )
  }
}

dagJson('writes the same bytes, and reads the same values, for 2,000 random documents', () => {
  const random = randomOf(7)
  for (let i = 0; i < 2000; i++) {
    const node = randomNode(random, 4)
    const bytes = encodeDagJson(node)
    assert.is(Buffer.from(bytes).toString(), Buffer.from(ipld.encode(node)).toString())
    assert.equal(plain(decodeDagJson(bytes)), plain(ipld.decode(bytes)))
  }
})

/** CIDs compared by their text: two objects for one id hold different views. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const cid = CID.asCID(value)
  if (cid !== null) return `link ${cid}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(plain)
  return Object.entries(value).map(([key, item]) => [key, plain(item)])
}

for (const [title, text] of [
  ['an empty document', ''],
  ['half a document', '{"a":'],
  ['bytes that are not UTF-8', Buffer.from('"\xff"', 'latin1')],
  ['a link with a second key', '{"/":"baguqeeraqpjdrynej2gnuifztbgr5pqaw4lap7mwhud23wev3daewcoivcqa","a":1}'],
  ['a link that is no id', '{"/":"hello"}'],
  ['bytes with a second key', '{"/":{"bytes":"AA","a":1}}'],
  ['a key / with a number', '{"/":1}'],
  ['a document nested ten thousand deep', '['.repeat(10_000) + ']'.repeat(10_000)],
  ['maps nested ten thousand deep', '{"a":'.repeat(10_000) + 1 + '}'.repeat(10_000)]
] as const)
  dagJson(`refuses ${title}`, () => {
    assert.throws(
      () => decodeDagJson(Buffer.from(text as string)),
      (error: unknown) => error instanceof Error
    )
  })

for (const value of [1.5, 2 ** 53, Number.NaN, undefined, { a: undefined }, [1n], () => 1])
  dagJson(`has no form for ${String(value)}`, () => {
    assert.throws(
      () => encodeDagJson(value),
      (error: unknown) => error instanceof TypeError
    )
  })

dagJson('a key __proto__ is a key like others', () => {
  const bytes = Buffer.from('{"__proto__":{"a":{"/":{"bytes":"AA"}}}}')
  const decoded = decodeDagJson(bytes) as object
  assert.is(Object.getPrototypeOf(decoded), Object.prototype)
  assert.ok(Buffer.from(encodeDagJson(decoded)).equals(bytes))
})

dagJson.run()

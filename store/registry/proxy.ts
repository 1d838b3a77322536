/** Proxies as curl and Go's programs take them from the environment, CIDR in NO_PROXY too (spec/registry.md#proxies). */
import { BlockList, isIP } from 'node:net'
import { StrataError } from '../values/index.ts'
import { isLoopback, plainHost } from './near-hosts.ts'

/** The proxy for an address; undefined for a direct connection. @throws StrataError USAGE for a proxy that is no address */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const found = fromEither(environment, name)
  if (found === undefined || isLoopback(url.hostname) || isExcepted(url, fromEither(environment, 'NO_PROXY')))
    return undefined
  try {
    const proxy = new URL(found.includes('://') ? found : `http://${found}`)
    if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy
  } catch {}
  // The value is not shown, because it may hold a password.
  throw new StrataError('USAGE', {
    message: `${name} is not the address of a proxy for http, wanted http://HOST:PORT`,
    hint: `${name}=http://proxy:3128`
  })
}

const fromEither = (environment: NodeJS.ProcessEnv, name: string): string | undefined =>
  environment[name] || environment[name.toLowerCase()] || undefined

function isExcepted(url: URL, list: string | undefined): boolean {
  const host = plainHost(url.hostname)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return (list ?? '')
    .split(/[\s,]+/)
    .filter(entry => entry !== '')
    .some(entry => fits(entry.toLowerCase(), host, port))
}

/** An IPv6 address with a port stands in brackets; without them, all of its colons are its own. */
function splitPort(entry: string): { name: string; port?: string } {
  const colon = entry.lastIndexOf(':')
  const isBare = !entry.startsWith('[') && entry.indexOf(':') !== colon
  if (colon < 0 || isBare || !/^[0-9]+$/.test(entry.slice(colon + 1))) return { name: entry }
  return { name: entry.slice(0, colon), port: entry.slice(colon + 1) }
}

/** `*`; a subnet; an address or name with an optional port; a name stands for the names below it too. */
function fits(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isInSubnet(entry, host)
  const { name, port: wantedPort } = splitPort(entry)
  if (wantedPort !== undefined && wantedPort !== port) return false
  const wanted = plainHost(name).replace(/^\*\./, '.')
  if (wanted.startsWith('.')) return host.endsWith(wanted)
  return host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`))
}

/** Names are not looked up for this: only a host that is written as an address lies in a subnet. */
function isInSubnet(entry: string, host: string): boolean {
  const version = isIP(host)
  if (version === 0) return false
  const [address, bits] = entry.split('/')
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  try {
    const subnet = new BlockList()
    subnet.addSubnet(address, Number(bits), family)
    return subnet.check(host, version === 6 ? 'ipv6' : 'ipv4')
  } catch {
    return false // an entry that is no subnet excepts nothing, as with Go
  }
}

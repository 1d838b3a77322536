/**
 * Hosts that only this machine or its link has. Services there trust who can reach them: programs of other users and
 * daemons on loopback, and the passwords that clouds offer at 169.254.169.254. So a registry elsewhere must not choose
 * what they are asked (spec/registry.md#requests).
 */
import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Linux takes the addresses of no host for this machine. */
const UNNAMED = new BlockList()
UNNAMED.addSubnet('0.0.0.0', 8, 'ipv4')
UNNAMED.addAddress('::', 'ipv6')

const LINK_LOCAL = new BlockList()
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4')
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6')

/** The host of a URL is in brackets if it is an IPv6 address. */
export const plainHost = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()

/** True for this machine itself: its traffic leaves no machine. */
export function isLoopback(hostname: string): boolean {
  const host = plainHost(hostname).replace(/\.$/, '')
  if (isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost')
  return isAmong(LOOPBACK, host)
}

/**
 * True if a registry must not send anybody there. Other names are not looked up: over TLS, nobody there has a certificate
 * for a name of the registry's choice.
 * @param registry hostname of the registry as the user named it
 */
export function leadsInside(registry: string, to: string): boolean {
  if (plainHost(registry) === plainHost(to)) return false
  if (isLoopback(to)) return !isLoopback(registry)
  return isAmong(UNNAMED, plainHost(to)) || isAmong(LINK_LOCAL, plainHost(to))
}

/** An IPv6 address that stands for one of IPv4 counts as that one. False for names. */
function isAmong(list: BlockList, host: string): boolean {
  const version = isIP(host)
  return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

/** Programs and packages of this host as a source (spec/sources.md). */
export { type HostRequest, openHostSource } from './host-source.ts'

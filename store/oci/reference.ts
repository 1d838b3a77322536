/** Names of images as people type them and as tools write them: `debian` and `docker.io/library/debian:latest`. */

/** What docker and podman put in front of names without a registry, and leave out when they show them. */
const IMPLIED = /^(?:(?:docker\.io|index\.docker\.io)\/(?:library\/)?|localhost\/)/

/** `:latest` is meant where no tag is said. */
const shortened = (name: string): string => name.replace(IMPLIED, '').replace(/:latest$/, '')

/** The one of these names that was typed, or the first; undefined if there are none. */
export const calledBy = (names: string[], typed: string | undefined): string | undefined =>
  names.find(name => typed !== undefined && isSameName(name, typed)) ?? names[0]

/** Whether a name that was typed is this one. */
export const isSameName = (name: string, typed: string): boolean => shortened(name) === shortened(typed)

/** Names of images in the forms that people type and tools write: `debian` and `docker.io/library/debian:latest`. */

/** Prefix that docker and podman add to names without a registry, and leave out when they show them. */
const IMPLIED = /^(?:(?:docker\.io|index\.docker\.io)\/(?:library\/)?|localhost\/)/

/** Without a tag, `:latest` is implied. */
const shorten = (name: string): string => name.replace(IMPLIED, '').replace(/:latest$/, '')

/** The name that was typed, else the first; undefined if there are none. */
export const preferredName = (names: string[], typed: string | undefined): string | undefined =>
  names.find(name => typed !== undefined && isSameName(name, typed)) ?? names[0]

/** True if both names are of the same image. */
export const isSameName = (name: string, typed: string): boolean => shorten(name) === shorten(typed)

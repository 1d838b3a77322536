/** Documents are what lean bases leave out, and no program needs them. */
export const DOCUMENTS = /^\/usr\/share\/(doc|man|info|locale|lintian|bug)(\/|$)/

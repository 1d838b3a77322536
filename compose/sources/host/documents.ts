/** Documents, which small bases leave out and no program needs. */
export const DOCUMENTS = /^\/usr\/share\/(doc|man|info|locale|lintian|bug)(\/|$)/

#!/usr/bin/env node
/**
 * node-liblzma's install script is `node-gyp-build`. Where the package has no addon for the machine, that would fetch xz's
 * sources from a web site, which no hash in package-lock.json covers, and compile them. Of this package, only liblzma.wasm
 * is used (store/input/liblzma.ts), so this one does nothing, and says that all is well.
 *
 * The version number lies in the range that node-liblzma asks for, and is higher than any that was published, so npm takes this
 * folder without an override: the npm 9.2 of Debian 12 and 13 fails on an override that leads to a folder.
 */

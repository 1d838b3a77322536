#!/usr/bin/env node
/**
 * zstd-napi's install script is `prebuild-install -r napi || node-gyp rebuild`. The package of that name would fetch a
 * compiled addon from a web site, which no hash in package-lock.json covers, and the bytes of every image come out of
 * that addon. This one says no, so the addon is always compiled from the sources in zstd-napi's own package.
 *
 * The version number lies in the range that zstd-napi asks for, and is higher than any that was published, so npm takes this
 * folder without an override: the npm 9.2 of Debian 12 and 13 fails on an override that leads to a folder.
 */
process.exit(1)

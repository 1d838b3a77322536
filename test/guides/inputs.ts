/** Makes the inputs of the guides' commands by the programs that sites use. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeSif, PARTITION, PRIMARY_SYSTEM, SQUASHFS } from '../compose/sources/sif-make.ts'
import { LayoutMaker, named } from '../helpers/oci-layout.ts'
import { bash } from '../helpers/real-tree.ts'
import { archive, file } from '../helpers/tar-make.ts'

const LAYERS = [
  archive(file('etc/os-release', 'ID=rocky')),
  archive(file('etc/motd', 'hello')),
  archive(file('opt/tool/bin/tool', '#!/bin/sh\n', { mode: '0000755\0' }))
]

/** A Debian of this host's own packages: what mmdebstrap makes, without a mirror. */
const BASE = `
packages="base-files bash coreutils dash libacl1 libattr1 libc6 libgmp10 libpcre2-8-0 libselinux1 libssl3 libtinfo6 passwd"
dpkg -L $packages 2>/dev/null | grep -v -e ^/usr/share/doc -e ^/usr/share/man -e ^/usr/share/locale -e /gconv/ |
  sed -E -e 's#^/(bin|sbin|lib|lib64)/#/usr/\\1/#' -e 's#^/##' | sort -u | while read -r path; do
    if [ -L "/$path" ] || [ -f "/$path" ]; then echo "$path"; fi; done > list
for link in bin sbin lib lib64; do [ -L "/$link" ] && echo "$link" >> list; done
mkdir -p state/var/lib/dpkg; for package in $packages; do dpkg-query -s "$package" 2>/dev/null; echo; done > state/var/lib/dpkg/status
tar -C / --no-recursion -T list --owner=0 --group=0 -cf "$1" && tar -C state --owner=0 --group=0 -rf "$1" var`

/** @param home home folder of the site's administrator */
export function inputsForAdministrators(home: string, bin: string, opt: string): void {
  mkdirSync(bin, { recursive: true })
  mkdirSync(opt, { recursive: true })
  bash(
    `cd "$1"; mkdir -p .made && cd .made; ${BASE.replaceAll('$1', '$1/.made/base.tar')}
    printf '#!/bin/sh\\n# no mirror is asked: a Debian of the packages that are here\\nfor out; do :; done; cp ~/.made/base.tar "$out"\\n' > "$2/mmdebstrap"
    printf '#!/bin/sh\\ncat ~/.made/rocky.tar\\n' > "$2/docker"; chmod 755 "$2"/*
    mkdir -p tree/opt/old && echo old > tree/opt/old/file && mksquashfs tree old.sqfs -quiet -no-progress -comp gzip >/dev/null
    mkdir -p "$3/openmpi/bin" "$3/openmpi/lib"; printf '#!/bin/sh\\nshift 2; exec "$@"\\n' > "$3/openmpi/bin/mpirun"; chmod 755 "$3/openmpi/bin/mpirun"
    mkdir -p deb/DEBIAN deb/usr/lib; echo ucx > deb/usr/lib/libucx.so
    printf 'Package: libucx0\\nVersion: 1.14\\nArchitecture: all\\nMaintainer: x\\nDepends: libc6\\nDescription: transport\\n' > deb/DEBIAN/control
    dpkg-deb --root-owner-group --build deb ../libucx0_1.14.deb >/dev/null
    cd ..; mkdir -p opt/vasp/bin opt/vasp/lib; printf '#!/bin/sh\\necho "vasp runs as $(id -u)"\\n' > opt/vasp/bin/vasp_std; chmod 750 opt/vasp/bin/vasp_std opt/vasp
    setfacl -m g:4242:r-x opt/vasp opt/vasp/bin/vasp_std; tar --owner=0 --group=0 -cJf vasp.tar.xz opt; tar --owner=0 --group=0 -cf vasp.tar opt
    echo fixed > opt/vasp/lib/libvasp.so; tar --owner=0 --group=0 -cf fixed.tar opt; rm opt/vasp/lib/libvasp.so`,
    home,
    bin,
    opt
  )
  const image = (folder: string, tars: Buffer[], name: string) => {
    const maker = new LayoutMaker(join(home, folder))
    maker.index(named(maker.image(tars), name))
  }
  image('rocky.oci', LAYERS.slice(0, 2), '9')
  image('tool.oci', LAYERS, '1.2')
  bash('cd "$1"; skopeo copy --quiet oci:rocky.oci:9 docker-archive:.made/rocky.tar:rocky:9', home)
  const system = bash('cat "$1/.made/old.sqfs"', home)
  writeFileSync(
    join(home, 'old.sif'),
    makeSif([{ type: PARTITION, data: system, fileSystem: SQUASHFS, partitionType: PRIMARY_SYSTEM }])
  )
}

# The folder in which the commands of wrong-inputs.txt run. $1: the folder; $COMPOSE: the command's file; $COMPOSE_STORE.
set -e
cd "$1"
compose() { "$NODE" "$COMPOSE" -q "$@" > /dev/null; }
pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"; }

mkdir d dir e clash clash/d full had s many damaged future home
echo content > d/f; echo inner > dir/inner; echo other > e/g; echo different > clash/d/f
echo kept > full/kept; echo kept > had/layer.tar; echo tool > s/tool; chmod 4755 s/tool
pack -cf a.tar d; pack -cf b.tar e; pack -C clash -cf clash.tar d; pack -cf suid.tar s
pack -P --transform 's,^d,../out,' -cf evil.tar d

# What is no archive, or half of one.
echo hello > text.txt
printf '<!DOCTYPE html><html>404 not found</html>\n' > page.tar
: > empty.tar
head -c 700 a.tar > cut.tar
gzip -nc a.tar | head -c 60 > cut.tar.gz
xz -c a.tar | head -c 100 > cut.tar.xz
printf 'PK\003\004zip' > zip.zip
head -c 2000 /dev/zero | tr '\0' '\001' > noise.bin
printf '!<arch>\nnot a package' > package.deb
ln -s gone dangling
ln -s loop loop

# Texts with faults.
printf 'summary: [\n' > bad.yaml
printf 'sumary: x\nkind: application\n' > unknown.yaml
printf '# file: d/nosuch\nuser::rw-\ngroup::r--\nother::---\n' > missing.acl
printf '# file: d/f\nuser::rw-\nuser:nosuch1:r--\ngroup::r--\ngroup:nosuch2:r--\ngroup:nosuch3:r--\nmask::r--\nother::---\n' > names.acl
printf 'modules:\n\t- base/a\n' > tabs.yaml
printf 'modules: []\n' > empty.yaml
: > nothing.yaml
printf 'module:\n  - base/a\n' > wrong.yaml
printf 'modules:\n  - base/nosuch\n' > unknown-module.yaml
printf '{"strata":' > bad.lock
printf 'not-an-id\n' > bad.list
printf '{' > damaged/store.json
printf '{"strata":"store","version":99}' > future/store.json

compose init --level 1
compose import base/a-1 a.tar
compose import lib/b-1 b.tar
compose import lib/clash-1 clash.tar
compose import app/own-1 b.tar --no-redistribute --access-group "$(id -g)"
compose build a.sqfs base/a
head -c 2000 a.sqfs > cut.sqfs
cp a.sqfs torn.sqfs
printf 'torn torn torn' | dd of=torn.sqfs bs=1 seek=4100 conv=notrunc status=none
rm -rf d e clash s

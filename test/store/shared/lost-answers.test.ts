import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compose, composed } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

/**
 * What an NFS client sees when the answer to a call that the server did is lost: the call sent again fails, because
 * it has been done. A library loaded before libc does each call, and then says what a server would say the second time.
 */
const nfs = suite('calls that were done and said to have failed')

const LIBRARY = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
static int lost(const char *call, int result, int error) {
  const char *calls = getenv("LOST"), *log = getenv("LOST_LOG");
  char word[16];
  snprintf(word, sizeof word, " %s ", call);
  if (result != 0 || !calls || !strstr(calls, word)) return result;
  FILE *file = log ? fopen(log, "a") : NULL;
  if (file) { fprintf(file, "%s\\n", call); fclose(file); }
  errno = error;
  return -1;
}
#define REAL(name) ((int (*)())dlsym(RTLD_NEXT, name))
int link(const char *from, const char *to) { return lost("link", REAL("link")(from, to), EEXIST); }
int rename(const char *from, const char *to) { return lost("rename", REAL("rename")(from, to), ENOENT); }
int unlink(const char *path) { return lost("unlink", REAL("unlink")(path), ENOENT); }
`

function prepared(): { library: string; tar: string; other: string; log: string } {
  const folder = scratch()
  writeFileSync(join(folder, 'lost.c'), LIBRARY)
  bash(
    `cd "$1"; gcc -w -shared -fPIC -o lost.so lost.c -ldl; seq 50000 > a; echo b > b
    tar -cf a.tar a; tar -cf b.tar b`,
    folder
  )
  const at = (name: string) => join(folder, name)
  return { library: at('lost.so'), tar: at('a.tar'), other: at('b.tar'), log: at('log') }
}

for (const lost of ['link', 'rename', 'unlink', 'link rename unlink'])
  needing(nfs, 'gcc')(`${lost}: import, replace and build go on as if they had heard the answer`, () => {
    const { library, tar, other, log } = prepared()
    const root = join(scratch(), 'store')
    const env = { LD_PRELOAD: library, LOST: ` ${lost} `, LOST_LOG: log }
    assert.is(composed(root, ['init', '--level', '1'], { env }).made, true)
    assert.is(composed(root, ['import', 'lib/x-1', tar], { env }).outcome, 'created')
    assert.is(composed(root, ['import', 'lib/x-1', other, '--replace'], { env }).outcome, 'replaced')
    composed(root, ['export', 'lib/x', join(root, '../out')])
    assert.is(bash('cmp "$1" "$2" && echo same', join(root, '../out/layer.tar'), other).toString(), 'same\n')
    assert.is(compose(root, ['fsck']).status, 0)
    assert.is(bash('find "$1/tmp" -mindepth 1 | wc -l', root).toString(), '0\n')
    const calls = bash('sort "$1" | uniq', log).toString().trim().split('\n')
    assert.equal(calls, lost.split(' ').sort())
  })

nfs.run()

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Person } from './random-acl.ts'

/**
 * Asks the kernel: for each identity a process that is it, and access(2) of every file for r, w and x alone.
 * In C, because Node's access checks as whoever runs Node, and a program started for each pair takes hours.
 */
const SOURCE = String.raw`
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }

/* argv: directory, number of files; files are named 0, 1, ...; stdin: lines "uid gid group,group,..." */
int main(int argc, char **argv) {
  int top = open(argv[1], O_PATH | O_DIRECTORY), files = atoi(argv[2]);
  char line[4096];
  if (argc != 3 || top < 0) die("open");
  while (fgets(line, sizeof line, stdin)) {
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
      gid_t groups[64];
      int count = 0;
      uid_t uid = strtoul(strtok(line, " "), 0, 10);
      gid_t gid = strtoul(strtok(0, " "), 0, 10);
      for (char *id; (id = strtok(0, ",\n"));) groups[count++] = strtoul(id, 0, 10);
      if (setgroups(count, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) die("set ids");
      for (int i = 0; i < files; i++) {
        char name[16];
        sprintf(name, "%d", i);
        int rights = 0;
        if (!faccessat(top, name, R_OK, 0)) rights |= 4;
        if (!faccessat(top, name, W_OK, 0)) rights |= 2;
        if (!faccessat(top, name, X_OK, 0)) rights |= 1;
        putchar('0' + rights);
      }
      putchar('\n');
      if (fflush(stdout)) die("write");
      _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) die("child");
  }
  return 0;
}
`

/** @returns path of the program */
export function compileAccessAs(folder: string): string {
  const source = join(folder, 'access-as.c')
  const program = join(folder, 'access-as')
  writeFileSync(source, SOURCE)
  execFileSync('cc', ['-O2', '-o', program, source])
  return program
}

/**
 * @param directory holds files named 0 to `files` - 1
 * @returns for each person the rights on each file
 */
export function accessAs(program: string, directory: string, files: number, people: Person[]): number[][] {
  const input = people.map(({ uid, gid, groups }) => `${uid} ${gid} ${groups}\n`).join('')
  const output = execFileSync(program, [directory, String(files)], { input, maxBuffer: 1 << 28 }).toString()
  const lines = output.split('\n').slice(0, -1)
  if (lines.length !== people.length || lines.some(line => line.length !== files))
    throw new Error(`access-as answered ${lines.length} lines for ${people.length} people`)
  return lines.map(line => [...line].map(Number))
}

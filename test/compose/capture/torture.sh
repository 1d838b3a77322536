#!/bin/sh
# What installations do to owners, modes, ACLs and devices. Run as root of a tree; what is left below /opt/t is compared.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
umask 022
mkdir -p /opt/t && cd /opt/t || exit 1

# copies, moves, hard links, symbolic links
echo a > a; chown man:games a; cp -a a a.cp; cp a a.plain; mv a a.mv; ln a.mv a.ln
ln -s nowhere l; chown -h 5:60 l; cp -a l l.cp; mv l l.mv
chown --from=man:games 8:8 a.ln

# set-group folders hand on their group, to folders with the bit
mkdir d; chown 33:33 d; chmod 2775 d; mkdir d/sub; echo x > d/f; mkdir d/sub/deep; echo y > d/sub/deep/f; ln -s x d/l
mkfifo d/fifo; cp /etc/passwd d/cp; mkdir -m 700 d/closed; tar -C /etc -cf - passwd | tar -C d -xf -

# set-id bits: chown takes them, writing does not
install -o man -g mail -m 4755 a.plain inst; install -d -o 42 -g 42 idir; chmod 1777 idir
echo s > s; chmod 6755 s; chown 1:1 s; echo t > t; chmod 4755 t; echo more >> t; chmod 2711 t
echo u > u; chown 3:3 u; chmod 6711 u; cp -p u u.cp; cp u u.new; chgrp 4 u
echo v > v; chmod 2644 v; chown 7 v; chmod 02640 v; mkdir -m 4755 sdir; chown 9:9 sdir

# archives
mkdir tsrc; echo q > tsrc/q; chown 7:7 tsrc/q; chmod 4711 tsrc/q; ln tsrc/q tsrc/q2; mknod tsrc/dev b 7 300
tar -C tsrc -cf t.tar .; mkdir tdst; tar -C tdst -xpf t.tar; mkdir tnum; tar -C tnum --same-owner --numeric-owner -xf t.tar
rm t.tar

# large ids, devices, fifos, sockets
chown 100000:200000 a.plain; chgrp 99 s
mkfifo fifo; chown 3:4 fifo; chmod 0604 fifo
mknod null c 1 3; chmod 666 null; chown 0:6 null; mknod wh c 0 0; mknod disk b 8 0; chown root:disk disk; mv null null.mv
cp -a null.mv null.cp; mknod -m 0440 loop b 7 5
[ -c null.cp ] && [ -b disk ] && stat -c '%F %t:%T %a %u:%g' null.cp disk loop > kinds

# users that a process changes to
setpriv --reuid 6 --regid 12 --clear-groups sh -c 'touch /tmp/x; umask 027; cd /opt/t/idir && echo a > by; mkdir bydir; ln -s a bylink; id -u; id -g; id -G' > ids
su -s /bin/sh man -c 'id -un; cd /opt/t/idir; (umask 077; echo b > byman; mkfifo bymanfifo; mkdir -p p/q; (sleep 0.1; echo late > p/late) & wait)' >> ids
setpriv --reuid 6 --regid 12 --groups 33,50 sh -c 'id -G; echo z > /opt/t/d/byme; chgrp 50 /opt/t/d/byme; chown 7 /opt/t/d/byme 2>/dev/null || echo refused' >> ids
perl -e '$) = "13 13"; $> = 13; open F, ">/opt/t/idir/effective"; close F; $> = 0; $) = "0 0"; open F, ">/opt/t/idir/back"; print F "$<:$>\n"; close F'
python3 - <<'P'
import os, threading, tempfile
if os.fork() == 0:
    os.setgroups([8, 9]); os.setresgid(10, 11, 10); os.setresuid(0, 12, 0)
    open('/opt/t/idir/res', 'w').write(f'{os.getresuid()} {os.getresgid()} {os.getgroups()}\n')
    t = threading.Thread(target=lambda: open('/opt/t/idir/thread', 'w').close()); t.start(); t.join()
    os.seteuid(0); open('/opt/t/idir/regained', 'w').close()
    os._exit(0)
os.wait()
if os.fork() == 0:
    os.setgid(14); os.setuid(14)
    try: os.setuid(0); r = 'regained'
    except PermissionError: r = 'refused'
    open('/opt/t/idir/dropped', 'w').write(r + '\n'); os._exit(0)
os.wait()
fd = os.open('/opt/t/opened', os.O_CREAT | os.O_RDWR, 0o640); os.fchown(fd, 21, 22); os.fchmod(fd, 0o4750); os.write(fd, b'x'); os.close(fd)
d = os.open('/opt/t', os.O_RDONLY); os.chown('opened', 23, -1, dir_fd=d); os.mkdir('atdir', 0o2750, dir_fd=d); os.symlink('q', 'atlink', dir_fd=d)
os.chown('atlink', 1, 2, dir_fd=d, follow_symlinks=False)
f = os.open('/opt/t/unreadable', os.O_CREAT | os.O_WRONLY, 0); os.write(f, b'secret'); os.close(f); os.mkdir('/opt/t/shut', 0)
open('/opt/t/gone', 'w').close(); g = os.open('/opt/t/gone', os.O_RDONLY); os.unlink('/opt/t/gone'); os.fchown(g, 5, 5); os.close(g)
for i in range(300):
    open(f'/opt/t/reuse', 'w').close(); os.chown('/opt/t/reuse', 5, 5); os.unlink('/opt/t/reuse')
open('/opt/t/reused', 'w').close()
P

# ACLs, also inherited ones
echo acl > acl; setfacl -m u:42:rw,g:adm:r acl; chmod g-w acl; cp -a acl acl.cp; mv acl.cp acl.mv; cp --preserve=mode acl acl.mode
mkdir adir; setfacl -m d:u:42:rwx,d:g:4:rx,d:o::- adir; echo i > adir/i; mkdir adir/sub; echo j > adir/sub/j; ln -s i adir/l; (umask 077; echo k > adir/k)
mkdir bdir; setfacl -m u:1:x bdir; setfacl -b bdir; echo n > bdir/n; setfacl -m u:5:r bdir/n; setfacl -x u:5,m bdir/n
getfacl -n acl adir adir/i adir/sub adir/sub/j > facl 2>/dev/null
cp /usr/bin/true cap; setcap cap_net_raw+ep cap; cp -a cap cap.cp; cp cap cap.plain; cp -a cap cap.chown; chown 5 cap.chown
setfattr -n user.note -v hello acl; setfattr -n trusted.secret -v x acl 2>/dev/null; getfattr -d -m - acl > xattrs 2>/dev/null
python3 - >> xattrs <<'P'
import errno, os
for flags, name in [(os.XATTR_CREATE, 'trusted.secret'), (os.XATTR_REPLACE, 'trusted.other'), (os.XATTR_CREATE, 'user.note'), (None, 'trusted.other')]:
    try: os.removexattr('acl', name) if flags is None else os.setxattr('acl', name, b'y', flags); r = 'done'
    except OSError as e: r = errno.errorcode[e.errno]
    print(flags, name, r)
P

# another root, in which absolute links and `..` end; and a mount that only these processes have
mkdir -p jail/etc/inner jail/etc/by /etc/inner /etc/by; echo o > /etc/inner/f; echo i > jail/etc/inner/f; ln -s /etc/inner jail/link
perl -e 'chroot "/opt/t/jail" and chdir "/" or die; chown 5, 6, "/link"; chown 7, 8, "/../../etc/inner/f"; chmod 04751, "/link/f";
  chown 33, 33, "/etc/by"; chmod 02777, "/etc/by"; symlink "/etc/by", "/to"; mkdir "/to/made"; open F, ">/to/file"; close F;
  printf "%o %d %d\n", (stat "/link")[2, 4, 5]; printf "%o %d %d\n", (lstat "/../link/f")[2, 4, 5];
  $) = "9 9"; $> = 9; chown 9, 9, "/nothing"; open F, ">/link/../by/other"; print F "x"; close F' > jailed
mkdir under over; echo u > under/f; echo v > over/f; ln -s /opt/t/under/f mounted; mount --bind over under; chown 14:15 mounted; umount under

# what programs see
stat -c '%u:%g %a %n' a.cp s d/f inst t u > seen; find . -user man | sort > found; id -u > idu; find . -perm -4000 | sort > setid
ls -ln | awk '{print $1, $3, $4, $NF}' | grep -v -e listing -e ^total > listing
chown man /etc/hostname; chown 4:4 /etc/passwd; cp -p /etc/shadow shadow.copy; chown root:root /etc/gshadow; chmod 600 /etc/shadow
mkdir x; chown 11 x; rmdir x; rm -f nothing; sh -c 'chown 9:9 gone; true' 2>/dev/null
perl -e 'use Socket; socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("/opt/t/sock")); chown 5,5,"/opt/t/sock"; unlink "/opt/t/sock"'
touch -h -d @1000000000 l.mv; touch -d @1000000001 a.cp; truncate -s 1M sparse; chown 1:2 sparse
true

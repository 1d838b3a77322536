import * as assert from 'uvu/assert'
import { needing, suiteNeeding } from '../../helpers/needs.ts'
import { baseWith, compareWithRoot, ORACLES } from './package-oracle.ts'

/**
 * Packages whose files have owners, set-id bits, capabilities and ACLs, installed by a user and by root. A run takes the
 * sets of COMMON, at once; STRATA_PACKAGE_SETS=each takes every set by itself. STRATA_DEBIAN_BASE can name a base, as
 * mmdebstrap makes it.
 */

const install = (...packages: string[]): string =>
  `apt-get install -y --no-install-recommends ${packages.join(' ')} > /dev/null`

const SETFACL =
  'setfacl -R -nm g:4:rx,d:g:4:rx /var/log; echo x > /var/log/new; setfacl -m u:42:rw,g:adm:r /etc/fstab'

/** An owned link, a folder, a set-group file and a capability, which rpm sets. */
const RPM = `
mkdir -p /tmp/rpm; cat > /tmp/rpm/owned.spec <<'SPEC'
%define debug_package %{nil}
Name: owned
Version: 1
Release: 1
Summary: owners
License: none
%description
owners
%install
mkdir -p %{buildroot}/opt/owned/dir
echo x > %{buildroot}/opt/owned/setgid; cp /bin/true %{buildroot}/opt/owned/cap; ln -s setgid %{buildroot}/opt/owned/link
cp /bin/true %{buildroot}/opt/owned/setuid
%files
%dir /opt/owned
%attr(2755,root,mail) /opt/owned/setgid
%attr(4711,man,root) /opt/owned/setuid
%dir %attr(0770,man,daemon) /opt/owned/dir
%attr(-,games,games) /opt/owned/link
%attr(0750,root,games) %caps(cap_net_raw=ep) /opt/owned/cap
SPEC
rpmbuild --quiet -bb --define '_topdir /tmp/rpm' /tmp/rpm/owned.spec; rpm -i --nodeps /tmp/rpm/RPMS/*/owned-1-1.*.rpm
`

const SETS: Record<string, { packages: string[]; after?: string }> = {
  'openssh-client': { packages: ['openssh-client'] },
  dbus: { packages: ['dbus'] },
  'man-db': { packages: ['man-db'] },
  at: { packages: ['at'] },
  plocate: { packages: ['plocate'] },
  'systemd and setfacl': { packages: ['systemd', 'acl'], after: SETFACL },
  postfix: { packages: ['postfix'] },
  'postgresql-common': { packages: ['postgresql-common', 'iputils-ping'] },
  rpm: { packages: ['rpm'], after: RPM }
}

const COMMON = [
  'openssh-client',
  'dbus',
  'man-db',
  'at',
  'plocate',
  'systemd and setfacl',
  'postfix',
  'postgresql-common'
]

/** Of several sets, as one script. */
function scriptOf(names: string[]): string {
  const sets = names.map(name => SETS[name])
  const lines = [
    install(...sets.flatMap(({ packages }) => packages)),
    ...sets.map(({ after }) => after ?? '')
  ]
  return `set -e\n${lines.join('\n')}`
}

const packages = suiteNeeding('capture: packages', 'userns')

const EACH = Object.keys(SETS).map(name => [name])
const RUNS = process.env.STRATA_PACKAGE_SETS === 'each' ? EACH : [COMMON, ['rpm']]

let made: string | undefined
const base = (): string => {
  made ??= baseWith(Object.values(SETS).flatMap(set => set.packages))
  return made
}

for (const names of RUNS)
  needing(packages, ...ORACLES)(`${names.join(', ')}: installed as root installs them, on every path`, () => {
    const { root, user } = compareWithRoot(base(), scriptOf(names))
    assert.ok(root.length > 8000)
    assert.equal(user, root)
    if (process.env.STRATA_PACKAGE_SETS === 'each')
      console.log(`${names}: ${root.length} lines of paths, ACLs, capabilities and attributes, no difference`)
  })

const WITH_IDS = ['dbus', 'man-db', 'systemd and setfacl']
needing(
  packages,
  ...ORACLES,
  'newuidmap'
)(`${WITH_IDS.join(', ')}: the same with subordinate ids`, () => {
  const { root, user } = compareWithRoot(base(), scriptOf(WITH_IDS), true)
  assert.ok(root.length > 8000)
  assert.equal(user, root)
})

packages.run()

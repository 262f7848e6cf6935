#!/usr/bin/python3
"""The data plane on a real TUN and real raw sockets. The far end is the Linux kernel's own IPsec (ip xfrm, manual keys)
where this kernel has ESP, else a second data plane.

   namespace dpt-PID-a                        namespace dpt-PID-b
   dpath_live  TUN t0 10.9.0.1  --- veth ---  kernel xfrm (+ gre), or dpath_live: g0 10.9.0.2

Usage: test_live.py PATH/dpath_live.  Exit 77 (skipped) without root or TUN. Needs nothing outside its two namespaces
and removes them.
"""
import os
import subprocess
import sys

TAG = 'dpt-%d' % os.getpid()
A, B = TAG + '-a', TAG + '-b'
V4, V6 = ('198.51.100.1', '198.51.100.2'), ('2001:db8:f::1', '2001:db8:f::2')
ENCR = {1: ('cipher_null', 0), 2: ('cbc(des)', 8), 3: ('cbc(des3_ede)', 24), 4: ('cbc(aes)', 16), 5: ('cbc(aes)', 24),
        6: ('cbc(aes)', 32), 7: ('rfc4106(gcm(aes))', 20), 8: ('rfc4106(gcm(aes))', 28), 9: ('rfc4106(gcm(aes))', 36)}
AUTH = {0: (None, 0, 0), 1: ('hmac(md5)', 16, 96), 2: ('hmac(sha1)', 20, 96), 3: ('hmac(sha256)', 32, 128),
        4: ('hmac(sha384)', 48, 192), 5: ('hmac(sha512)', 64, 256)}


def sh(cmd, check=True):
    r = subprocess.run(cmd, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and r.returncode:
        raise RuntimeError('%s\n%s' % (cmd, r.stdout))
    return r


def up():
    sh('ip netns add %s && ip netns add %s' % (A, B))
    sh('ip -n %s link add e0 type veth peer name e0 netns %s' % (A, B))
    for ns, v4, v6 in ((A, V4[0], V6[0]), (B, V4[1], V6[1])):
        sh('ip -n %s link set lo up; ip -n %s link set e0 up' % (ns, ns))
        sh('ip -n %s addr add %s/24 dev e0; ip -n %s addr add %s/64 dev e0 nodad' % (ns, v4, ns, v6))


def kernel(mode, sa_mode, encr, auth, key, akey, v6):
    """The far end: SAs, policies, and for GRE a kernel gre device."""
    s, d = V6 if v6 else V4
    name, _ = ENCR[encr]
    alg, _, icv = AUTH[auth]
    sh('ip -n %s xfrm state flush; ip -n %s xfrm policy flush; ip -n %s link del g0' % (B, B, B), check=False)
    crypt = "aead '%s' 0x%s 128" % (name, key) if encr >= 7 else "enc '%s' 0x%s" % (name, key) if key else "enc '%s' ''" % name
    integ = "auth-trunc '%s' 0x%s %d" % (alg, akey, icv) if alg else ''
    for x, y, spi in ((s, d, '0x1001'), (d, s, '0x2001')):
        r = sh('ip -n %s xfrm state add src %s dst %s proto esp spi %s mode %s replay-window 32 %s %s' %
               (B, x, y, spi, sa_mode, crypt, integ), check=False)
        if r.returncode:
            return False
    sel = 'src %s dst %s proto gre' if mode == 'gre' else '%.0s%.0ssrc 10.9.0.0/24 dst 10.9.0.0/24'
    for way, x, y in (('in', s, d), ('out', d, s)):
        sh('ip -n %s xfrm policy add %s dir %s tmpl src %s dst %s proto esp mode %s' % (B, sel % (x, y), way, x, y, sa_mode))
    if mode == 'gre':
        kind = 'ip6gre' if v6 else 'gre'
        sh('ip -n %s link add g0 type %s local %s remote %s%s' % (B, kind, d, s, ' encaplimit none' if v6 else ''))
    else:
        sh('ip -n %s link add g0 type dummy' % B)
    sh('ip -n %s addr add 10.9.0.2/24 dev g0; ip -n %s link set g0 up mtu 1300' % (B, B))
    return True


def start(tool, ns, tun, mode, local, peer, encr, auth, sa_mode, spi_out, spi_in, key, akey):
    p = subprocess.Popen(['ip', 'netns', 'exec', ns, tool, tun, mode, local, peer, str(encr), str(auth), sa_mode,
                          spi_out, spi_in, key or '-', akey or '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    assert p.stdout.readline().strip() == 'ready'
    return p


def up_with(ns, tun, addr):
    # no address of IPv6's own: what the kernel says by itself there (MLD, ND) would be counted, sooner or later
    sh('ip -n %s link set %s addrgenmode none; ip -n %s addr add %s/24 dev %s; ip -n %s link set %s up mtu 1400' %
       (ns, tun, ns, addr, tun, ns, tun))


def one(tool, mode, sa_mode, encr, auth, v6):
    key, akey = os.urandom(ENCR[encr][1]).hex(), os.urandom(AUTH[auth][1]).hex()
    s, d = V6 if v6 else V4
    far = None
    if not kernel(mode, sa_mode, encr, auth, key, akey, v6):
        far = start(tool, B, 'g0', mode, d, s, encr, auth, sa_mode, '0x2001', '0x1001', key, akey)
        up_with(B, 'g0', '10.9.0.2')
    p = start(tool, A, 't0', mode, s, d, encr, auth, sa_mode, '0x1001', '0x2001', key, akey)
    try:
        up_with(A, 't0', '10.9.0.1')
        for size in (56, 1200, 3000):
            # all at once: for the last answer ping waits an interval, however long -W is
            r = sh('ip netns exec %s ping -c 3 -l 3 -i 2 -s %d 10.9.0.2' % (A, size), check=False)
            assert ' 0% packet loss' in r.stdout, (mode, sa_mode, encr, auth, v6, size, r.stdout)
        out, _ = p.communicate('', timeout=5)
        assert 'send_errors 0 recv_errors 0' in out, (mode, sa_mode, encr, auth, v6, out)
        return 'ourselves' if far else 'kernel', out.strip()
    finally:
        for q in (p, far):
            if q and q.poll() is None:
                q.kill()
                q.wait()


def main():
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        return 77
    done = {'kernel': 0, 'ourselves': 0}
    try:
        up()
        rows = [('gre', m, e, a, v) for m in ('transport', 'tunnel') for v in (False, True)
                for e, a in ((2, 1), (3, 2), (4, 2), (6, 3), (5, 5), (1, 4), (7, 0), (9, 0))]
        rows += [('vti', 'tunnel', e, a, v) for v in (False, True) for e, a in ((4, 2), (7, 0), (3, 1))]
        for row in rows:
            got = one(sys.argv[1], *row)
            done[got[0]] += 1
        print('%d combinations pinged against the kernel, %d against ourselves; last: %s' %
              (done['kernel'], done['ourselves'], got[1]))
        return 0
    finally:
        for ns in (A, B):
            sh('ip netns del %s' % ns, check=False)


sys.exit(main())

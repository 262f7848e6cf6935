#!/usr/bin/python3
"""Scapy is the other peer: it opens what the data plane seals, and the data plane opens what scapy seals, for every
cipher, authenticator, mode and family both know. Usage: test_scapy.py PATH/dpath_tool"""
import logging
import os
import subprocess
import sys
import zlib

logging.getLogger('scapy').setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, IPOption_NOP, IPOption_Router_Alert, IPOption_Timestamp, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import (HBHOptUnknown, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop,  # noqa: E402
                                RouterAlert)
from scapy.layers.ipsec import AH, ESP, SecurityAssociation  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ENCR = {1: ('NULL', 0), 2: ('DES', 8), 3: ('3DES', 24), 4: ('AES-CBC', 16), 5: ('AES-CBC', 24), 6: ('AES-CBC', 32),
        7: ('AES-GCM', 20), 8: ('AES-GCM', 28), 9: ('AES-GCM', 36), 10: ('AES-CTR', 20), 11: ('AES-CTR', 28), 12: ('AES-CTR', 36),
        13: ('AES-CCM', 19), 14: ('AES-CCM', 27), 15: ('AES-CCM', 35)}
AEAD = (7, 8, 9, 13, 14, 15)
AUTH = {0: ('NULL', 0), 1: ('HMAC-MD5-96', 16), 2: ('HMAC-SHA1-96', 20), 3: ('SHA2-256-128', 32),
        4: ('SHA2-384-192', 48), 5: ('SHA2-512-256', 64)}
V4, V6 = ('192.0.2.1', '192.0.2.2'), ('2001:db8::1', '2001:db8::2')


class Tool:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.p.stdin.write(' '.join(str(w) for w in words) + '\n')
        self.p.stdin.flush()
        return self.p.stdout.readline().strip()


def inner_packets(mode, v6):
    """What is protected: (packet, is it IPv6)."""
    if mode == 'transport':
        s, d = V6 if v6 else V4
        ip = IPv6(src=s, dst=d) if v6 else IP(src=s, dst=d, id=77)
        yield ip / UDP(sport=5, dport=6) / Raw(b'x' * 33)
        yield ip / TCP(sport=5, dport=6) / Raw(b'y' * 700)
        if not v6:
            yield IP(src=s, dst=d, tos=0xb8, flags='DF', options=[b'\x94\x04\x00\x00'] and []) / ICMP() / Raw(b'z' * 56)
    else:
        yield IP(src='10.1.0.1', dst='10.2.0.1', tos=0x10) / ICMP() / Raw(b'a' * 57)
        yield IPv6(src='fd00::1', dst='fd00::2') / ICMPv6EchoRequest(data=b'b' * 91)
        yield IPv6(src='fd00::1', dst='fd00::2') / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2) / Raw(b'c' * 10)


def check(tool, encr, auth, mode, v6):
    crypt, klen = ENCR[encr]
    digest, alen = AUTH[auth]
    key, akey = os.urandom(klen), os.urandom(alen)
    src, dst = V6 if v6 else V4
    args = dict(crypt_algo=crypt, crypt_key=key, auth_algo=digest, auth_key=akey or None)
    if mode == 'tunnel':
        args['tunnel_header'] = IPv6(src=src, dst=dst) if v6 else IP(src=src, dst=dst)
    common = (mode, encr, auth, 4242, src, dst, key.hex() or '-', akey.hex() or '-')
    done = 0
    for plain in inner_packets(mode, v6):
        plain = plain.__class__(bytes(plain))
        # theirs opened by us
        sealed = SecurityAssociation(ESP, spi=4242, **args).encrypt(plain, seq_num=1)
        got = tool.ask('open', *common, bytes(sealed).hex())
        assert got == bytes(plain).hex(), ('open', crypt, digest, mode, v6, got, bytes(plain).hex())
        # ours opened by them
        got = tool.ask('seal', *common, bytes(plain).hex())
        assert not got.startswith('drop'), ('seal', crypt, digest, mode, v6, got)
        ours = (IPv6 if v6 else IP)(bytes.fromhex(got))
        back = SecurityAssociation(ESP, spi=4242, **args).decrypt(ours)
        assert bytes(back) == bytes(plain), ('decrypt', crypt, digest, mode, v6, bytes(back).hex(), bytes(plain).hex())
        # a flipped bit is refused
        if auth or encr in AEAD:
            bad = bytearray(bytes(sealed))
            bad[-20] ^= 1
            got = tool.ask('open', *common, bytes(bad).hex())
            assert got == 'drop ICV wrong', got
        done += 1
    return done


def ah_packets(mode, v6):
    """Besides the usual ones: headers that AH covers, and what of them it does not."""
    yield from inner_packets(mode, v6)
    if mode == 'transport' and not v6:
        options = [IPOption_Router_Alert(), IPOption_NOP(), IPOption_Timestamp(internet_address='192.0.2.9', timestamp=5)]
        yield IP(src=V4[0], dst=V4[1], id=78, tos=4, options=options) / UDP(sport=5, dport=6) / Raw(b'o' * 20)
    if mode == 'transport' and v6:
        hop = IPv6ExtHdrHopByHop(options=[RouterAlert(), HBHOptUnknown(otype=0x3e, optdata=b'mutable!')])
        yield IPv6(src=V6[0], dst=V6[1], tc=3, fl=77) / hop / UDP(sport=5, dport=6) / Raw(b'h' * 20)


def check_ah(tool, auth, mode, v6):
    digest, alen = AUTH[auth]
    akey = os.urandom(alen)
    src, dst = V6 if v6 else V4
    args = dict(auth_algo=digest, auth_key=akey)
    if mode == 'tunnel':
        args['tunnel_header'] = IPv6(src=src, dst=dst) if v6 else IP(src=src, dst=dst, id=9)
    common = (mode, 0, auth, 4242, src, dst, '-', akey.hex())
    kind = IPv6 if v6 else IP
    done = 0
    for plain in ah_packets(mode, v6):
        plain = plain.__class__(bytes(plain))
        sealed = kind(bytes(SecurityAssociation(AH, spi=4242, **args).encrypt(plain, seq_num=1)))
        if v6:
            sealed.hlim -= 3  # as on the way
        else:
            sealed.ttl -= 3
            del sealed.chksum
        got = tool.ask('open', *common, bytes(sealed).hex())
        want = plain.copy()
        if mode == 'transport':
            if v6:
                want.hlim -= 3
            else:
                want.ttl -= 3
                del want.chksum
        assert got == bytes(want).hex(), ('open', digest, mode, v6, got, bytes(want).hex())
        got = tool.ask('seal', *common, bytes(plain).hex())
        assert not got.startswith('drop'), ('seal', digest, mode, v6, got)
        back = SecurityAssociation(AH, spi=4242, **args).decrypt(kind(bytes.fromhex(got)))
        assert bytes(back) == bytes(plain), ('decrypt', digest, mode, v6, bytes(back).hex(), bytes(plain).hex())
        bad = bytearray(bytes(sealed))
        bad[-3] ^= 1
        assert tool.ask('open', *common, bytes(bad).hex()) == 'drop ICV wrong'
        done += 1
    return done


def check_ipcomp(tool, auth, mode, v6):
    """ESP by scapy, IPComp by zlib (RFC 2394: DEFLATE without zlib's header). Tunnel mode has on the wire what the Linux kernel sends: ESP
    in transport mode around IPComp in tunnel mode."""
    src, dst = V6 if v6 else V4
    kind = IPv6 if v6 else IP
    key, akey, cpi, done = os.urandom(16), os.urandom(AUTH[auth][1]), 0x1234, 0
    sa = dict(crypt_algo='AES-CBC', crypt_key=key, auth_algo=AUTH[auth][0], auth_key=akey)
    common = ('%s/1/%d' % (mode, cpi), 4, auth, 4242, src, dst, key.hex(), akey.hex())
    for body in (b'all work and no play ' * 40, bytes(1000), os.urandom(30) * 20):
        ip = kind(src=src, dst=dst) if mode == 'transport' else IP(src='10.1.0.1', dst='10.2.0.1')
        plain = ip / UDP(sport=5, dport=6) / Raw(body)
        plain = plain.__class__(bytes(plain))
        text, nh = (bytes(plain.payload), 17) if mode == 'transport' else (bytes(plain), 4)
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        outer = kind(src=src, dst=dst, **{'nh' if v6 else 'proto': 108})
        packed = outer / Raw(bytes([nh, 0]) + cpi.to_bytes(2, 'big') + z.compress(text) + z.flush())
        sealed = SecurityAssociation(ESP, spi=4242, **sa).encrypt(kind(bytes(packed)), seq_num=1)
        got = tool.ask('open', *common, bytes(sealed).hex())
        assert bytes.fromhex(got)[-len(text):] == text, ('open', mode, v6, got)
        got = tool.ask('seal', *common, bytes(plain).hex())
        assert not got.startswith('drop'), ('seal', mode, v6, got)
        assert len(got) // 2 < len(plain)
        ours = bytes(SecurityAssociation(ESP, spi=4242, **sa).decrypt(kind(bytes.fromhex(got))))
        head = 40 if v6 else 20
        assert ours[6 if v6 else 9] == 108 and ours[head] == nh and ours[head + 1] == 0, ours.hex()
        assert int.from_bytes(ours[head + 2:head + 4], 'big') == cpi
        assert zlib.decompress(ours[head + 4:], -15) == text
        done += 1
    return done


def main():
    tool = Tool(sys.argv[1])
    done = combos = 0
    for encr in ENCR:
        for auth in AUTH:
            if (encr in AEAD and auth) or (encr in (1, 10, 11, 12) and not auth):
                continue
            for mode in ('tunnel', 'transport'):
                for v6 in (False, True):
                    done += check(tool, encr, auth, mode, v6)
                    combos += 1
    for auth in (1, 2, 3, 4, 5):
        for mode in ('tunnel', 'transport'):
            for v6 in (False, True):
                done += check_ah(tool, auth, mode, v6)
                combos += 1
    for auth in (1, 2, 3):
        for mode in ('tunnel', 'transport'):
            for v6 in (False, True):
                done += check_ipcomp(tool, auth, mode, v6)
                combos += 1
    print('%d packets in %d combinations agreed with scapy, both directions' % (done, combos))
    tool.p.stdin.close()
    return tool.p.wait()


sys.exit(main())

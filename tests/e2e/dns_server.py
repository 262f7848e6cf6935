#!/usr/bin/python3
"""A name server (RFC 1035) for tests: dns_server.py ADDRESS FILE. FILE has lines `NAME ADDRESS TTL`, read anew for each question; what is
not in it does not exist. Ends with its standard input. Says `ready`, then each question."""
import ipaddress
import select
import socket
import struct
import sys


def question(q):
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]].decode().lower())
        at += 1 + q[at]
    return ".".join(labels), struct.unpack(">H", q[at + 1:at + 3])[0], q[12:at + 5]


def answer(q, path):
    name, kind, asked = question(q)
    with open(path) as f:
        rows = [line.split() for line in f]
    mine = [r for r in rows if r[0].lower() == name]
    found = [(ipaddress.ip_address(r[1]), int(r[2])) for r in mine]
    found = [(a, ttl) for a, ttl in found if kind == (1 if a.version == 4 else 28)]
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(a.packed)) + a.packed for a, ttl in found)
    flags = 0x8180 | (0 if mine else 3)
    print(name, kind, flush=True)
    return q[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + asked + body


s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    ready = select.select([s, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    q, where = s.recvfrom(2048)
    s.sendto(answer(q, sys.argv[2]), where)

#!/bin/bash
# demo.sh BUILD: the main job, live: the first seed's routers, an IPv6-in-IPv4 GRE tunnel under IPsec.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
adit=$PWD/$build/src/adit
SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
lab=examples/gre-ipv6
work=$(mktemp -d)
cap=
cleanup() {
    [ -z "$cap" ] || $SUDO kill -INT "$cap" 2>/dev/null || true
    $SUDO "$adit" lab down gre-ipv6 >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
on() { # on ROUTER COMMAND: as the operator sees it
    printf '\n%s# %s\n' "$1" "$2"
    $SUDO "$adit" lab exec "gre-ipv6/$1" "$2"
}
# until_route ROUTER ADDRESS: the kernel tells when OSPF has put the route there
until_route() {
    local ns=adit-gre-ipv6-$1
    coproc MON { exec $SUDO ip -n "$ns" monitor route; }
    until $SUDO ip -n "$ns" route get "$2" >/dev/null 2>&1; do
        read -r -t 120 _ <&"${MON[0]}" || { echo "demo: OSPF brought no route to $2 on $1" >&2; exit 1; }
    done
    $SUDO kill "$MON_PID" 2>/dev/null || true
    wait "$MON_PID" 2>/dev/null || true
}

say "R1 --- ISP --- R2, each an adit of its own in its own network namespace"
$SUDO "$adit" lab down gre-ipv6 >/dev/null 2>&1 || true
$SUDO "$adit" lab up "$lab"
say "waiting for OSPF (FRR) to carry 1.1.1.1 and 2.2.2.2 across"
until_route R1 2.2.2.2
until_route R2 1.1.1.1
echo done

coproc CAP { exec $SUDO ip netns exec adit-gre-ipv6-ISP tcpdump -i Se0-0 -w "$work/wan.pcap" -U --immediate-mode -Z root 2>&1; }
cap=$CAP_PID
until read -r line <&"${CAP[0]}" && [[ $line == *"listening on"* ]]; do :; done
on R1 'debug ip packet detail'
on R1 'ping CAFE:2::1 source fa 0/0'
on R1 'undebug all'
on R1 'show crypto session detail'
on R1 'show crypto isakmp sa'
on R1 'show crypto ipsec sa'
$SUDO kill -INT "$cap"; wait "$cap" 2>/dev/null || true; cap=

say "R1's debug ip packet detail"
$SUDO grep '^IP: ' /run/adit/lab/gre-ipv6/R1/log | head -8
say "what crossed the provider between 1.1.1.1 and 2.2.2.2"
tshark -r "$work/wan.pcap" -Y 'ip.addr==1.1.1.1 && ip.addr==2.2.2.2' -T fields -e ip.src -e ip.dst -e _ws.col.Protocol -e ip.len 2>/dev/null |
    sort | uniq -c | awk '{printf "  %4d packets  %s -> %s  %-7s %s bytes\n", $1, $2, $3, $4, $5}'
other=$(tshark -r "$work/wan.pcap" -Y 'ip.addr==1.1.1.1 && ip.addr==2.2.2.2 && !esp && !isakmp' 2>/dev/null | wc -l)
esp=$(tshark -r "$work/wan.pcap" -Y 'esp && ip.len==176' 2>/dev/null | wc -l)
echo "  neither IKE nor ESP: $other;  ESP packets of 176 bytes around a 124-byte GRE packet: $esp"
say "everything down again"
$SUDO "$adit" lab down gre-ipv6
trap - EXIT; rm -rf "$work"
[ "$other" = 0 ] && [ "$esp" -ge 10 ] && echo "the demo did what it should"

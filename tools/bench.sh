#!/bin/bash
# bench.sh [BUILD [ROUNDS]]: measurements. First the engine on the fake port beside the raw cipher; the key daemon's messages, memory and
# floods; handshakes beside strongSwan's (bench_hands.py). Then one TCP stream from LAN to LAN through two adit gateways beside
# plain forwarding over the same namespaces, offloads off:
#
#   lanA 10.1.x.10 --- gwA 192.0.2.1 --- 192.0.2.2 gwB --- 10.2.x.10 lanB       MTU 1500 on every link
#        x = 0  Tunnel0, VTI esp-gcm           1.1.1.1 - 2.2.2.1
#        x = 1  Tunnel1, VTI esp-aes sha-hmac  1.1.1.2 - 2.2.2.2
#        x = 2  a static route around the tunnels: plain forwarding
#
# Rounds are interleaved and the ratio is taken within a round, so it holds on a noisy machine. SECONDS_EACH (4) is the
# length of one measurement.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build} rounds=${2:-3} each=${SECONDS_EACH:-4}
case $build in /*) ;; *) build=$here/$build ;; esac
lab=bench$(($$ % 100000))
dir=$(mktemp -d)
ns() { local n=$1; shift; ip netns exec "adit-$lab-$n" "$@"; }
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    "$build/src/adit" lab down "$lab" >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

gateway() { # NAME OWN OTHER: OWN and OTHER are 1 or 2
    cat <<CFG
hostname $1
crypto isakmp policy 10
 encr aes
 hash sha256
 authentication pre-share
 group 14
crypto isakmp key bench address 0.0.0.0 0.0.0.0
crypto ipsec transform-set GCM esp-gcm
crypto ipsec transform-set SHA1 esp-aes esp-sha-hmac
crypto ipsec profile GCM
 set transform-set GCM
crypto ipsec profile SHA1
 set transform-set SHA1
interface Loopback0
 ip address $2.$2.$2.1 255.255.255.255
interface Loopback1
 ip address $2.$2.$2.2 255.255.255.255
interface FastEthernet0/0
 ip address 10.$2.0.1 255.255.0.0
interface FastEthernet0/1
 ip address 192.0.2.$2 255.255.255.0
interface Tunnel0
 ip address 172.16.0.$2 255.255.255.252
 tunnel source Loopback0
 tunnel destination $3.$3.$3.1
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile GCM
interface Tunnel1
 ip address 172.16.1.$2 255.255.255.252
 tunnel source Loopback1
 tunnel destination $3.$3.$3.2
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile SHA1
ip route $3.$3.$3.0 255.255.255.0 192.0.2.$3
ip route 10.$3.0.0 255.255.255.0 Tunnel0
ip route 10.$3.1.0 255.255.255.0 Tunnel1
ip route 10.$3.2.0 255.255.255.0 192.0.2.$3
end
CFG
}

make_lab() {
    gateway gwA 1 2 >"$dir/gwA.cfg"
    gateway gwB 2 1 >"$dir/gwB.cfg"
    host() { echo "{kind: linux, exec: [\"for x in 0 1 2; do ip addr add 10.$1.\$x.10/16 dev eth0; done\", \"ip route add default via 10.$1.0.1\"]}"; }
    cat >"$dir/bench.clab.yml" <<TOPO
name: $lab
topology:
  nodes:
    gwA: {kind: adit, startup-config: gwA.cfg}
    gwB: {kind: adit, startup-config: gwB.cfg}
    lanA: $(host 1)
    lanB: $(host 2)
  links:
    - endpoints: ["lanA:eth0", "gwA:FastEthernet0/0"]
    - endpoints: ["gwA:FastEthernet0/1", "gwB:FastEthernet0/1"]
    - endpoints: ["lanB:eth0", "gwB:FastEthernet0/0"]
TOPO
    "$build/src/adit" lab up "$dir" >/dev/null
    for n in lanA gwA gwB lanB; do
        for link in $(ns $n ls /sys/class/net); do
            case $link in
            eth0 | Fa*) ns $n ethtool -K "$link" tso off gso off gro off tx off >/dev/null 2>&1 ;;
            esac
        done
    done
}

measure() { # X: Mbit/s received and retransmits of one stream
    ns lanA timeout $((each + 10)) iperf3 -c "10.2.$1.10" -B "10.1.$1.10" -t "$each" -O 1 -J >"$dir/out.json" 2>/dev/null || true
    /usr/bin/python3 -c '
import json, sys
d = json.load(open(sys.argv[1])).get("end", {})
print(round(d.get("sum_received", {}).get("bits_per_second", 0) / 1e6, 1), d.get("sum_sent", {}).get("retransmits", 0))' "$dir/out.json"
}

[ -x "$build/tests/bench/bench_engine" ] || ninja -C "$build" tests/bench/bench_engine >/dev/null
[ -x "$build/src/aditd" ] && [ -x "$build/src/adit" ] || ninja -C "$build" src/adit src/aditd >/dev/null
if [ "${ENGINE:-1}" = 1 ]; then
    "$build/tests/bench/bench_engine"
    echo
    [ -x "$build/tests/bench/bench_ike" ] || ninja -C "$build" tests/bench/bench_ike >/dev/null
    "$build/tests/bench/bench_ike"
    echo
    [ -x "$build/tests/bench/bench_hands" ] || ninja -C "$build" tests/bench/bench_hands >/dev/null
    "$here/tools/bench_hands.py" "$build"
    echo
fi

make_lab
ns lanB iperf3 -s >/dev/null 2>&1 &
server=$!
for x in 0 1 2; do # brings the SAs up
    ns lanA ping -c 2 -w 15 -I 10.1.$x.10 10.2.$x.10 >/dev/null || { echo "bench: no way through 10.2.$x.0" >&2; exit 1; }
done
for round in $(seq "$rounds"); do
    for what in plain:2 gcm:0 sha1:1; do
        echo "$round ${what%:*} $(measure "${what#*:}")" >>"$dir/results"
    done
done
echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, Linux $(uname -r)"
echo "LAN to LAN, TCP, one stream, MTU 1500, offloads off, $rounds interleaved rounds of $each s"
/usr/bin/python3 - "$dir/results" <<'PY'
import statistics as st, sys
rows = {}
for line in open(sys.argv[1]):
    round_, what, mbit, lost = line.split()
    rows.setdefault(what, {})[round_] = (float(mbit), int(lost))
names = {"plain": "plain forwarding", "gcm": "adit aes128-gcm", "sha1": "adit aes128-sha1"}
libipsec = {"gcm": 0.137, "sha1": 0.108}
print(f"{'':18}{'Mbit/s min / median / max':>28}{'ratio to plain, median (spread)':>36}{'retransmits':>13}  strongSwan libipsec")
ahead = True
for what, got in rows.items():
    mbit = [m for m, _ in got.values()]
    ratio = [got[r][0] / rows["plain"][r][0] for r in got if rows["plain"][r][0]] or [0]
    line = f"{names[what]:18}{min(mbit):10.0f} {st.median(mbit):8.0f} {max(mbit):8.0f}"
    line += f"{st.median(ratio):18.3f} ({min(ratio):.3f}-{max(ratio):.3f}){int(st.median(n for _, n in got.values())):13}"
    if what in libipsec:
        line += f"  {libipsec[what]:.3f}"
        ahead = ahead and st.median(ratio) > libipsec[what]
    print(line)
sys.exit(0 if ahead else 1)
PY

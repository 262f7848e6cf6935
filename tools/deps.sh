#!/bin/bash
# deps.sh SET... : installs what is missing of Debian's packages. Sets: build, run, test.
set -euo pipefail
declare -A sets
sets[build]="gcc libc6-dev make meson ninja-build pkg-config libipsec-mb-dev libdeflate-dev libssl-dev libcrypt-dev libuv1-dev libc-ares-dev libnl-route-3-dev
  libjansson-dev libedit-dev libyaml-dev libseccomp-dev libcap-ng-dev libcmocka-dev
  clang libbpf-dev bpftool linux-libc-dev"
sets[run]="iproute2 frr frr-pythontools tcpdump tshark iputils-ping"
sets[test]="libclang-rt-dev python3 python3-pytest python3-pytest-xdist python3-scapy ethtool iperf3 mmdebstrap kmod nftables conntrack vpnc ike-scan"
missing=()
for s in "$@"; do
    for p in ${sets[$s]}; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0
SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
echo "installing: ${missing[*]}"
# FRR's package would start its daemons on the host; adit starts its own
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $SUDO tee $policy >/dev/null
    $SUDO chmod +x $policy
    made=1
fi
trap '[ -z "$made" ] || $SUDO rm -f $policy' EXIT
$SUDO env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq update
$SUDO env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq install -y --no-install-recommends "${missing[@]}" >/dev/null

#!/bin/bash
# build.sh: makes the far end's files, once, under ${ADIT_VM_CACHE:-/var/cache/adit-peer-vm}, in a folder for each version of
# this file, so that two checkouts do not take away what the other one's guests run on:
#   root/       a small Debian 12 tree: iproute2, ping, tcpdump, strongSwan, and the guest kernel's modules
#   linux.uml   Debian's User Mode Linux kernel: a whole Linux, XFRM and all, that runs as one process
# Root, and Debian's packages within reach, are all it needs; about a minute. Delete the folder to build it anew.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
stamp=$(sha256sum <"$here/build.sh" | cut -c1-16)
cache=${ADIT_VM_CACHE:-/var/cache/adit-peer-vm}/$stamp
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # two test runs at once build it once
if [ "$(cat "$cache/stamp" 2>/dev/null || true)" = "$stamp" ]; then
    install -m755 "$here/init" "$cache/root/sbin/far-end-init"
    exit 0
fi

missing=()
for tool in mmdebstrap:mmdebstrap depmod:kmod ethtool:ethtool ip:iproute2; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
apt() { apt-get -o DPkg::Lock::Timeout=600 -qq "$@" >&2; }
[ ${#missing[@]} = 0 ] || { apt update; apt install -y --no-install-recommends "${missing[@]}"; }

work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=iproute2,iputils-ping,kmod,tcpdump,procps
packages+=,strongswan-starter,strongswan-charon
packages+=,libstrongswan-standard-plugins,libstrongswan-extra-plugins,libcharon-extra-plugins,libcharon-extauth-plugins
mmdebstrap -q --variant=minbase --include="$packages" bookworm "$work/root" >&2

# the kernel is not installed here, only unpacked
mkdir "$work/deb"
(cd "$work/deb" && { apt-get -qq download user-mode-linux 2>/dev/null || { apt update; apt-get -qq download user-mode-linux; }; })
dpkg -x "$work"/deb/user-mode-linux_*.deb "$work/x"
mkdir -p "$work/root/lib/modules" "$work/root/job" "$work/root/overlay"
cp -a "$work"/x/usr/lib/uml/modules/. "$work/root/lib/modules/"
install -m755 "$here/init" "$work/root/sbin/far-end-init"

rm -rf "$cache/root" "$cache/linux.uml"
mv "$work/root" "$cache/root"
mv "$work/x/usr/bin/linux.uml" "$cache/linux.uml"
echo "$stamp" >"$cache/stamp"

#!/bin/bash
# run.sh NETNS LINK FOLDER [CPU]: boots the far end, its eth0 joined to the existing LINK in NETNS by a packet socket.
# Standard input and output are the guest's command line (see init); FOLDER is its /job. Ends when killed, or when the
# guest powers off. build.sh must have been run. One CPU is what it has, and pinned to it (CPU) it is steadier.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ns=$1 link=$2 folder=$(cd "$3" && pwd) cpu=${4:-}
cache=${ADIT_VM_CACHE:-/var/cache/adit-peer-vm}/$(sha256sum <"$here/build.sh" | cut -c1-16)
# a packet socket sees what a virtual link's sender left undone: checksums and segmentation
ip netns exec "$ns" ethtool -K "$link" tx off tso off gso off gro off >/dev/null 2>&1 || true
mkdir -p "$folder/uml"
TMPDIR=/dev/shm exec ip netns exec "$ns" ${cpu:+taskset -c "$cpu"} /usr/bin/python3 "$here/no_xstate.py" "$cache/linux.uml" mem=256M \
    root=/dev/root rootfstype=hostfs "rootflags=$cache/root" ro init=/sbin/far-end-init quiet loglevel=1 selinux=0 \
    con=null ssl=null ssl1=fd:0,fd:1 "uml_dir=$folder/uml/" umid=g "job=$folder" "vec0:transport=raw,ifname=$link,depth=128,gro=1"

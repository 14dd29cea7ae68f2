#!/bin/sh
# Installs the Debian packages that Longboat needs and this machine lacks. Without root it only names them.
#   tools/packages.sh [test|bench]      adds what only the tests need, and what else the benchmarks do
set -eu

needed=""
want() { # want PACKAGE FILE...: one of the files shows that the package is there
    package=$1
    shift
    for file in "$@"; do
        [ -e "$file" ] && return
    done
    needed="$needed $package"
}

want containerd /usr/bin/containerd /usr/local/bin/containerd
want runc /usr/sbin/runc /usr/bin/runc /usr/local/sbin/runc
want containernetworking-plugins /usr/lib/cni/bridge
want nftables /usr/sbin/nft
want iproute2 /usr/sbin/ip /bin/ip /usr/bin/ip
want e2fsprogs /usr/sbin/mkfs.ext4 /sbin/mkfs.ext4
want haproxy /usr/sbin/haproxy
want busybox-static /usr/share/doc/busybox-static
python3 -c 'import ensurepip' 2>/dev/null || needed="$needed python3-venv"
if [ $# != 0 ]; then
    want conntrack /usr/sbin/conntrack
    want gcc /usr/bin/gcc
    want libc6-dev /usr/include/stdio.h
    want etcd-server /usr/bin/etcd
    want etcd-client /usr/bin/etcdctl
    want xfsprogs /usr/sbin/mkfs.xfs /sbin/mkfs.xfs
    want docker-registry /usr/bin/docker-registry
    # an NFS server, and what the tests' mount.nfs is made of
    want rpcbind /usr/sbin/rpcbind /sbin/rpcbind
    want nfs-ganesha /usr/bin/ganesha.nfsd
    want nfs-ganesha-vfs /usr/lib/*/ganesha/libfsalvfs.so
    want libnfs-dev /usr/include/nfsc/libnfs.h
    want libfuse3-dev /usr/include/fuse3/fuse.h
fi
[ "${1:-}" = bench ] && want wrk /usr/bin/wrk
[ $# = 0 ] || "$(dirname "$0")/etcd.sh" || echo "without a newer etcd: storage is tested on the installed one only" >&2

[ -z "$needed" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo " ✗ missing:$needed" >&2
    echo "   On Debian and Ubuntu: sudo apt install$needed" >&2
    exit 1
fi
echo "installing$needed"
export DEBIAN_FRONTEND=noninteractive
# containerd comes with a service of its own that Longboat does not need: do not start it
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
apt-get update -q=2
# shellcheck disable=SC2086
apt-get install -y -q=2 --no-install-recommends $needed > /dev/null

#!/bin/sh
# Puts a newer etcd than Debian 12 has beside it, into build/etcd: storage is tested on both. Needs apt, not root.
#   tools/etcd.sh
set -eu

cd "$(dirname "$0")/.."
place=build/etcd
[ -x $place/usr/bin/etcd ] && exit 0
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if ! command -v apt-get > /dev/null || [ ! -e $keyring ]; then
    echo "no apt here: storage is tested on the etcd that is installed only" >&2
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir -p "$scratch/lists/partial" $place
echo "deb [signed-by=$keyring] http://deb.debian.org/debian trixie main" > "$scratch/sources.list"
from="-o Dir::Etc::sourcelist=$scratch/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$scratch/lists"
from="$from -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User="
echo "fetching etcd of Debian 13"
# shellcheck disable=SC2086
apt-get $from update -q=2
# shellcheck disable=SC2086
(cd "$scratch" && apt-get $from download -q=2 etcd-server)
dpkg -x "$scratch"/etcd-server_*.deb $place

#!/usr/bin/env bash
# Runs a script of packaging/inside/ in a fresh minimal Debian, by chroot. The release is unpacked once, under CACHE; each run writes to a
# layer of its own, which is gone afterwards.
#
# usage: packaging/inside.sh RELEASE CACHE SCRIPT [FOLDER…]
#
# The script finds the sources at /source and the folders at /1, /2 and so on, all read-only. Mounts are made in a separate namespace and
# end with this process.
set -euo pipefail

release=${1:?usage: $0 RELEASE CACHE SCRIPT [FOLDER…]}
mkdir -p "$2"
cache=$(cd "$2" && pwd)
script=$3
shift 3
source=$(cd "$(dirname "$0")/.." && pwd)
base=$cache/$release

unpack() {
  [ ! -d "$base" ] || return 0
  echo "Unpacking Debian $release" >&2
  rm -rf "$base.part"
  # An older debootstrap does not know the names of later releases; the script of sid works for them.
  local defined=/usr/share/debootstrap/scripts/$release
  [ -e "$defined" ] || defined=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase "$release" "$base.part" "$mirror" "$defined" >"$base.log" || {
    tail "$base.log" >&2
    return 1
  }
  # The policy keeps packages from starting a server. A mirror's signed index may be older than the week for which testing's are valid.
  printf '#!/bin/sh\nexit 101\n' >"$base.part/usr/sbin/policy-rc.d"
  chmod 0755 "$base.part/usr/sbin/policy-rc.d"
  echo 'Acquire::Check-Valid-Until "false";' >"$base.part/etc/apt/apt.conf.d/90valid"
  mv "$base.part" "$base"
}

if [ -z "${WAB_INSIDE:-}" ]; then
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  exec $([ "$(id -u)" = 0 ] || echo sudo) env WAB_INSIDE=1 mirror="${mirror:-http://deb.debian.org/debian}" \
    unshare --mount --pid --fork --kill-child "$0" "$release" "$cache" "$script" "$@"
fi

unpack
# The namespace is private, so this file system ends with it.
mkdir -p "$cache/layer"
mount -t tmpfs tmpfs "$cache/layer"
mkdir "$cache"/layer/{upper,work,root}
root=$cache/layer/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$cache/layer/upper,workdir=$cache/layer/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -L /etc/resolv.conf /etc/hosts "$root/etc"
place=source
for folder in "$source" "$@"; do
  mkdir "$root/$place"
  mount --bind "$folder" "$root/$place"
  mount -o remount,bind,ro "$root/$place"
  [ "$place" = source ] && place=1 || place=$((place + 1))
done
chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash "/source/packaging/inside/$script.sh"

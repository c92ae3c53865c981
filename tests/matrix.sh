#!/bin/bash
# Runs `make test-server` against one major of PostgreSQL: the machine's own, or that of another Debian release, which is
# unpacked under target/matrix and entered by chroot. What is tested, and which packages it takes, is not known here.
#
# usage: tests/matrix.sh MAJOR
#
# Every mount is made in a namespace of its own and ends with this process, however that ends: nothing of the machine can
# be reached through a folder that was left behind. Sources, Rust and cargo's downloads are mounted read-only.
set -euo pipefail

declare -A RELEASES=([15]=bookworm [17]=trixie [18]=forky)
major=${1:?usage: $0 MAJOR}
source=$(cd "$(dirname "$0")/.." && pwd)

# A whole folder or none: what an interrupt leaves behind has another name.
unpack_release() {
  [ ! -d "$root" ] || return 0
  echo "Unpacking Debian $release"
  rm -rf "$root.part"
  local script=/usr/share/debootstrap/scripts/$release
  # An older debootstrap does not know the names of later releases; they are made like the newest.
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=make "$release" "$root.part" "$mirror" "$script" >"$here/debootstrap.log" || {
    tail "$here/debootstrap.log" >&2
    return 1
  }
  # No package may start a server.
  printf '#!/bin/sh\nexit 101\n' >"$root.part/usr/sbin/policy-rc.d"
  chmod 0755 "$root.part/usr/sbin/policy-rc.d"
  mv "$root.part" "$root"
}

read_only() {
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  mount -o remount,bind,ro "$root$1"
}

mount_all() {
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  cp -L /etc/hosts /etc/resolv.conf "$root/etc"
  local folder
  for folder in "$source" "$rust" "$cargo"; do read_only "$folder"; done
  mkdir -p "$here/target"
  mount --bind "$here/target" "$root$source/target"
}

run_inside() {
  chroot "$root" env -i HOME=/tmp LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CARGO_HOME="$cargo" CARGO_NET_OFFLINE=true \
    PATH="$rust/bin:$cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

if [[ $("${PG_CONFIG:-pg_config}" --version) == "PostgreSQL $major."* ]]; then
  echo "== PostgreSQL $major of this machine"
  exec make --no-print-directory -C "$source" test-server PG_MAJOR="$major"
fi

release=${RELEASES[$major]:-}
[ -n "$release" ] || { echo "no Debian release has PostgreSQL $major" >&2; exit 2; }
here=$source/target/matrix/$major
root=$here/root

if [ -z "${WAB_MATRIX_INSIDE:-}" ]; then
  echo "== PostgreSQL $major of Debian $release"
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -n 1)
  mkdir -p "$here" "$source/target"
  cargo fetch --quiet --locked --manifest-path "$source/Cargo.toml"
  exec $([ "$(id -u)" = 0 ] || echo sudo) env WAB_MATRIX_INSIDE=1 mirror="${mirror:-http://deb.debian.org/debian}" \
    rust="$(rustc --print sysroot)" cargo="${CARGO_HOME:-$HOME/.cargo}" \
    unshare --mount --pid --fork --kill-child "$0" "$major"
fi

trap 'exit 130' INT TERM
unpack_release
mount_all
run_inside dpkg --configure -a
run_inside make --no-print-directory -C "$source" test-server PG_MAJOR="$major"

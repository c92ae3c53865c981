#!/usr/bin/env bash
# Builds a PgBouncer that has max_prepared_statements, which Debian 12's lacks, from Debian 13's source package: target/pgbouncer/pgbouncer.
set -euo pipefail

target=${CARGO_TARGET_DIR:-$(cd "$(dirname "$0")/.." && pwd)/target}
here=$target/pgbouncer
[ ! -x "$here/pgbouncer" ] || exit 0
mkdir -p "$here/lists/partial" && cd "$here"
echo 'deb-src http://deb.debian.org/debian trixie main' >sources.list
apt=(-o Dir::Etc::sourcelist="$here/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$here/lists"
     -o APT::Sandbox::User=root)
{
  apt-get "${apt[@]}" update -qq
  apt-get "${apt[@]}" source --quiet=2 --download-only pgbouncer
  rm -rf source && dpkg-source --no-check -x pgbouncer_*.dsc source
  cd source
  ./configure --without-cares --without-openssl --without-pam
  make -s -j"$(nproc)" pgbouncer
} >"$here/build.log" 2>&1 || { tail -20 "$here/build.log" >&2; exit 1; }
cp "$here/source/pgbouncer" "$here"
# The server's user runs it.
chmod 0755 "$here/pgbouncer"

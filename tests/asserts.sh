#!/usr/bin/env bash
# Builds PostgreSQL with assertions from Debian's source package under target/asserts, once, and copies Debian's pg_cron into it.
# Prints the path of its pg_config.
#
# usage: tests/asserts.sh MAJOR
set -euo pipefail

major=${1:?usage: $0 MAJOR}
here=$(cd "$(dirname "$0")/.." && pwd)/target/asserts
prefix=$here/$major
config=$prefix/bin/pg_config

if [ ! -e "$prefix/complete" ]; then
  mkdir -p "$here/lists/partial" && cd "$here"
  . /etc/os-release
  echo "deb-src http://deb.debian.org/debian $VERSION_CODENAME main" >sources.list
  apt=(-o Dir::Etc::sourcelist="$here/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$here/lists"
       -o APT::Sandbox::User=root)
  echo "Building PostgreSQL $major with assertions" >&2
  apt-get "${apt[@]}" update -qq >&2
  apt-get "${apt[@]}" source --quiet=2 --download-only "postgresql-$major" >&2
  # Debian's patches would have the server load its libraries from /usr/lib/postgresql.
  rm -rf "postgresql-$major" && dpkg-source --no-check --skip-patches -x "postgresql-$major"_*.dsc "postgresql-$major" >&2
  # PostgreSQL writes its generated headers only at the top of a make, and this script runs inside another.
  unset MAKELEVEL MAKEFLAGS MFLAGS
  cd "$here/postgresql-$major"
  {
    ./configure --quiet --prefix="$prefix" --enable-cassert --enable-debug --with-icu --with-openssl CFLAGS='-O1 -g' &&
    make -s -j"$(nproc)" world-bin &&
    make -s install-world-bin &&
    cp "/usr/lib/postgresql/$major/lib/pg_cron.so" "$("$config" --pkglibdir)" &&
    cp "/usr/share/postgresql/$major/extension"/pg_cron* "$("$config" --sharedir)/extension"
  } >"$here/build.log" 2>&1 || { tail -20 "$here/build.log" >&2; exit 1; }
  # The server's user reads it.
  chmod -R a+rX "$here" && touch "$prefix/complete"
fi
echo "$config"

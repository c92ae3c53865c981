#!/usr/bin/env bash
# Installs the packages of FOLDER in fresh Debian systems: as new, and over packages of an older version, which it makes of the frozen
# install script.
#
# usage: packaging/test-deb.sh MAJOR FOLDER SANDBOX
set -euo pipefail

major=${1:?usage: $0 MAJOR FOLDER SANDBOX}
folder=$(cd "${2:?usage: $0 MAJOR FOLDER SANDBOX}" && pwd)
sandbox=${3:?usage: $0 MAJOR FOLDER SANDBOX}
source=$(cd "$(dirname "$0")/.." && pwd)
release=$(cat "$folder/release")
work=$(mktemp -d "$folder/test.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The packages with the version number OLD. The extension's has the install script of the newest frozen version in place of ours.
older() {
  local package unpacked=$work/unpacked old frozen
  frozen=$(ls "$source/sql/versions" | sort -V | tail -n 1)
  old=${frozen#pg_wabridges--} && old=${old%.sql}
  for package in "$folder"/*.deb; do
    rm -rf "$unpacked" && dpkg-deb -R "$package" "$unpacked"
    sed -i "s/^Version: .*/Version: $old-1/" "$unpacked/DEBIAN/control"
    if [ -d "$unpacked/usr/lib/postgresql" ]; then
      local share=$unpacked/usr/share/postgresql/$major/extension
      rm "$share"/*.sql
      cp "$source/sql/versions/$frozen" "$share"
      sed -i "s/^default_version = .*/default_version = '$old'/" "$share/pg_wabridges.control"
      # The list of checksums names the files that were replaced.
      rm "$unpacked/DEBIAN/md5sums"
    fi
    dpkg-deb -Zxz -z1 --root-owner-group -b "$unpacked" "$work/older" >/dev/null
  done
}

mkdir "$work/packages" "$work/sandbox" "$work/older"
cp "$folder"/*.deb "$work/packages" && cp "$sandbox" "$work/sandbox"
older
chmod -R a+rX "$work"
for script in install upgrade; do
  echo "== $script"
  "$source/packaging/inside.sh" "$release" "$folder/roots" "$script" "$work/packages" "$work/sandbox" "$work/older"
done

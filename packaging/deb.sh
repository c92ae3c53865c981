#!/usr/bin/env bash
# Builds the Debian packages postgresql-MAJOR-wabridges and wab in a copy of the tree, and puts them into FOLDER.
#
# usage: packaging/deb.sh MAJOR FOLDER
#
# Every file of the packages has the time of the last commit, or SOURCE_DATE_EPOCH.
set -euo pipefail

major=${1:?usage: $0 MAJOR FOLDER}
mkdir -p "${2:?usage: $0 MAJOR FOLDER}"
folder=$(cd "$2" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml")
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source/CHANGELOG.md")}
work=$folder/build-$major
tree=$work/pg-wabridges-$version

copy_tree() {
  rm -rf "$tree" && mkdir -p "$tree"
  tar -C "$source" --exclude=./target --exclude=./.git --exclude=node_modules -c . | tar -C "$tree" -x
}

# Puts debian/ in place, for this major.
prepare() {
  cp -r packaging/debian debian
  mv debian/control.in debian/control
  local file
  for file in debian/*PGVERSION*; do mv "$file" "${file/PGVERSION/$major}"; done
  sed -i "s/PGVERSION/$major/g" debian/control "debian/postgresql-$major-wabridges".*
  cat >debian/changelog <<END
pg-wabridges ($version-1) unstable; urgency=medium

  * The changes of each version are in changelog.gz beside this file.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date --utc --rfc-email --date "@$epoch")
END
}

rm -f {"$work","$folder"}/{wab,postgresql-"$major"-wabridges,pg-wabridges}_*
copy_tree
cd "$tree"
prepare
export PG_MAJOR=$major SOURCE_DATE_EPOCH=$epoch DEB_BUILD_OPTIONS=noautodbgsym
# Variables of a make around this script would override those of debian/rules.
unset MAKEFLAGS MFLAGS MAKELEVEL
# debhelper builds with another HOME.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_TARGET_DIR=$folder/cargo-$major
export WAB_SOURCE=$tree RUSTC_WRAPPER=$tree/packaging/rustc
WAB_RUST=$(rustc --print sysroot) && export WAB_RUST
export CFLAGS="-O2 -ffile-prefix-map=$tree=/source -ffile-prefix-map=$CARGO_HOME=/cargo -ffile-prefix-map=$CARGO_TARGET_DIR=/target"
dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes >"$work/build.log" 2>&1 || {
  tail -n 40 "$work/build.log" >&2
  exit 1
}
cp "$work"/*.{deb,changes,buildinfo} "$folder"
# The Debian on which the packages work, for the scripts that test them.
(. /etc/os-release && echo "$VERSION_CODENAME") >"$folder/release"
ls -l "$folder"/*.deb

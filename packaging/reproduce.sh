#!/usr/bin/env bash
# Builds the packages of FOLDER once more, in another folder, with another umask, time zone, locale and copy of cargo's downloads, and
# compares: each package must have the same sha256. Then it looks for folders of this machine in the files of the packages.
#
# usage: packaging/reproduce.sh MAJOR FOLDER
set -euo pipefail

major=${1:?usage: $0 MAJOR FOLDER}
folder=$(cd "${2:?usage: $0 MAJOR FOLDER}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
cargo=${CARGO_HOME:-$HOME/.cargo}
other=$(mktemp -d "$folder/again.XXXXXX")
trap 'rm -rf "$other"' EXIT

mkdir "$other/source" "$other/cargo"
tar -C "$source" --exclude=./target --exclude=./.git --exclude=node_modules -c . | tar -C "$other/source" -x
# Hard links: a second copy without its space.
cp -al "$cargo/registry" "$other/cargo/registry"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct)} && export SOURCE_DATE_EPOCH
(
  umask 0077
  export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=$other/cargo TZ=Pacific/Kiritimati LC_ALL=C HOME=$other
  PATH=$cargo/bin:$PATH CARGO_NET_OFFLINE=true "$other/source/packaging/deb.sh" "$major" "$other/out" >/dev/null
)

failed=0
for package in "$other/out"/*.deb; do
  name=${package##*/}
  first=$(sha256sum <"$folder/$name") second=$(sha256sum <"$package")
  if [ "$first" = "$second" ]; then echo "same: ${first%% *} $name"; else echo "DIFFERENT: $name" && failed=1; fi
  dpkg-deb -x "$folder/$name" "$other/unpacked"
done
if grep -rlaF -e "$folder" -e "$source" -e "$cargo" -e "$HOME/" "$other/unpacked"; then
  echo 'These files hold folders of this machine' >&2
  failed=1
fi
exit $failed

#!/usr/bin/env bash
# Unpacks the images of FOLDER/oci: wab runs in its own, and the extension's has the layout of CloudNativePG. An image for 18 or newer
# is loaded by PostgreSQL in a fresh Debian.
#
# usage: packaging/test-oci.sh MAJOR FOLDER
set -euo pipefail

major=${1:?usage: $0 MAJOR FOLDER}
folder=$(cd "${2:?usage: $0 MAJOR FOLDER}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml")
work=$(mktemp -d "$folder/oci.XXXXXX")
trap 'rm -rf "$work"' EXIT

unpack() {
  local tag
  tag=$(umoci list --layout "$folder/oci/$1")
  umoci unpack --image "$folder/oci/$1:$tag" "$work/$1" >/dev/null
}

test_wab() {
  unpack wab
  local root=$work/wab/rootfs
  local run=(chroot --userspec=65532:65532 "$root" /usr/bin/wab)
  [ "$("${run[@]}" --version)" = "wab $version" ]
  cp "$source/fleet.yaml.example" "$root/etc/wab/fleet.yaml"
  "${run[@]}" -f /etc/wab/fleet.yaml validate
  jq -e '.process.args == ["/usr/bin/wab"] and .process.user.uid == 65532' "$work/wab/config.json" >/dev/null
  du -sh "$root" | sed 's/\t.*/ wab/'
}

[ ! -d "$folder/oci/wab" ] || test_wab
unpack pg-wabridges
root=$work/pg-wabridges/rootfs
(cd "$root" && ls -d lib/pg_wabridges.so share/extension/pg_wabridges.control "share/extension/pg_wabridges--$version.sql" licenses/*/NOTICE*)
[ "$(ls "$root" | xargs)" = 'lib licenses share' ]
if [ "$major" -ge 18 ]; then
  chmod -R a+rX "$work"
  "$source/packaging/inside.sh" "$(cat "$folder/release")" "$folder/roots" extension-image "$root"
fi

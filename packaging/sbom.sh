#!/usr/bin/env bash
# Writes the software bills of materials of wab and the extension to FOLDER, as CycloneDX: wab.cdx.json, pg_wabridges.cdx.json.
#
# usage: packaging/sbom.sh FOLDER
set -euo pipefail

version=0.5.7
mkdir -p "${1:?usage: $0 FOLDER}"
folder=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
tools=$folder/tools
[ -x "$tools/bin/cargo-cyclonedx" ] || {
  CARGO_TARGET_DIR=$tools/target cargo install --quiet --debug --locked --root "$tools" "cargo-cyclonedx@$version"
  rm -rf "$tools/target"
}

# It writes beside each Cargo.toml, so it works on a copy.
work=$(mktemp -d "$folder/sbom.XXXXXX")
trap 'rm -rf "$work"' EXIT
tar -C "$source" --exclude=./target --exclude=./.git --exclude=node_modules -c . | tar -C "$work" -x
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct)} && export SOURCE_DATE_EPOCH
cd "$work"
"$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --target x86_64-unknown-linux-gnu --no-build-deps
for pair in reconciler:wab pg_wabridges:pg_wabridges; do
  file=$folder/${pair#*:}.cdx.json
  cp "${pair%:*}/${pair%:*}.cdx.json" "$file"
  echo "$file: $(jq '.components | length' "$file") components"
done

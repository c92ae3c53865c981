#!/usr/bin/env bash
# Downloads axe-core, with which the browser tests look for barriers to readers, from npm: target/axe.min.js.
set -euo pipefail

version=4.14.1
sha256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
target=${CARGO_TARGET_DIR:-$(cd "$(dirname "$0")/.." && pwd)/target}
is_right() { echo "$sha256  $1" | sha256sum --check --status; }

[ ! -f "$target/axe.min.js" ] || ! is_right "$target/axe.min.js" || exit 0
mkdir -p "$target"
part=$(mktemp -d "$target/axe.XXXXXX")
trap 'rm -rf "$part"' EXIT
npm pack --silent --pack-destination "$part" "axe-core@$version" >/dev/null
tar -xzf "$part"/*.tgz -C "$part" package/axe.min.js
is_right "$part/package/axe.min.js" || { echo "axe-core $version is not the file that the tests were written for" >&2; exit 1; }
mv "$part/package/axe.min.js" "$target/axe.min.js"

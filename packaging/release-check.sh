#!/usr/bin/env bash
# Checks everything that a release consists of, and prints a line for each part: pass or fail, and how long it took. The output of a part is
# in FOLDER/check/.
#
# usage: packaging/release-check.sh MAJOR FOLDER SANDBOX
set -uo pipefail

major=${1:?usage: $0 MAJOR FOLDER SANDBOX}
mkdir -p "${2:?usage: $0 MAJOR FOLDER SANDBOX}/check"
folder=$(cd "$2" && pwd)
sandbox=${3:?usage: $0 MAJOR FOLDER SANDBOX}
cd "$(dirname "$0")/.."
failed=0

check() {
  local name=$1 begin=$SECONDS result=pass
  shift
  "$@" >"$folder/check/$name.log" 2>&1 || { result=FAIL && failed=$((failed + 1)); }
  printf '%-5s %4d s  %s\n' "$result" $((SECONDS - begin)) "$name"
  [ "$result" = pass ] || tail -n 20 "$folder/check/$name.log" | sed 's/^/      | /'
}

lint_packages() { lintian --allow-root --fail-on error,warning --info "$folder"/*.changes; }

check licences cargo test --quiet --package packaging
check deb packaging/deb.sh "$major" "$folder"
check reproduce packaging/reproduce.sh "$major" "$folder"
check lintian lint_packages
check test-deb packaging/test-deb.sh "$major" "$folder" "$sandbox"
check piuparts packaging/piuparts.sh "$folder"
check oci packaging/oci.sh "$major" "$folder"
check test-oci packaging/test-oci.sh "$major" "$folder"
check sbom packaging/sbom.sh "$folder"
echo "$failed failed"
exit $((failed > 0))

#!/usr/bin/env bash
# Runs piuparts on the packages of FOLDER: it installs, removes and purges them in a fresh Debian and compares all files.
#
# usage: packaging/piuparts.sh FOLDER
set -euo pipefail

folder=$(cd "${1:?usage: $0 FOLDER}" && pwd)
release=$(cat "$folder/release")
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)

[ -e "$folder/roots/$release.tar.gz" ] || {
  [ -d "$folder/roots/$release" ] || debootstrap --variant=minbase "$release" "$folder/roots/$release" "$mirror" >/dev/null
  tar -C "$folder/roots/$release" --exclude=./usr/sbin/policy-rc.d -czf "$folder/roots/$release.tar.gz.part" .
  mv "$folder/roots/$release.tar.gz.part" "$folder/roots/$release.tar.gz"
}
# Debian's systemd, which makes the user wab, leaves these behind; they are not ours.
left=(/root/.ssh/ /var/cache/private/ /var/lib/private/ /var/lib/systemd/coredump/ /var/lib/systemd/pstore/ /var/log/private/)
piuparts "${left[@]/#/--ignore=}" --basetgz "$folder/roots/$release.tar.gz" --distribution "$release" --mirror "$mirror main" "$folder"/*.deb

#!/usr/bin/env bash
# Makes two OCI images of the packages of FOLDER, in FOLDER/oci: the extension in the layout that CloudNativePG mounts into a server,
# and wab with the libraries of this Debian that it needs. Both are made without a daemon, and run as no user of the system.
#
# usage: packaging/oci.sh MAJOR FOLDER
set -euo pipefail

major=${1:?usage: $0 MAJOR FOLDER}
folder=$(cd "${2:?usage: $0 MAJOR FOLDER}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml")
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct)}
created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
release=$(cat "$folder/release")
work=$(mktemp -d "$folder/oci.XXXXXX")
trap 'rm -rf "$work"' EXIT

# image NAME TAG ROOT FLAG…: one layer from the folder, whose files have the time of the last commit.
image() {
  local name=$1 tag=$2 root=$3
  shift 3
  rm -rf "$folder/oci/$name" && mkdir -p "$folder/oci"
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu -C "$root" -cf "$work/layer.tar" .
  umoci init --layout "$folder/oci/$name"
  umoci new --image "$folder/oci/$name:$tag"
  umoci raw add-layer --image "$folder/oci/$name:$tag" --history.created "$created" "$work/layer.tar"
  umoci config --image "$folder/oci/$name:$tag" --created "$created" --no-history --config.user 65532:65532 \
    --config.label org.opencontainers.image.version="$version" --config.label org.opencontainers.image.licenses=MIT "$@"
  umoci gc --layout "$folder/oci/$name"
  echo "$folder/oci/$name:$tag"
}

extension() {
  local package=postgresql-$major-wabridges root=$work/extension
  dpkg-deb -x "$folder/${package}_$version"-1_*.deb "$work/$package"
  mkdir -p "$root/lib" "$root/share/extension" "$root/licenses/$package"
  cp "$work/$package/usr/lib/postgresql/$major/lib/pg_wabridges.so" "$root/lib"
  cp "$work/$package/usr/share/postgresql/$major/extension"/* "$root/share/extension"
  cp "$work/$package/usr/share/doc/$package"/{copyright,NOTICE*,third-party-licences*} "$root/licenses/$package"
  image pg-wabridges "$major-$version-$release" "$root" --config.label org.opencontainers.image.title=pg_wabridges
}

# The packages are listed where scanners look for them in images without dpkg.
wab() {
  local root=$work/wab package name
  mkdir -p "$root/var/lib/dpkg/status.d" "$root/etc/ssl/certs" "$root/tmp" "$root/etc/wab" "$work/download"
  chmod 1777 "$root/tmp"
  (cd "$work/download" && apt-get -o APT::Sandbox::User=root download -qq base-files ca-certificates libc6 libgcc-s1)
  for package in "$work/download"/*.deb "$folder/wab_$version"-1_*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x --keep-directory-symlink
    name=$(dpkg-deb -f "$package" Package)
    dpkg-deb -f "$package" >"$root/var/lib/dpkg/status.d/$name"
  done
  find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root"/usr/lib/*/gconv "$root/usr/share/man" "$root/usr/share/doc/wab"/{docs,examples}
  echo 'wab:x:65532:65532:wab:/etc/wab:/sbin/nologin' >"$root/etc/passwd"
  echo 'wab:x:65532:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  image wab "$version" "$root" --config.entrypoint /usr/bin/wab --config.workingdir /etc/wab \
    --config.label org.opencontainers.image.title=wab
}

extension
# The libraries come from this machine's Debian.
if [ "$release" = "$(. /etc/os-release && echo "$VERSION_CODENAME")" ]; then wab; fi

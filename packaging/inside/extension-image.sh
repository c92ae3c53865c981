# Runs in a fresh Debian with PostgreSQL 18: loads the extension from its unpacked image, /1, as CloudNativePG mounts it.
set -euo pipefail
. /source/packaging/inside/steps.sh

run apt-get update -qq
run apt-get install -y -qq --no-install-recommends postgresql-18
mkdir -p /extensions && ln -s /1 /extensions/pg-wabridges
cat >>/etc/postgresql/18/main/postgresql.conf <<'END'
listen_addresses = ''
extension_control_path = '$system:/extensions/pg-wabridges/share'
dynamic_library_path = '$libdir:/extensions/pg-wabridges/lib'
END
run pg_ctlcluster 18 main start
[ -z "$(find /usr -name '*wabridges*')" ] || fail 'the extension is installed on the system'
sql postgres 'CREATE EXTENSION pg_wabridges'
sql postgres 'SELECT wab_version()'
# This calls the library.
sql postgres 'SELECT count(*) FROM wab_fleet; SHOW wab.api_url'

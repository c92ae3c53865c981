# Runs in a fresh Debian: installs packages of an older version, upgrades packages and extension, and finds the rows as they were.
# /1 holds the packages, /2 the sandbox, /3 packages of an older version.
set -euo pipefail
. /source/packaging/inside/steps.sh

run apt-get update -qq
cp /3/*.deb /tmp && cd /tmp
run apt-get install -y -qq ./*.deb
echo '# mine' >>/etc/default/wab
start_servers
sql app 'CREATE EXTENSION pg_wabridges'
old=$(sql app "SELECT extversion FROM pg_extension WHERE extname = 'pg_wabridges'")
bind_tenants
before=$(sql app 'SELECT count(*), md5(string_agg(bridge_id::text, $$,$$ ORDER BY bridge_id)) FROM wab_bridges')

rm /tmp/*.deb && cp /1/*.deb /tmp
run apt-get install -y -qq "./$(package 'postgresql-*-wabridges')"
run apt-get install -y -qq "./$(package wab)"
grep -q '# mine' /etc/default/wab || fail 'the upgrade lost a changed conffile'
sql app 'ALTER EXTENSION pg_wabridges UPDATE'
sql app 'SELECT bound FROM wab_bind_tenants()'
new=$(sql app 'SELECT wab_version()')
[ "wab $new" = "$(wab --version)" ] || fail "the extension is $new, and $(wab --version)"
after=$(sql app 'SELECT count(*), md5(string_agg(bridge_id::text, $$,$$ ORDER BY bridge_id)) FROM wab_bridges')
[ "$before" = "$after" ] || fail "the bridges were $before and are $after"
echo "upgraded from $old to $new, ${before%|*} bridges kept"
the_readme
purge

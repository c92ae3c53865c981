# Runs in a fresh Debian: installs both packages with two apt commands, follows the README up to a plan, and purges the packages.
# /1 holds the packages, /2 the sandbox.
set -euo pipefail
. /source/packaging/inside/steps.sh

run apt-get update -qq
cp /1/*.deb /tmp && cd /tmp
run apt-get install -y -qq "./$(package 'postgresql-*-wabridges')"
run apt-get install -y -qq "./$(package wab)"
wab --version
# Neither unit runs before it is enabled.
[ -z "$(find /etc/systemd/system -name 'wab-*')" ] || fail 'a unit was enabled'
run apt-get install -y -qq systemd
systemd-analyze verify --man=no /lib/systemd/system/wab-serve.service /lib/systemd/system/wab-drift.{service,timer} ||
  fail 'systemd refuses a unit'
id wab >/dev/null || fail 'there is no user wab'
[ "$(stat -c %a /etc/default/wab)" = 640 ] || fail 'others may read /etc/default/wab'

# Runs the command of a unit as the unit does: as wab, with the environment of /etc/default/wab.
unit() {
  local name=$1
  shift
  (
    set -a && . /etc/default/wab && set +a
    exec setpriv --reuid wab --regid wab --clear-groups $(sed -n 's/^ExecStart=//p' "/lib/systemd/system/$name.service") "$@"
  )
}

the_units() {
  wab sql roles | su postgres -c 'psql -Xqd app' >/dev/null
  sql app 'CREATE ROLE wab LOGIN IN ROLE wab_reader'
  cp /tmp/fleet/fleet.yaml /etc/wab
  printf '%s\n' "DATABASE_URL='postgres:///app?host=/var/run/postgresql'" WA_API_KEY=sk_test >>/etc/default/wab
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' | install -o wab -m 0600 /dev/stdin /etc/wab/serve-token
  local status=0
  unit wab-drift >drift 2>&1 || status=$?
  [ $status = 2 ] && grep -q orphaned drift || { cat drift; fail "wab-drift.service exits $status"; }
  unit wab-serve --listen 127.0.0.1:0 >serve 2>&1 &
  local address
  until address=$(grep -o 'http://[0-9.:]*' serve); do kill -0 $! || { cat serve; fail 'wab-serve.service ended'; }; done
  address=${address#http://}
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&3
  grep -q '^HTTP/1.1 200' <&3 || fail 'wab-serve.service does not answer'
  kill $! && wait $! || true
  rm /etc/wab/*
  echo 'both units work'
}

start_servers
sql app 'CREATE EXTENSION pg_wabridges'
the_readme
the_units
purge

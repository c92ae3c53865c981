# The steps that the scripts beside this one share.

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Runs a command, and shows its output only if it fails.
run() {
  "$@" >/tmp/output 2>&1 || { tail -n 40 /tmp/output >&2; fail "$*"; }
}

# The file of a package in this folder.
package() { (set -- $1_*.deb; [ -e "$1" ] || fail "no file $1"; echo "$1"); }

sql() { su postgres -c "PGOPTIONS=--client-min-messages=warning psql -XqtA -v ON_ERROR_STOP=1 -d $1" <<<"$2"; }

# Starts the cluster that Debian made, without a TCP port, and the sandbox with 22 bridges.
start_servers() {
  cluster=$(pg_lsclusters -h | awk '{ print $1; exit }')
  echo "listen_addresses = ''" >>"/etc/postgresql/$cluster/main/postgresql.conf"
  run pg_ctlcluster "$cluster" main start
  /2/sandbox --listen 127.0.0.1:0 --key sk_test --seed 22 --list-status >/tmp/sandbox &
  until url=$(grep -o 'http://[0-9.:]*' /tmp/sandbox); do sleep 0.1; done
  sql postgres 'CREATE DATABASE app'
  sql app "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active');
           INSERT INTO tenants SELECT format('cust_%s', to_char(n, 'FM0000')) FROM generate_series(3, 24) AS n"
  export WA_API_KEY=sk_test
  install -o postgres -g postgres -m 0600 /dev/stdin /etc/postgresql/wab_api_key <<<"$WA_API_KEY"
  printf '%s\n' "wab.api_key_file = '/etc/postgresql/wab_api_key'" "wab.api_url = '$url'" >"/etc/postgresql/$cluster/main/conf.d/wab.conf"
  run pg_ctlcluster "$cluster" main reload
}

bind_tenants() {
  sql app "SELECT * FROM wab_bind_tenants('public.tenants', wanted => 'status = ''active''', add_columns => true)"
  sql app 'SELECT bridges FROM wab_refresh()'
}

# What the README does after the installation, up to a plan; as root, whom PostgreSQL lets in over the socket.
the_readme() {
  sql postgres 'DROP ROLE IF EXISTS root; CREATE ROLE root LOGIN SUPERUSER'
  bind_tenants
  mkdir /tmp/fleet && cd /tmp/fleet
  export DATABASE_URL='postgres:///app?host=/var/run/postgresql'
  run wab init
  sed -i "s|^version: 1\$|&\naccount: { api_url: $url }|" fleet.yaml
  wab plan | tee plan
  grep -q '^Plan: ' plan || fail 'wab plan made no plan'
  wab apply --auto-approve >apply 2>&1 || { cat apply; fail 'wab apply'; }
  wab plan | grep -q '^Nothing to do' || { wab plan; fail 'the second plan is not empty'; }
  cd /tmp
}

# Removes the packages, then purges them: none of their files may be left.
purge() {
  local names files
  names=$(dpkg-query -W -f '${Package}\n' | grep -E '^(wab|postgresql-.*-wabridges)$')
  files=$(dpkg -L $names)
  sql app 'DROP EXTENSION pg_wabridges CASCADE'
  run apt-get remove -y -qq $names
  [ -e /etc/default/wab ] || fail 'removing the package took its conffile'
  run dpkg --purge $names
  local file left=''
  while read -r file; do
    [ -z "$file" ] || { [ -d "$file" ] && [ "${file##*wab*}" ]; } || [ ! -e "$file" ] || left+=" $file"
  done <<<"$files"
  [ -z "$left" ] || fail "these files are left:$left"
  left=$(find / -xdev \( -path /proc -o -path /tmp -o -path /source -o -path /1 -o -path /2 -o -path /3 \) -prune -o -name '*wab*' -print |
    grep -v '^/etc/postgresql/') || true
  [ -z "$left" ] || fail "these files are left: $left"
  echo 'purged, nothing is left'
}

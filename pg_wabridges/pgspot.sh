#!/usr/bin/env bash
# Checks SQL scripts with pgspot: pgspot.sh PGSPOT FILE... It fails if pgspot reports anything. Statements that pgspot
# cannot parse are rewritten first, so that no kind of finding has to be ignored.
set -euo pipefail
pgspot=$1
shift

readable() {
    # 1. pgspot cannot parse SQL-standard bodies, which are parsed at creation under the script's own search_path. The
    #    equivalent text body gets a fixed search_path too.
    # 2. pgspot parses the text of OPEN … FOR EXECUTE as a statement. As an assignment it checks the same expression.
    # 3. PS015 warns of OR REPLACE for views. wab_bind_tenants() needs it to change a binding, and afterwards refuses
    #    views of another owner, which is the risk that PS015 names. Only wab_ views are rewritten.
    # 4. An upgrade script replaces functions and procedures of the extension. PostgreSQL refuses to replace any other
    #    there.
    perl -0p \
        -e 's/^RETURN\s(.*?);$/SET search_path = pg_catalog, pg_temp AS \$body\$ SELECT $1 \$body\$;/gms;' \
        -e 's/^BEGIN ATOMIC\n(.*?)^END\s*;$/SET search_path = pg_catalog, pg_temp AS \$body\$ $1 \$body\$;/gms;' \
        -e 's/OPEN (\w+) FOR EXECUTE /$1 := /g;' \
        -e 's/CREATE OR REPLACE (VIEW|FUNCTION|PROCEDURE) (?=\@extschema\@\._?wab_)/CREATE $1 /g;' \
        "$1"
}

# These qualify every name instead of a SET clause. A procedure that commits cannot have one, and a function that is called
# for each tenant must be inlined.
unset=()
for procedure in 'wab_run_job(job text,command text)' 'wab_work_queue(max_calls integer)' \
    '_wab_end_job(job text,state text,message text,details text,hints text)' 'wab_url_encode(value anynonarray)' '_wab_phone(value text)'; do
    unset+=(--proc-without-search-path "extschema.$procedure")
done

failed=0
for file in "$@"; do
    echo "pgspot: $file"
    readable "$file" | "$pgspot" "${unset[@]}" || failed=1
done
exit $failed

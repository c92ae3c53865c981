#!/usr/bin/env bash
# Has pgspot read SQL scripts of ours: pgspot.sh PGSPOT FILE... Fails when it finds anything. What it cannot read is
# rewritten for it first, here and nowhere else, so that it need not be told to ignore a kind of finding altogether.
set -euo pipefail
pgspot=$1
shift

readable() {
    # 1. It knows no SQL-standard body, one that is resolved when the script runs. The script shuts the search_path at
    #    its start, so the equivalent text has a shut one too.
    # 2. It takes the text of OPEN … FOR EXECUTE for a statement; as an assignment it reads the same expression.
    # 3. The views are made by wab_bind_tenants(), not by the script, with OR REPLACE, so that a binding can be changed.
    #    It then refuses views that belong to somebody else, which is what PS015 warns of. Only our own views are meant.
    # 4. An upgrade replaces functions of the extension; one that is not its own PostgreSQL refuses to replace there.
    perl -0p \
        -e 's/^RETURN\s(.*?);$/SET search_path = pg_catalog, pg_temp AS \$body\$ SELECT $1 \$body\$;/gms;' \
        -e 's/^BEGIN ATOMIC\n(.*?)^END;$/SET search_path = pg_catalog, pg_temp AS \$body\$ $1 \$body\$;/gms;' \
        -e 's/OPEN (\w+) FOR EXECUTE /$1 := /g;' \
        -e 's/CREATE OR REPLACE (VIEW|FUNCTION) (?=\@extschema\@\._?wab_)/CREATE $1 /g;' \
        "$1"
}

# A procedure that commits cannot have a search_path of its own: it qualifies every name.
commits=()
for procedure in 'wab_run_job(job text,command text)' 'wab_work_queue(max_calls integer)' \
    '_wab_end_job(job text,state text,message text,details text,hints text)'; do
    commits+=(--proc-without-search-path "extschema.$procedure")
done

failed=0
for file in "$@"; do
    echo "pgspot: $file"
    readable "$file" | "$pgspot" "${commits[@]}" || failed=1
done
exit $failed

//! The files of `sql/` as scripts for one schema, and what an extension would do besides; running them is `install`'s.

use install_sql::{PARTS, Part, TABLES, Target, statements};

use crate::ground::version;

const COMMENT: &str = "COMMENT ON FUNCTION ";

/// What a name that is taken means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An error: it is somebody else's.
    Create,
    /// It is ours, and older.
    Replace,
}

/// The tables, in this quoted schema.
pub fn tables(schema: &str) -> String {
    TABLES.replace("@extschema@", schema)
}

/// All functions, views and triggers, in this quoted schema, and the stamp.
pub fn functions(schema: &str, way: Way) -> String {
    let version = version::OURS;
    // The stamp comes first: wab_status shows it.
    let stamp = format!(
        "CREATE FUNCTION @extschema@.wab_version() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '{version}'"
    );
    let script = stamp + ";\n" + &of_parts(|statement| !statement.starts_with(COMMENT));
    let script = match way {
        Way::Create => script,
        // A body may call what is replaced only after it.
        Way::Replace => {
            "SET LOCAL check_function_bodies = off;\n".to_owned()
                + &statements(&script).into_iter().map(replacing).collect::<String>()
        }
    };
    script.replace("@extschema@", schema)
}

/// What the functions are for. They are named without arguments, so only once no other signature is left.
pub fn comments(schema: &str) -> String {
    let stamp = "COMMENT ON FUNCTION @extschema@.wab_version IS 'The version of wab whose init --sql-only installed this.';";
    (of_parts(|statement| statement.starts_with(COMMENT)) + stamp).replace("@extschema@", schema)
}

/// The statement with OR REPLACE, where there is one, and its end.
fn replacing(statement: &str) -> String {
    match statement.strip_prefix("CREATE ") {
        Some(what) => format!("CREATE OR REPLACE {what}\n;\n"),
        None => format!("{statement}\n;\n"),
    }
}

fn of_parts(wanted: impl Fn(&str) -> bool) -> String {
    let parts = PARTS.iter().filter(|part| part.is_for(Target::Plain) && part.text != TABLES).map(Part::sql);
    let mut script = String::new();
    for part in parts {
        for statement in statements(&part).into_iter().filter(|statement| wanted(statement)) {
            script += statement;
            script += "\n;\n";
        }
    }
    script
}

/// What this transaction wrote is closed to PUBLIC but for what the views call, as `sql/extension.sql` has it.
pub fn close_to_public(schema: &str) -> String {
    "DO $$
     DECLARE
         ours regprocedure;
     BEGIN
         FOR ours IN SELECT p.oid FROM pg_proc p
                     WHERE p.pronamespace = to_regnamespace('@extschema@') AND p.proname LIKE 'wab\\_%'
                       AND p.xmin = pg_current_xact_id()::xid
                       AND p.proname <> ALL ('{wab_normalize_status,wab_row_json,wab_url_encode,wab_percent_encode,wab_help,wab_lock_id,wab_serves,wab_version}'::name[])
         LOOP
             EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', ours);
         END LOOP;
     END
     $$"
    .replace("@extschema@", schema)
}

/// An older version's function of the same name and other arguments would make calls ambiguous.
pub fn drop_other_signatures(schema: &str) -> String {
    "DO $$
     DECLARE
         old regprocedure;
     BEGIN
         FOR old IN SELECT p.oid FROM pg_proc p
                    WHERE p.pronamespace = to_regnamespace('@extschema@') AND p.xmin <> pg_current_xact_id()::xid
                      AND EXISTS (SELECT FROM pg_proc n WHERE n.pronamespace = p.pronamespace AND n.proname = p.proname
                                                          AND n.xmin = pg_current_xact_id()::xid)
         LOOP
             EXECUTE format('DROP FUNCTION %s', old);
         END LOOP;
     END
     $$"
    .replace("@extschema@", schema)
}

/// Re-creates the views as they were bound, where the table is still there.
pub fn bind_again(schema: &str) -> String {
    "DO $$
     BEGIN
         IF EXISTS (SELECT FROM @extschema@.wab_tenant_binding b JOIN pg_class c ON c.oid = b.tenants) THEN
             PERFORM @extschema@.wab_bind_tenants();
         END IF;
     END
     $$"
    .replace("@extschema@", schema)
}

/// Which tables in schema `$1` are not as those of the same name in the session's temporary schema.
pub const DIFFERING_TABLES: &str = "
    WITH part AS (
        SELECT c.relnamespace, c.relname, 'column' AS what,
               ROW(rank() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname, a.attnotnull,
                   format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid))::text AS said
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relkind = 'r'
        UNION ALL
        SELECT c.relnamespace, c.relname, 'constraint',
               ROW(k.contype, k.confdeltype, f.relname, pg_get_expr(k.conbin, k.conrelid),
                   (SELECT array_agg(a.attname ORDER BY u.nth) FROM unnest(k.conkey) WITH ORDINALITY AS u(num, nth)
                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num))::text
        FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype <> 'n'
        LEFT JOIN pg_class f ON f.oid = k.confrelid
        WHERE c.relkind = 'r'
    ), wished AS (
        SELECT p.relname, p.what, p.said FROM part p WHERE p.relnamespace = pg_my_temp_schema()
    ), there AS (
        SELECT p.relname, p.what, p.said FROM part p JOIN pg_namespace n ON n.oid = p.relnamespace
        WHERE n.nspname = $1 AND p.relname IN (SELECT w.relname FROM wished w)
    ), differing AS (
        (TABLE wished EXCEPT ALL TABLE there) UNION ALL (TABLE there EXCEPT ALL TABLE wished)
    )
    SELECT coalesce(array_agg(DISTINCT d.relname::text ORDER BY d.relname::text), '{}') FROM differing d";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_a_replacement_may_meet_an_older_one() {
        let script = functions("\"my app\"", Way::Replace);
        assert!(!script.contains("@extschema@") && script.contains("\"my app\".wab_observe("));
        let all = statements(&script);
        for statement in &all {
            assert!(
                !statement.starts_with("CREATE ") || statement.starts_with("CREATE OR REPLACE "),
                "{statement}"
            );
            assert!(!statement.starts_with("INSERT "), "{statement}");
        }
        let count = |start: &str| all.iter().filter(|statement| statement.starts_with(start)).count();
        assert!(count("CREATE OR REPLACE FUNCTION ") > 25);
        assert_eq!(statements(&comments("x")).len(), count("CREATE OR REPLACE FUNCTION "));
    }
}

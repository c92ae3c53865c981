//! The files of `sql/` as scripts for one schema, and what an extension would do besides; running them is `install`'s.

use crate::version::{self, Version};

const TABLES: &str = include_str!("../../../sql/schema.sql");
const FUNCTIONS: [&str; 10] = [
    include_str!("../../../sql/functions.sql"),
    include_str!("../../../sql/observe.sql"),
    include_str!("../../../sql/unchanged.sql"),
    include_str!("../../../sql/views.sql"),
    include_str!("../../../sql/binding.sql"),
    include_str!("../../../sql/events.sql"),
    include_str!("../../../sql/history.sql"),
    include_str!("../../../sql/queue.sql"),
    include_str!("../../../sql/episodes.sql"),
    include_str!("../../../sql/jobs.sql"),
];

/// What became of the tables with each version, and from which one on.
const UPGRADES: [(&str, &str); 1] = [("0.1.0", include_str!("../../../sql/upgrade/0.1.0--0.2.0.sql"))];

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

/// What makes the tables of this version those of ours, in this quoted schema; nothing for a version that none is known of.
pub fn upgrade_tables(schema: &str, from: Version) -> String {
    let from = from.to_string();
    let later = UPGRADES.iter().skip_while(|(version, _)| *version != from);
    later.map(|(_, script)| script.replace("@extschema@", schema)).collect()
}

/// All functions and the trigger, in this quoted schema, and the stamp.
pub fn functions(schema: &str, way: Way) -> String {
    let version = version::OURS;
    let stamp = format!(
        "CREATE FUNCTION @extschema@.wab_version() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '{version}';\n"
    );
    // The stamp comes first: wab_status shows it.
    let script = format!("\n{stamp}\n{}", lines(|line| !line.starts_with(COMMENT)));
    let script = match way {
        Way::Create => script,
        // A body may call what is replaced only after it.
        Way::Replace => {
            "SET LOCAL check_function_bodies = off;\n".to_owned()
                + &script
                    .replace("\nCREATE FUNCTION ", "\nCREATE OR REPLACE FUNCTION ")
                    .replace("\nCREATE VIEW ", "\nCREATE OR REPLACE VIEW ")
                    .replace("\nCREATE TRIGGER ", "\nCREATE OR REPLACE TRIGGER ")
        }
    };
    script.replace("@extschema@", schema)
}

/// What the functions are for. They are named without arguments, so only once no other signature is left.
pub fn comments(schema: &str) -> String {
    let stamp = "COMMENT ON FUNCTION @extschema@.wab_version IS 'The version of wab whose init --sql-only installed this.';";
    (lines(|line| line.starts_with(COMMENT)) + stamp).replace("@extschema@", schema)
}

fn lines(wanted: impl Fn(&str) -> bool) -> String {
    FUNCTIONS.iter().flat_map(|file| file.split_inclusive('\n')).filter(|line| wanted(line)).collect()
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
                       AND p.proname <> ALL ('{wab_normalize_status,wab_row_json,wab_url_encode,wab_lock_id,wab_serves,wab_version}'::name[])
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
    fn tables_are_upgraded_from_where_they_are() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let script = upgrade_tables("x", version("0.1.0"));
        assert!(script.contains("ALTER TABLE x.wab_observations") && !script.contains("@extschema@"));
        assert_eq!(upgrade_tables("x", version(version::OURS)), "");
        // The extension's own upgrade does the same to the tables.
        let extension = include_str!("../../../pg_wabridges/sql/pg_wabridges--0.1.0--0.2.0.sql");
        assert!(extension.contains(UPGRADES[0].1));
    }

    #[test]
    fn every_statement_of_a_replacement_may_meet_an_older_one() {
        let script = functions("\"my app\"", Way::Replace);
        assert!(!script.contains("@extschema@") && script.contains("\"my app\".wab_observe("));
        let statements = |start: &str| script.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(
            (
                statements("CREATE FUNCTION"),
                statements("CREATE VIEW"),
                statements("CREATE TRIGGER"),
                statements("INSERT")
            ),
            (0, 0, 0, 0)
        );
        assert!(statements("CREATE OR REPLACE FUNCTION") > 25);
        let comments = comments("x");
        assert_eq!(comments.lines().count(), statements("CREATE OR REPLACE FUNCTION"));
        assert!(comments.lines().all(|line| line.starts_with(COMMENT) && line.ends_with("';")));
    }
}

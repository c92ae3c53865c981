//! Tests of upgrade scripts that are made from two small install scripts.

use super::*;

fn made(old: &str, new: &str) -> Vec<String> {
    let script = upgrade(old, new, None).unwrap();
    statements(&script).into_iter().map(str::to_owned).collect()
}

#[test]
fn unchanged_statements_are_not_repeated() {
    let script = "CREATE TABLE t (a text); CREATE VIEW v AS SELECT 1; COMMENT ON VIEW v IS 'x'; GRANT SELECT ON v TO x;
                  CREATE FUNCTION f() RETURNS void LANGUAGE sql AS ''";
    assert_eq!(made(script, script), Vec::<String>::new());
    assert_eq!(
        made("SET a = 1; DO 'x'", "SET a = 1; DO 'x'"),
        ["SET a = 1", "DO 'x'"],
        "these may run again"
    );
}

#[test]
fn functions_are_replaced_if_their_header_is_unchanged() {
    let f = |arguments: &str, returns: &str, body: &str| {
        format!("CREATE FUNCTION f({arguments}) RETURNS {returns} LANGUAGE sql AS '{body}'")
    };
    let comment = "COMMENT ON FUNCTION f IS 'c'";
    let with = |function: String| format!("{function}; {comment}");
    let old = with(f("a text", "text", "1"));
    assert_eq!(
        made(&old, &with(f("a text", "text", "2"))),
        ["CREATE OR REPLACE FUNCTION f(a text) RETURNS text LANGUAGE sql AS '2'"]
    );
    for new in [f("a text", "int", "1"), f("a int", "text", "1"), f("a text DEFAULT ''", "text", "1")] {
        assert_eq!(made(&old, &with(new.clone())), ["DROP FUNCTION f(a text)", &new, comment]);
    }
    let more = f("a int", "int", "3");
    assert_eq!(made(&f("a text", "text", "1"), &format!("{}; {more}", f("a text", "text", "1"))), [more]);
}

#[test]
fn a_table_that_the_handwritten_file_renamed_is_not_created() {
    let rename = "ALTER TABLE s.t RENAME TO u;";
    let script = upgrade("CREATE TABLE s.t (a text)", "CREATE TABLE s.u (a text)", Some(rename)).unwrap();
    assert_eq!(statements(&script), ["ALTER TABLE s.t RENAME TO u"]);
}

#[test]
fn removed_objects_are_dropped_last_in_reverse_order() {
    let old = "CREATE TABLE t (a text); CREATE INDEX i ON @extschema@.t (a); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS '1';
               COMMENT ON FUNCTION f IS 'f'; CREATE VIEW v AS SELECT f(); CREATE TRIGGER r BEFORE INSERT ON t EXECUTE FUNCTION g()";
    let new = "CREATE TABLE t (a text); CREATE FUNCTION g() RETURNS int LANGUAGE sql AS '2'";
    assert_eq!(
        made(old, new),
        [
            "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS '2'",
            "DROP TRIGGER r ON t",
            "DROP VIEW v",
            "DROP FUNCTION f()",
            "DROP INDEX @extschema@.i",
        ]
    );
}

#[test]
fn a_lost_comment_is_removed_and_a_changed_view_is_described_again() {
    let table = "CREATE TABLE s.t (a text)";
    assert_eq!(
        made(&format!("{table}; COMMENT ON TABLE s.t IS 'x'; COMMENT ON COLUMN s.t.a IS 'y'"), table),
        ["COMMENT ON COLUMN s.t.a IS NULL", "COMMENT ON TABLE s.t IS NULL"]
    );
    let view = |text: &str| {
        format!("CREATE VIEW s.v AS {text}; COMMENT ON VIEW s.v IS 'x'; GRANT SELECT ON s.v TO m")
    };
    assert_eq!(
        made(&view("SELECT 1"), &view("SELECT 2")),
        ["CREATE OR REPLACE VIEW s.v AS SELECT 2", "COMMENT ON VIEW s.v IS 'x'", "GRANT SELECT ON s.v TO m"]
    );
}

#[test]
fn tables_and_rights_are_changed_by_hand() {
    let error = |old: &str, new: &str| upgrade(old, new, None).unwrap_err();
    let (old, new) = ("CREATE TABLE t (a text)", "CREATE TABLE t (a text, b text)");
    assert_eq!(error(old, new), "TABLE t changed");
    assert_eq!(error(old, ""), "TABLE t was removed");
    assert_eq!(error("CREATE TYPE y AS (a text)", "CREATE TYPE y AS (b text)"), "TYPE y changed");
    assert_eq!(error("GRANT SELECT ON t TO x", ""), "this statement was removed: GRANT SELECT ON t TO x");
    assert_eq!(error("", "VACUUM"), "this kind of statement is not supported: VACUUM");
    let by_hand = upgrade(old, new, Some("ALTER TABLE t ADD b text;\n")).unwrap();
    assert_eq!(statements(&by_hand), ["ALTER TABLE t ADD b text"]);
    assert_eq!(made("", old), [old], "a new table is created");
}

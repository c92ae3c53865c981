//! Tests that `\d+` and `\df+` document the product: every object and every public column has a comment. Every set-returning
//! function must also give the planner a row estimate.

use anyhow::Result;
use e2e::fleet::Install;

use crate::world;

const WITHOUT_COMMENT: &str = "
    SELECT c.relname FROM pg_class c WHERE c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v') AND obj_description(c.oid) IS NULL
    UNION ALL
    SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relname LIKE 'wab\\_%' AND c.relkind IN ('r', 'v') AND coalesce(col_description(c.oid, a.attnum), '') = ''
    UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.proname ~ '^_?wab_' AND coalesce(obj_description(p.oid), '') = ''
    UNION ALL
    SELECT e.extname FROM pg_extension e WHERE e.extname = 'pg_wabridges' AND obj_description(e.oid) IS NULL";

const UNPLANNABLE: &str = "
    SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.proname ~ '^_?wab_' AND ((p.proretset AND p.prorows = 1000 AND p.proname NOT IN ('wab_list_instances', '_wab_list_rows'))
       OR (l.lanname = 'c' AND p.provolatile = 'v' AND p.procost < 1000))";

#[tokio::test]
async fn every_object_has_a_comment_and_its_size() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    assert_eq!(fleet.sql(WITHOUT_COMMENT)?, "");
    assert_eq!(fleet.sql(UNPLANNABLE)?, "");
    if fleet.install == Install::Extension {
        fleet
            .sql("COMMENT ON COLUMN wab_drift.since IS NULL; COMMENT ON PROCEDURE wab_work_queue IS NULL")?;
        assert_eq!(
            fleet.sql(WITHOUT_COMMENT)?,
            "wab_drift.since\nwab_work_queue(integer)",
            "the query must find objects"
        );
    }
    Ok(())
}

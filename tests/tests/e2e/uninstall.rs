//! Tests that the product can be removed from a database, and that nothing of it is left.

use anyhow::Result;
use e2e::fleet::Install;

use crate::world;

const LEFT: &str = "SELECT relname FROM pg_class WHERE relname ~ '^_?wab_' UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^_?wab_'
    UNION ALL SELECT typname FROM pg_type WHERE typname ~ '^_?wab_' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ '^_?wab_'";

#[tokio::test]
async fn dropping_the_extension_with_cascade_leaves_nothing_and_without_it_is_refused() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    fleet.sql(include_str!("../../../sql/signup.sql"))?;
    let tenants = fleet.sql("SELECT * FROM tenants ORDER BY id")?;
    let (state, message) = fleet.sql_error("DROP EXTENSION pg_wabridges")?;
    assert_eq!(state, "2BP01");
    assert!(message.contains("view wab_tenants depends on function _wab_is_installed()"), "{message}");
    fleet.sql("DROP EXTENSION pg_wabridges CASCADE")?;
    assert_eq!(fleet.sql(LEFT)?, "");
    assert_eq!(fleet.sql("SELECT * FROM tenants ORDER BY id")?, tenants);
    fleet.sql("CREATE EXTENSION pg_wabridges; SELECT * FROM wab_bind_tenants('tenants'); SELECT * FROM wab_refresh()")?;
    Ok(())
}

#[tokio::test]
async fn the_recipe_removes_both_kinds_of_installation() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = world::lived_in(install).await?;
        fleet.sql(include_str!("../../../sql/roles.sql"))?;
        fleet.sql(include_str!("../../../sql/signup.sql"))?;
        fleet.sql("CREATE VIEW mine AS SELECT count(*) FROM wab_drift")?;
        let tenants = fleet.sql("SELECT * FROM tenants ORDER BY id")?;
        fleet.sql(include_str!("../../../sql/uninstall.sql"))?;
        assert_eq!(fleet.sql(LEFT)?, "", "{install:?}");
        assert_eq!(fleet.sql("SELECT * FROM tenants ORDER BY id")?, tenants);
        let (state, message) = fleet.sql_error(include_str!("../../../sql/uninstall.sql"))?;
        assert!(state == "55000" && message.contains("has no wab_ objects"), "{message}");
        let roles = "wab_enqueuer, wab_operator, wab_reader, wab_receiver, wab_support";
        fleet.sql(&format!("DROP OWNED BY {roles}; DROP ROLE {roles}"))?;
        assert_eq!(fleet.sql("SELECT rolname FROM pg_roles WHERE rolname ~ '^wab_'")?, "", "{install:?}");
    }
    Ok(())
}

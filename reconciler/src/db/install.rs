//! Installs the files of `sql/` without the extension, in one transaction. Running it again updates the
//! objects.

mod place;

use install_sql::{NoUpgrade, Target};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::config::Database;
use crate::db::find;
use crate::db::install::place::Place;
use crate::db::session::Session;
use crate::db::statement::{query, query_scalar};
use crate::decide::engine;
use crate::ground::Version;
use crate::ground::version;
use crate::model::Error;

const DOING: &str = "cannot install the wab_ objects";

/// Key of the advisory lock for installations; the keys of `_wab_lock_id()` end in 1 to 4.
const LOCK: i64 = 7_761_620_005;

/// The oldest PostgreSQL version that `sql/` supports.
pub const OLDEST_SERVER: u32 = 140_000;

const BIND_AGAIN: &str = include_str!("bind_again.sql");
const DIFFERING_TABLES: &str = include_str!("differing_tables.sql");

/// The result of an installation.
#[derive(Debug)]
pub struct Installation {
    /// The schema of the objects, quoted for SQL.
    pub schema: String,
    /// The change that was made.
    pub done: Done,
}

/// The change that was made.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// The objects were installed.
    Installed,
    /// This version was installed already.
    Nothing,
    /// An older version was updated.
    Updated {
        /// Its version.
        from: Version,
    },
}

/// Installs into this schema, or where the objects are already, or into the first schema in which the role
/// may create objects.
pub async fn install(database: &Database, schema: Option<&str>) -> Result<Installation, Error> {
    let mut session = Session::connect(database).await?;
    if let Some(engine) = engine::unsupported(&session.version().await?) {
        return Err(refused(
            format!("the server is {}, on which nothing was installed: {}", engine.name, engine.lacks),
            "use PostgreSQL 14 or newer; docs/engines.md says what is known of other engines",
        ));
    }
    if let Some(old) = session.server_version().filter(|version| *version < OLDEST_SERVER) {
        return Err(refused(
            format!("the server is PostgreSQL {}: the wab_ objects need 14 or newer", old / 10_000),
            "upgrade the server, or use another one",
        ));
    }
    // READ COMMITTED: after waiting for the lock, this transaction must see what the lock's holder committed.
    let mut tx = session.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    require_utf8(&mut tx).await?;
    let path = find::search_path(&mut tx).await?;
    query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await
        .map_err(Error::database("cannot take the lock for installations"))?;
    refuse_beside_extension(&mut tx).await?;
    let found = find::installed(&mut tx, &path, schema).await?;
    let found = find::one(&found, schema)?;
    let place = match (found, schema) {
        (Some(found), _) => Place::named(&mut tx, &found.schema).await?,
        (None, Some(schema)) => Place::named(&mut tx, schema).await?,
        (None, None) => Place::first(&mut tx, &path).await?,
    };
    let done = if found.is_some() { update(&mut tx, &place).await? } else { create(&mut tx, &place).await? };
    tx.commit().await.map_err(Error::database(DOING))?;
    Ok(Installation { schema: place.quoted, done })
}

fn refused(what: String, hint: &str) -> Error {
    Error::Refused { what, hint: hint.to_owned() }
}

/// Fails as the script itself does, which another encoding could not even hold.
async fn require_utf8(tx: &mut PgConnection) -> Result<(), Error> {
    let encoding: String = query_scalar("SELECT getdatabaseencoding()::text")
        .fetch_one(tx)
        .await
        .map_err(Error::database("cannot read the database's encoding"))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(refused(
        format!("this database has the encoding {encoding}, and the wab_ objects need UTF8"),
        "move the tenants to a database with that encoding: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0; then \
         pg_dump and psql",
    ))
}

async fn refuse_beside_extension(tx: &mut PgConnection) -> Result<(), Error> {
    let row = query(
        "SELECT e.extversion, n.nspname::text AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_wabridges'",
    )
    .fetch_optional(tx)
    .await
    .map_err(Error::database(DOING))?;
    let Some(row) = row else { return Ok(()) };
    let read = || Ok((row.try_get("extversion")?, row.try_get("schema")?));
    let (version, schema): (String, String) = read().map_err(Error::database(DOING))?;
    Err(refused(
        format!(
            "this database has the extension pg_wabridges {version}, in schema {schema}: nothing was installed"
        ),
        "use the extension; to update it: ALTER EXTENSION pg_wabridges UPDATE",
    ))
}

async fn create(tx: &mut PgConnection, place: &Place) -> Result<Done, Error> {
    if !place.creatable {
        return Err(place.not_creatable(tx).await);
    }
    run(tx, &install_sql::plain(), &place.quoted).await?;
    Ok(Done::Installed)
}

async fn update(tx: &mut PgConnection, place: &Place) -> Result<Done, Error> {
    let Some(from) = installed_version(tx, place).await? else {
        return Err(refused(
            format!(
                "the wab_ objects in schema {} have no version: wab init did not install them",
                place.quoted
            ),
            "install into another schema: wab init --sql-only --schema NAME",
        ));
    };
    let ours: Version = version::OURS.parse().map_err(|error: String| refused(error, "build wab again"))?;
    if from == ours {
        return Ok(Done::Nothing);
    }
    if from > ours {
        return Err(refused(
            format!(
                "schema {} has version {from} of the wab_ objects, newer than this wab {ours}",
                place.quoted
            ),
            "use the version of wab that installed them, or a newer one",
        ));
    }
    require_owner(tx, place).await?;
    if !place.creatable {
        return Err(place.not_creatable(tx).await);
    }
    let version = from.to_string();
    let unknown = |why: NoUpgrade| {
        refused(
            format!("this wab {ours} cannot upgrade from version {from}: {why}"),
            "use the version of wab that installed them",
        )
    };
    let old = install_sql::frozen(&version, Target::Plain).map_err(unknown)?;
    let upgrade = install_sql::upgrade_from(&version, Target::Plain).map_err(unknown)?;
    require_tables(tx, place, from, &install_sql::tables(&old)).await?;
    // Function bodies may call functions that the script creates later.
    run(tx, "SET LOCAL check_function_bodies = off", &place.quoted).await?;
    run(tx, &upgrade, &place.quoted).await?;
    run(tx, BIND_AGAIN, &place.quoted).await?;
    Ok(Done::Updated { from })
}

/// `None`: the objects are older than version numbers, or were loaded by hand.
async fn installed_version(tx: &mut PgConnection, place: &Place) -> Result<Option<Version>, Error> {
    const DOING: &str = "cannot read the installed version of the wab_ objects";
    let known: bool =
        query_scalar("SELECT to_regprocedure(format('%I.wab_version()', $1::text)) IS NOT NULL")
            .bind(&place.schema)
            .fetch_one(&mut *tx)
            .await
            .map_err(Error::database(DOING))?;
    if !known {
        return Ok(None);
    }
    let text: String = query_scalar(AssertSqlSafe(format!("SELECT {}.wab_version()", place.quoted)))
        .fetch_one(&mut *tx)
        .await
        .map_err(Error::database(DOING))?;
    let hint = "wab init did not create this wab_version(): install into another schema";
    text.parse().map(Some).map_err(|error: String| refused(error, hint))
}

async fn require_owner(tx: &mut PgConnection, place: &Place) -> Result<(), Error> {
    let owner: Option<String> = query_scalar(
        "SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c
         WHERE c.oid = to_regclass(format('%I.wab_tenant_binding', $1::text)) AND NOT pg_has_role(c.relowner, 'USAGE')",
    )
    .bind(&place.schema)
    .fetch_optional(tx)
    .await
    .map_err(Error::database(DOING))?;
    match owner {
        None => Ok(()),
        Some(owner) => Err(refused(
            format!(
                "the wab_ objects in schema {} belong to role {owner}: only that role may update them",
                place.quoted
            ),
            "connect as that role, or as a member of it",
        )),
    }
}

/// Refuses an upgrade if the installed tables differ from the tables of their version.
async fn require_tables(
    tx: &mut PgConnection,
    place: &Place,
    from: Version,
    tables: &str,
) -> Result<(), Error> {
    run(tx, &format!("SAVEPOINT scratch; {tables}"), "pg_temp").await?;
    let differing: Vec<String> = query(DIFFERING_TABLES)
        .bind(&place.schema)
        .fetch_one(&mut *tx)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(Error::database("cannot compare the installed tables with those of their version"))?;
    run(tx, "ROLLBACK TO SAVEPOINT scratch; RELEASE SAVEPOINT scratch", "pg_temp").await?;
    if differing.is_empty() {
        return Ok(());
    }
    Err(refused(
        format!(
            "the installed tables differ from those of wab {from}, so the upgrade script does not fit them: {}",
            differing.join(", ")
        ),
        "nothing was changed; install into another schema: wab init --sql-only --schema NAME",
    ))
}

/// Runs a script with this quoted schema in place of `@extschema@`.
async fn run(tx: &mut PgConnection, script: &str, schema: &str) -> Result<(), Error> {
    let script = script.replace("@extschema@", schema);
    sqlx::raw_sql(AssertSqlSafe(script)).execute(tx).await.map(drop).map_err(Error::database(DOING))
}

//! A few connections for reading, which requests share. Each request reads in one transaction, which sees one state of the
//! database and can write nothing.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;

use crate::config::Database;
use crate::db::board::{Query, SearchPath};
use crate::db::evaluation::Evaluation;
use crate::db::statement::query;
use crate::db::store::Store;
use crate::db::stores::Stores;
use crate::db::table::table;
use crate::model::{Error, Table};

/// So many requests read at the same time; the others wait.
const CONNECTIONS: usize = 4;
/// PostgreSQL ends a statement after this time.
const STATEMENT_TIMEOUT: &str = "5s";
/// A database that stopped answering ends no statement: then the read ends after this time.
const DEADLINE: Duration = Duration::from_secs(8);

const READING: &str = "cannot read the fleet";

/// Reads with the connections.
#[derive(Debug)]
pub struct Pool {
    stores: Stores,
}

impl Pool {
    /// Connects at the first read, not now.
    pub fn new(database: Database) -> Self {
        Self { stores: Stores::new(database, CONNECTIONS) }
    }

    /// Runs these queries in one transaction.
    pub async fn read(&self, queries: &[Query]) -> Result<Vec<Table>, Error> {
        let reading = async {
            let mut store = self.stores.lend().await?;
            let tables = read(&mut store, queries).await?;
            store.hand_back();
            Ok(tables)
        };
        timeout(DEADLINE, reading).await.unwrap_or_else(|_| Err(Error::unanswered(READING, DEADLINE)))
    }
}

async fn read(store: &mut Store, queries: &[Query]) -> Result<Vec<Table>, Error> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; \
         SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"
    );
    let tx = store.session.begin_with(&begin).await?;
    let mut evaluation = Evaluation::new(tx, &store.names);
    let bound = evaluation.names.sql("SELECT @extschema@._wab_require_binding()");
    query(bound).execute(&mut *evaluation.tx).await.map_err(Error::database(READING))?;
    let schema = evaluation.names.quoted.clone();
    // Metrics are read apart from pages, so all queries of one read have the same path.
    let mut tx = match queries.first().map(|query| query.path) {
        Some(SearchPath::Binding) => evaluation.under_binding_path().await?,
        Some(SearchPath::Catalog) | None => evaluation.tx.begin().await.map_err(Error::database(READING))?,
    };
    let mut tables = Vec::with_capacity(queries.len());
    for Query { sql, arguments, .. } in queries {
        let sql = sql.replace("@extschema@", &schema);
        let mut rows = fetch(&mut tx, &sql, arguments).await?;
        let is_empty = rows.is_empty();
        if is_empty {
            rows = fetch(&mut tx, &or_nulls(&sql), arguments).await?;
        }
        let mut table = table(&rows).map_err(Error::database(READING))?;
        if is_empty {
            table.rows.clear();
        }
        tables.push(table);
    }
    tx.rollback().await.map_err(Error::database(READING))?;
    evaluation.rollback().await?;
    Ok(tables)
}

/// The query, or one row of nulls if it returns none: the names of its columns come with a row.
fn or_nulls(sql: &str) -> String {
    format!("SELECT q.* FROM (SELECT 1) one LEFT JOIN (\n{sql}\n) q ON true LIMIT 1")
}

async fn fetch(
    conn: &mut PgConnection,
    sql: &str,
    arguments: &[Option<String>],
) -> Result<Vec<PgRow>, Error> {
    let statement = query(AssertSqlSafe(sql.to_owned()));
    let statement = arguments.iter().fold(statement, |statement, argument| statement.bind(argument));
    statement.fetch_all(conn).await.map_err(Error::database(READING))
}

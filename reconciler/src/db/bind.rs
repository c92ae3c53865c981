//! Binds the tenants table as fleet.yaml declares: first in temporary views, then for good if the plan is run. Whether another table may be bound is decided in
//! `decide::guard`.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;

use crate::config::{Fleet, Webhook, WebhookTemplate};
use crate::db::evaluation::{Evaluation, Preview};
use crate::db::statement::{query, query_scalar};
use crate::model::{Binding, BindingChange, Error};

const NOT_BOUND: &str = "cannot bind the tenants table as fleet.yaml declares";

impl Evaluation<'_> {
    /// Previews the binding of fleet.yaml if it differs from the stored one; returns the change.
    pub(super) async fn bind(&mut self, fleet: &Fleet) -> Result<Option<BindingChange>, Error> {
        let bound = self.bound().await?;
        let (oid, declared, resolved_in) = match (&fleet.tenants, &bound) {
            (Some(tenants), bound) => {
                let oid = self.table(&tenants.table).await?;
                let before = bound.as_ref().filter(|bound| bound.oid == oid).map(|bound| &bound.binding);
                (oid, Binding::declared(tenants, before), self.names.search_path.clone())
            }
            (None, Some(bound)) => (bound.oid, bound.binding.clone(), bound.resolved_in.clone()),
            (None, None) => return Err(nothing_bound()),
        };
        let webhook_url = match &fleet.webhook {
            Some(Webhook::Url(template)) => {
                Some(self.webhook_expression(template, oid, &declared.tenant_id).await?)
            }
            Some(Webhook::None) => None,
            None => bound.as_ref().and_then(|bound| bound.binding.webhook_url.clone()),
        };
        let after = Binding { webhook_url, ..declared };
        let is_bound = bound
            .as_ref()
            .is_some_and(|bound| bound.usable && bound.oid == oid && bound.binding.reads_like(&after));
        if !is_bound || self.is_copy() {
            self.preview_as(Preview { oid, binding: after.clone(), resolved_in }).await?;
        }
        if is_bound {
            return Ok(None);
        }
        let moves_table = bound.as_ref().is_some_and(|bound| bound.oid != oid);
        let change = BindingChange::new(bound.map(|bound| bound.binding), after);
        Ok(Some(BindingChange { moves_table, ..change }))
    }

    /// The current binding, if there is one.
    pub(super) async fn bound(&mut self) -> Result<Option<Bound>, Error> {
        const DOING: &str = "cannot read the binding of the tenants table";
        let row = query(self.home.sql(include_str!("bind/bound.sql")))
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(Error::database(DOING))?;
        row.as_ref().map(Bound::read).transpose().map_err(Error::database(DOING))
    }

    async fn table(&mut self, table: &str) -> Result<Oid, Error> {
        const DOING: &str = "cannot look up the table that tenants.table names";
        // Three statements, because PostgreSQL may evaluate the parts of one statement in any order.
        self.set_search_path(&self.names.search_path.clone()).await?;
        let row = query("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid")
            .bind(table)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database(DOING))?;
        self.set_search_path("pg_catalog, pg_temp").await?;
        match row.try_get::<Option<_>, _>(0).map_err(Error::database(DOING))? {
            Some(oid) => Ok(oid),
            None => Err(self.no_table(table).await),
        }
    }

    /// Makes the error for a missing table. If another table has the same name apart from case, the hint names that table.
    async fn no_table(&mut self, table: &str) -> Error {
        let alike: Result<Option<String>, _> =
            query_scalar(include_str!("bind/alike.sql")).bind(table).fetch_optional(&mut *self.tx).await;
        let hint = match alike {
            Ok(Some(alike)) => format!(
                "PostgreSQL reads a name in lower case unless it is in double quotes: tenants: {{ table: '{}' }}",
                alike.replace('\'', "''")
            ),
            _ => "name your tenants table with its schema, such as public.tenants".to_owned(),
        };
        Error::config(format!("tenants.table: this database has no table {table}"), hint)
    }

    async fn set_search_path(&mut self, path: &str) -> Result<(), Error> {
        query("SELECT pg_catalog.set_config('search_path', $1, true)")
            .bind(path)
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database("cannot set the search_path"))
    }

    /// The template as a SQL expression over a tenant row. PostgreSQL does the quoting.
    async fn webhook_expression(
        &mut self,
        template: &WebhookTemplate,
        tenants: Oid,
        column: &str,
    ) -> Result<String, Error> {
        query_scalar(include_str!("bind/webhook_expression.sql"))
            .bind(template.as_str())
            .bind(WebhookTemplate::PLACEHOLDER)
            .bind(&self.home.schema)
            .bind(column)
            .bind(tenants)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database("cannot write bridges.webhook_url as a SQL expression"))
    }

    async fn preview_as(&mut self, preview: Preview) -> Result<(), Error> {
        self.make(include_str!("bind/preview_views.sql"), &preview).await?;
        self.preview = Some(preview);
        Ok(())
    }

    /// Binds the table for good as it was previewed. The views are locked from here to the end of the transaction.
    pub async fn keep_binding(&mut self) -> Result<(), Error> {
        let Some(preview) = self.preview.take() else { return Ok(()) };
        query("DROP VIEW pg_temp.wab_tenants CASCADE")
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(NOT_BOUND))?;
        self.make(include_str!("bind/bind_tenants.sql"), &preview).await
    }

    async fn make(&mut self, statement: &str, preview: &Preview) -> Result<(), Error> {
        let Preview { oid, binding, resolved_in } = preview;
        query(self.names.sql(statement))
            .bind(oid)
            .bind(&binding.tenant_id)
            .bind(&binding.bridge_id)
            .bind(&binding.bridge_status)
            .bind(&binding.wanted)
            // To the function, null means what is bound now.
            .bind(binding.webhook_url.as_deref().unwrap_or(""))
            .bind(resolved_in)
            .bind(binding.customer_refs.as_deref().unwrap_or(""))
            .bind(binding.disconnected_after.as_deref().unwrap_or(""))
            .bind(binding.awaiting_scan_after.as_deref().unwrap_or(""))
            .bind(binding.phone.as_deref().unwrap_or(""))
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database(NOT_BOUND))
    }
}

fn nothing_bound() -> Error {
    Error::config(
        "no tenants table is bound, and fleet.yaml has no section `tenants`",
        "add it: tenants: { table: public.tenants, wanted: status = 'active' }",
    )
}

/// The binding in the database.
pub(super) struct Bound {
    pub(super) oid: Oid,
    pub(super) binding: Binding,
    resolved_in: String,
    usable: bool,
}

impl Bound {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let binding = Binding {
            table: row.try_get("table")?,
            tenant_id: row.try_get("tenant_id")?,
            bridge_id: row.try_get("bridge_id")?,
            bridge_status: row.try_get("bridge_status")?,
            wanted: row.try_get("wanted")?,
            phone: row.try_get("phone")?,
            webhook_url: row.try_get("webhook_url")?,
            customer_refs: row.try_get("customer_refs")?,
            disconnected_after: row.try_get("disconnected_after")?,
            awaiting_scan_after: row.try_get("awaiting_scan_after")?,
        };
        Ok(Self {
            oid: row.try_get("oid")?,
            binding,
            resolved_in: row.try_get("resolved_in")?,
            usable: row.try_get("usable")?,
        })
    }
}

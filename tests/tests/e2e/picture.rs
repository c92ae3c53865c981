//! Reads the complete content of a database of the product, in order to compare two databases. It finds tables and views in
//! the catalogs, so that new ones are included.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use e2e::cluster::Cluster;

/// The tables, sequences and views of the product, and the tenants table.
const RELATIONS: &str = "SELECT c.oid::regclass, c.relkind FROM pg_class c
    WHERE (c.relname ~ '^_?wab_' OR c.oid = (SELECT b.tenants FROM wab_tenant_binding b)) AND c.relkind IN ('r', 'v', 'm', 'S')
    ORDER BY 1::text";

/// Rights, view definitions, comments and other properties of the objects.
const OBJECTS: &str = "SELECT c.oid::regclass::text AS object, r.rolname,
           (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) a),
           (SELECT array_agg(a.attname || ' ' || a.attacl::text ORDER BY a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid),
           c.reloptions, obj_description(c.oid, 'pg_class'), CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END
    FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE (c.relname ~ '^_?wab_' OR c.oid = (SELECT b.tenants FROM wab_tenant_binding b)) AND c.relkind IN ('r', 'v', 'm')
    UNION ALL
    SELECT p.oid::regprocedure::text, r.rolname,
           (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a),
           NULL, p.proconfig, obj_description(p.oid, 'pg_proc'), NULL
    FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.proname ~ '^_?wab_'
    UNION ALL
    SELECT 'default privileges', r.rolname, d.defaclacl::text[], NULL, NULL, d.defaclobjtype::text, NULL
    FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
    ORDER BY 1, 2, 6";

/// Begins the line before the answer of each query.
const MARK: &str = "-- answer ";

/// The content of a database by table, view or property; rows are sorted.
#[derive(Debug)]
pub struct Picture(BTreeMap<String, String>);

impl Picture {
    /// Reads the content of this database.
    pub fn of(cluster: &Cluster, database: &str) -> Result<Self> {
        let queries = vec![
            ("wab_summary()".to_owned(), "SELECT * FROM wab_summary()".to_owned()),
            ("objects".to_owned(), OBJECTS.to_owned()),
        ];
        Self::answers(cluster, database, queries, &["r", "v", "m", "S"])
    }

    /// Reads only what is stored, which does not change while time passes.
    pub fn of_tables(cluster: &Cluster, database: &str) -> Result<Self> {
        Self::answers(cluster, database, Vec::new(), &["r", "S"])
    }

    fn answers(
        cluster: &Cluster,
        database: &str,
        mut queries: Vec<(String, String)>,
        kinds: &[&str],
    ) -> Result<Self> {
        for relation in cluster.sql(database, RELATIONS)?.lines() {
            let (name, kind) = relation.rsplit_once('|').context("no columns")?;
            if !kinds.contains(&kind) {
                continue;
            }
            let columns = if kind == "S" { "r.last_value, r.is_called" } else { "r::text" };
            queries.push((name.to_owned(), format!("SELECT {columns} FROM {name} r ORDER BY 1")));
        }
        // One session answers them all; each answer follows a line with its mark.
        let mut script = "SET jit = off;\n".to_owned();
        for (nth, (_, query)) in queries.iter().enumerate() {
            script += &format!("SELECT '{MARK}{nth}';\n{query};\n");
        }
        let said = format!("\n{}", cluster.sql(database, &script)?);
        let mark = format!("\n{MARK}");
        let answers = said.split(&mark).skip(1);
        let answers = answers.map(|answer| answer.split_once('\n').unwrap_or_default().1.to_owned());
        let names = queries.into_iter().map(|(name, _)| name);
        Ok(Self(names.zip(answers).collect()))
    }

    /// Empty tables, sequences and views: comparing them proves nothing.
    pub fn silent(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name.as_str()).collect()
    }

    /// The content of one of them.
    pub fn says(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Checks that this is a copy of a database with the pictures `before` and `after` the copy was made. Entries that differ
    /// between these two depend on the time, so only their number of rows is compared.
    pub fn is_copy_of(&self, before: &Self, after: &Self) -> Result<()> {
        let names = |picture: &Self| picture.0.keys().cloned().collect::<Vec<_>>();
        ensure!(names(self) == names(before), "other objects: {:?}, not {:?}", names(self), names(before));
        for (name, copy) in &self.0 {
            let (before, after) =
                (before.says(name).unwrap_or_default(), after.says(name).unwrap_or_default());
            let same = match before == after {
                true => copy == before,
                false => copy.lines().count() == before.lines().count(),
            };
            ensure!(same, "{name} contains\n{copy}\ninstead of\n{before}");
        }
        Ok(())
    }
}

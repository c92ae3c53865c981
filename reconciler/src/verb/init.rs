//! `wab init`: writes a fleet.yaml to start from, or installs the `wab_` objects without the extension
//! (`--sql-only`).

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use clap::Args;

use crate::config::{ConfigError, Database, Fleet};
use crate::db::install;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::screen::Screen;
use crate::render::setup::{installed, written};
use crate::render::stderr::emit;

const EXAMPLE: &str = include_str!("../../../fleet.yaml.example");

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Your tenants table, to write into the new fleet.yaml
    #[arg(long, value_name = "TABLE", conflicts_with = "sql_only")]
    table: Option<String>,
    /// SQL predicate over a tenant row: whether the tenant should have a bridge
    #[arg(long, value_name = "PREDICATE", conflicts_with = "sql_only")]
    wanted: Option<String>,
    /// Install the tables, views and functions as plain SQL, for servers without the extension
    #[arg(long)]
    sql_only: bool,
    /// The schema to install into [default: the first one of the search_path in which the role may create
    /// objects]
    #[arg(long, value_name = "NAME", requires = "sql_only")]
    schema: Option<String>,
}

/// Writes fleet.yaml, or installs the objects.
pub async fn init(file: &Path, args: &InitArgs, screen: Screen) -> Result<Exit, Error> {
    if args.sql_only {
        let database = database(file)?;
        let schema = schema(args.schema.as_deref(), database.schema.as_deref())?;
        let installation = install::install(&database, schema).await?;
        screen.result(&installed(&installation))?;
        return Ok(Exit::Done);
    }
    if file == Path::new("-") {
        return Err(Error::config("wab init writes a file, not stdout", "name the file: wab init -f FILE"));
    }
    let text = filled_in(args);
    Fleet::parse(&text, file).map_err(unusable)?;
    write_new(file, &text)?;
    screen.result(&written(file))?;
    Ok(Exit::Done)
}

/// The values of --table and --wanted make no valid fleet.yaml.
fn unusable(error: ConfigError) -> Error {
    let error = Error::from(error);
    let problem = error.problems().first().map(|problem| format!("{}: {}", problem.at, problem.what));
    Error::config(
        format!("nothing was written: {}", problem.unwrap_or_else(|| error.to_string())),
        "--table names a table, such as public.tenants; --wanted is an SQL expression, such as status = 'active'",
    )
}

/// The example with the values of the flags. Only `version` and `tenants` are in force: the first apply must not follow
/// an example's bridges, webhook or limits.
fn filled_in(args: &InitArgs) -> String {
    let mut text = with_sections(EXAMPLE, &["version:", "tenants:"]);
    for (line, key, value) in [
        ("  table: public.tenants\n", "table", &args.table),
        ("  wanted: status = 'active'          #", "wanted", &args.wanted),
    ] {
        if let Some(value) = value {
            let end = if line.ends_with('#') { "   #" } else { "\n" };
            // Every JSON string is valid YAML.
            text = text.replace(line, &format!("  {key}: {}{end}", serde_json::Value::from(value.as_str())));
        }
    }
    text
}

/// The text with all other sections as comments.
fn with_sections(text: &str, kept: &[&str]) -> String {
    let mut in_kept = true;
    let line = |line: &str| {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            in_kept = kept.iter().any(|key| line.starts_with(key));
        }
        let is_yaml = !in_kept && !line.is_empty() && !line.trim_start().starts_with('#');
        format!("{}{line}\n", if is_yaml { "# " } else { "" })
    };
    text.lines().map(line).collect()
}

fn write_new(file: &Path, text: &str) -> Result<(), Error> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut new| new.write_all(text.as_bytes()));
    written.map_err(|error| {
        let name = file.display();
        match error.kind() {
            ErrorKind::AlreadyExists => Error::config(
                format!("{name} exists already: nothing was written"),
                "name another file with -f FILE, or move this one away first",
            ),
            _ => Error::config(format!("cannot write {name}: {error}"), "name another file with -f FILE"),
        }
    })
}

/// The file's database. Without fleet.yaml, the environment's; but a file named with -f must exist.
fn database(file: &Path) -> Result<Database, Error> {
    if file == Path::new("fleet.yaml") && !file.exists() {
        emit("no fleet.yaml here: connecting with DATABASE_URL, or with PGHOST, PGDATABASE …");
        return Ok(Database { url_env: None, schema: None });
    }
    Ok(Fleet::load(file)?.database)
}

fn schema<'a>(flag: Option<&'a str>, file: Option<&'a str>) -> Result<Option<&'a str>, Error> {
    match (flag, file) {
        (Some(flag), Some(file)) if flag != file => Err(Error::config(
            format!("--schema says {flag}, but fleet.yaml says database.schema: {file}"),
            "use the same schema in both: the other verbs use the one in fleet.yaml",
        )),
        _ => Ok(flag.or(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(table: Option<&str>, wanted: Option<&str>) -> String {
        let text = |text: Option<&str>| text.map(str::to_owned);
        filled_in(&InitArgs { table: text(table), wanted: text(wanted), sql_only: false, schema: None })
    }

    #[test]
    fn the_new_file_is_the_example_with_version_and_tenants_only() {
        let new = with(None, None);
        let fleet = Fleet::parse(&new, Path::new("fleet.yaml")).unwrap();
        let bare = Fleet::parse("version: 1", Path::new("fleet.yaml")).unwrap();
        let settings = |fleet: &Fleet| {
            let tenants = None;
            format!("{:?}", Fleet { tenants, sha256: String::new(), ..fleet.clone() })
        };
        assert_eq!(settings(&fleet), settings(&bare));
        assert!(fleet.tenants.is_some());
        for (new, example) in new.lines().zip(EXAMPLE.lines()) {
            assert!(new == example || new.strip_prefix("# ") == Some(example), "{new}");
        }
        assert_eq!(new.lines().count(), EXAMPLE.lines().count());
    }

    #[test]
    fn the_values_of_the_flags_are_in_the_file() {
        let (table, wanted) = ("\"My App\".tenants", "plan <> 'free' -- \"pays\": yes");
        let fleet = Fleet::parse(&with(Some(table), Some(wanted)), Path::new("fleet.yaml")).unwrap();
        let tenants = fleet.tenants.unwrap();
        assert_eq!((tenants.table.as_str(), tenants.wanted.as_deref()), (table, Some(wanted)));
    }

    #[test]
    fn two_schemas_contradict() {
        assert_eq!(schema(Some("a"), Some("a")).unwrap(), Some("a"));
        assert_eq!(schema(None, Some("b")).unwrap(), Some("b"));
        assert!(schema(Some("a"), Some("b")).is_err());
    }
}

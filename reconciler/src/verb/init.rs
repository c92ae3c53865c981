//! `wab init`: a first fleet.yaml; or, with `--sql-only`, the wab_ objects where no extension can be installed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use clap::Args;

use crate::config::{Database, Fleet};
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
    /// Your tenants table, written into the new fleet.yaml
    #[arg(long, value_name = "TABLE", conflicts_with = "sql_only")]
    table: Option<String>,
    /// SQL predicate: which tenants should have a bridge
    #[arg(long, value_name = "PREDICATE", conflicts_with = "sql_only")]
    wanted: Option<String>,
    /// Install the tables, views and functions as plain SQL, where no extension can be installed
    #[arg(long)]
    sql_only: bool,
    /// The schema to install into [default: the first of the search_path that may be created in]
    #[arg(long, value_name = "NAME", requires = "sql_only")]
    schema: Option<String>,
}

/// Writes fleet.yaml, or installs.
pub async fn init(file: &Path, args: &InitArgs, screen: Screen) -> Result<Exit, Error> {
    if args.sql_only {
        let database = database(file)?;
        let schema = schema(args.schema.as_deref(), database.schema.as_deref())?;
        let installation = install::install(&database, schema).await?;
        screen.result(&installed(&installation))?;
        return Ok(Exit::Done);
    }
    write_new(file, &filled_in(args))?;
    screen.result(&written(file))?;
    Ok(Exit::Done)
}

/// The example with what the flags say.
fn filled_in(args: &InitArgs) -> String {
    let mut text = EXAMPLE.to_owned();
    for (line, key, value) in [
        ("  table: public.tenants\n", "table", &args.table),
        ("  wanted: status = 'active'          #", "wanted", &args.wanted),
    ] {
        if let Some(value) = value {
            let end = if line.ends_with('#') { "   #" } else { "\n" };
            // A JSON string is a YAML one.
            text = text.replace(line, &format!("  {key}: {}{end}", serde_json::Value::from(value.as_str())));
        }
    }
    text
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
                format!("{name} is there already: nothing was written"),
                "write another file with -f FILE, or move this one away first",
            ),
            _ => Error::config(format!("cannot write {name}: {error}"), "name another file with -f FILE"),
        }
    })
}

/// The file's database; without a file, the environment's. A file that was named must be there.
fn database(file: &Path) -> Result<Database, Error> {
    if file == Path::new("fleet.yaml") && !file.exists() {
        emit("there is no fleet.yaml here: the database is that of DATABASE_URL, or of PGHOST, PGDATABASE …");
        return Ok(Database { url_env: None, schema: None });
    }
    Ok(Fleet::load(file)?.database)
}

fn schema<'a>(flag: Option<&'a str>, file: Option<&'a str>) -> Result<Option<&'a str>, Error> {
    match (flag, file) {
        (Some(flag), Some(file)) if flag != file => Err(Error::config(
            format!("--schema says {flag}, but fleet.yaml says database.schema: {file}"),
            "name one schema: the other verbs look where fleet.yaml says",
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
    fn the_new_file_is_the_example_and_is_valid() {
        assert_eq!(with(None, None), EXAMPLE);
        Fleet::parse(EXAMPLE, Path::new("fleet.yaml")).unwrap();
    }

    #[test]
    fn what_the_flags_say_is_in_the_file() {
        let (table, wanted) = ("\"My App\".tenants", "plan <> 'free' -- \"pays\": yes");
        let fleet = Fleet::parse(&with(Some(table), Some(wanted)), Path::new("fleet.yaml")).unwrap();
        let tenants = fleet.tenants.unwrap();
        assert_eq!((tenants.table.as_str(), tenants.wanted.as_str()), (table, wanted));
    }

    #[test]
    fn two_schemas_contradict() {
        assert_eq!(schema(Some("a"), Some("a")).unwrap(), Some("a"));
        assert_eq!(schema(None, Some("b")).unwrap(), Some("b"));
        assert!(schema(Some("a"), Some("b")).is_err());
    }
}

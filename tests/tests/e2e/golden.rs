//! Tests that each script `tests/golden/*.sql` prints exactly its `.out` file. UPDATE_GOLDEN=1 writes the `.out` files anew.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::fleet::Install;
use e2e::process;

fn scripts() -> Result<Vec<PathBuf>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut scripts: Vec<_> = std::fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .collect();
    scripts.sort();
    Ok(scripts)
}

/// The first statement of each script; a comment replaces it if the objects are already installed.
const CREATE: &str = "CREATE EXTENSION pg_wabridges;";

/// Installs without the extension; returns the script with its first statement replaced, so that line numbers stay the same.
fn installed(cluster: &Cluster, dir: &Path, database: &str, script: &Path) -> Result<PathBuf> {
    let mut wab = std::process::Command::new(process::built("wab")?);
    wab.args(["init", "--sql-only"]).current_dir(dir).env("DATABASE_URL", cluster.url(database));
    process::must(&mut wab)?;
    let file = dir.join(database);
    std::fs::write(&file, std::fs::read_to_string(script)?.replace(CREATE, "-- installed"))?;
    Ok(file)
}

#[test]
fn scripts_print_their_golden_output() -> Result<()> {
    let cluster = Cluster::start(&[])?;
    cluster.expect_in_log(&["the drift could not be recorded", "of the tenant rows could not be written"]);
    let (install, dir) = (Install::from_environment()?, tempfile::tempdir()?);
    for script in scripts()? {
        let name = script.file_stem().context("no name")?.to_string_lossy().into_owned();
        let expected = script.with_extension("out");
        cluster.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        let script = match install {
            Install::SqlOnly if name == "extension" || name == "provider" => continue,
            Install::SqlOnly => installed(&cluster, dir.path(), &name, &script)?,
            Install::Extension | Install::Nothing => script,
        };
        let mut psql = cluster.program("psql", &name);
        psql.args(["-X", "-q", "-a", "-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=never", "-f"])
            .arg(&script);
        // stdout and stderr go into one file, so that each message stands where PostgreSQL raised it.
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg("exec \"$@\" 2>&1").arg("sh").arg(psql.get_program()).args(psql.get_args());
        // `\i sql/signup.sql` is relative to the repository.
        shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        for (key, value) in psql.get_envs() {
            if let Some(value) = value {
                shell.env(key, value);
            }
        }
        let said = process::run(&mut shell)?.stdout;
        let said = said
            .lines()
            .filter(|line| !line.starts_with("LOCATION:"))
            .map(|line| line.trim_start_matches("psql:").trim_start_matches(&*script.to_string_lossy()))
            .collect::<Vec<_>>()
            .join("\n")
            + "\n";
        let said = said.replace("-- installed", CREATE);
        // A function that has other arguments now, and statements after an error in a transaction, test nothing.
        for state in ["ERROR:  42883", "ERROR:  25P02"] {
            assert!(!said.contains(state), "{name}: {state}: {said}");
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expected, &said)?;
        }
        let expected =
            std::fs::read_to_string(&expected).with_context(|| format!("{}", expected.display()))?;
        assert_eq!(
            said, expected,
            "{name}: the output differs; if the new output is right, run with UPDATE_GOLDEN=1"
        );
    }
    Ok(())
}

#[test]
fn every_sql_file_has_a_golden_test() -> Result<()> {
    let golden: Vec<_> = scripts()?.iter().filter_map(|p| Some(p.file_name()?.to_owned())).collect();
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
    for entry in std::fs::read_dir(sql)? {
        let name = entry?.file_name();
        // scheduled.rs, main_job.rs and signup.rs run the recipes; setup.rs installs the files that only wab installs.
        let is_sql = Path::new(&name).extension().is_some_and(|e| e == "sql");
        if is_sql
            && ![
                "cron.sql",
                "functions_before.sql",
                "plain.sql",
                "roles.sql",
                "signup.sql",
                "uninstall.sql",
                "version.sql",
            ]
            .iter()
            .any(|known| name == *known)
        {
            assert!(golden.contains(&name), "tests/golden/{} is missing", name.to_string_lossy());
        }
    }
    Ok(())
}

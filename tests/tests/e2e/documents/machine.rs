//! Runs blocks that change a machine or name another one: their paths and addresses are replaced by those of the page's fleet.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::fleet::Fleet;
use e2e::{process, wait};

use super::page::root;

/// The database in place of the one on the other machine.
const OTHER: &str = "other";

/// The folders and programs that such a block sees.
pub struct Machine {
    dir: PathBuf,
}

impl Machine {
    /// Makes an empty machine beside the page's folder.
    pub fn new(fleet: &Fleet, dir: &Path) -> Result<Self> {
        let machine = Self { dir: dir.join(".machine") };
        if machine.dir.exists() {
            return Ok(machine);
        }
        for folder in ["bin", "etc", "home/.cargo/bin", "work"] {
            std::fs::create_dir_all(machine.dir.join(folder))?;
        }
        // The server runs as another user, and reads the files in etc.
        let mut above = Some(machine.dir.as_path());
        while let Some(folder) = above.filter(|folder| *folder != std::env::temp_dir()) {
            let mode = std::fs::metadata(folder)?.permissions().mode();
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o011))?;
            above = folder.parent();
        }
        let config = fleet.sql("SELECT setting FROM pg_settings WHERE name = 'config_file'")?;
        let mut settings = std::fs::read_to_string(&config)?;
        settings += &format!("include_dir = '{}'\n", machine.dir.join("etc/15/main/conf.d").display());
        std::fs::create_dir_all(machine.dir.join("etc/15/main/conf.d"))?;
        std::fs::write(&config, settings)?;
        fleet.cluster.sql("postgres", "CREATE ROLE app_owner LOGIN")?;
        fleet.cluster.sql("postgres", &format!("CREATE DATABASE {OTHER} OWNER app_owner"))?;
        fleet.cluster.sql(OTHER, "GRANT CREATE ON SCHEMA public TO app_owner")?;
        machine.program(
            "bin/sudo",
            "[ \"$(id -u)\" = 0 ] || set -- $(echo \"$*\" | sed 's/-o postgres -g postgres//')\nexec \"$@\"",
        )?;
        machine.program(
            "bin/systemctl",
            "[ \"$*\" = 'reload postgresql' ] || exit 1\nexec psql -qAtc 'SELECT pg_reload_conf()' > /dev/null",
        )?;
        machine.program(
            "bin/make",
            &format!(
                "exec {} -s -C '{}' PROFILE=dev DESTDIR='{}' \"$@\"",
                which("make")?,
                root().canonicalize()?.display(),
                machine.dir.display()
            ),
        )?;
        // The Makefile looks for cargo here. The tests need everything built, so nothing is left to build.
        machine.program("home/.cargo/bin/cargo", "[ \"$1 $2 $3\" = 'build --profile dev' ]")?;
        machine.program("bin/wab", &format!(
            "'{}' \"$@\" || exit\n[ \"$1\" != init ] || [ ! -f fleet.yaml ] || sed -i 's|^version: 1$|&\\naccount: {{ api_url: {} }}|' fleet.yaml",
            process::built("wab")?.display(), fleet.sandbox.url()
        ))?;
        Ok(machine)
    }

    fn program(&self, name: &str, script: &str) -> Result<()> {
        let file = self.dir.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The block with the replacements, in an empty folder and with these programs first on the PATH.
    pub fn script(&self, fleet: &Fleet, body: &str) -> String {
        let dir = self.dir.display().to_string();
        let other = fleet.cluster.url(OTHER).replace("user=postgres", "user=app_owner");
        let body = body
            .replace(
                "'postgres://app_owner@db.example.com/app?sslmode=verify-full&sslrootcert=system'",
                &format!("'{other}'"),
            )
            .replace("/etc/postgresql", &format!("{dir}/etc"))
            .replace("/tmp/package", &format!("{dir}/package"));
        format!("export PATH='{dir}/bin':\"$PATH\" HOME='{dir}/home'\ncd '{dir}/work'\n{body}")
    }

    /// Checks what the block made: files where `make install` puts them, settings that the server uses, objects of `wab init`.
    pub async fn check(&self, fleet: &Fleet, body: &str) -> Result<()> {
        if body.contains("make install") {
            let library =
                fleet.sql("SELECT setting || '/pg_wabridges.so' FROM pg_config WHERE name = 'PKGLIBDIR'")?;
            for file in
                ["usr/local/bin/wab", "usr/local/share/man/man1/wab.1", library.trim_start_matches('/')]
            {
                ensure!(self.dir.join(file).is_file(), "make install made no {file}");
            }
            let unit =
                std::fs::read_to_string(self.dir.join("usr/local/share/pg_wabridges/wab-serve.service"))?;
            ensure!(
                unit.contains("\nExecStart=/usr/local/bin/wab "),
                "the unit starts another program:\n{unit}"
            );
        }
        if body.contains("DESTDIR=/tmp/package") {
            ensure!(self.dir.join("package/usr/bin/wab").is_file(), "DESTDIR and PREFIX are not honoured");
        }
        if body.contains("conf.d") {
            let key = self.dir.join("etc/wab_api_key").display().to_string();
            wait::until("the server reads the new setting", async || {
                let read = fleet.sql("LOAD 'pg_wabridges'; SHOW wab.api_key_file")?;
                Ok((read == key).then_some(()))
            })
            .await?;
            fleet.sql("SELECT * FROM wab_refresh()")?;
        }
        if body.contains("--sql-only") {
            fleet.cluster.sql(OTHER, "SELECT wab_version()")?;
        }
        Ok(())
    }
}

/// The path of a program, so that a program of the same name can call it.
fn which(name: &str) -> Result<String> {
    let found = process::must(std::process::Command::new("sh").args(["-c", &format!("command -v {name}")]));
    Ok(found.with_context(|| format!("{name} is not installed"))?.trim().to_owned())
}

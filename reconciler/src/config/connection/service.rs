//! Finds a service in the service files, as libpq does.

use std::path::{Path, PathBuf};

use crate::config::connection::text::{Pairs, Unreadable, known};
use crate::config::error::ConfigError;
use crate::ground::file::read_text;

/// Where the machine's services are, unless PGSYSCONFDIR names another folder.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/postgresql-common", "/etc"];

/// The parameters of a service, and the file that they stand in.
#[derive(Debug)]
pub struct Service {
    /// Its parameters.
    pub pairs: Pairs,
    /// The file.
    pub file: PathBuf,
}

/// Finds the service. `users_file` is the user's file, `system` the folder of the machine's.
pub fn find(
    name: &str,
    users_file: Option<PathBuf>,
    system: Option<PathBuf>,
) -> Result<Service, ConfigError> {
    let folders = match system {
        Some(folder) => vec![folder],
        None => SYSTEM_FOLDERS.map(PathBuf::from).to_vec(),
    };
    let files =
        users_file.into_iter().chain(folders.into_iter().map(|folder| folder.join("pg_service.conf")));
    let files: Vec<PathBuf> = files.collect();
    for file in files.iter().filter(|file| file.exists()) {
        let text = read_text(file).map_err(|error| unusable(file, &format!("cannot be read: {error}")))?;
        if let Some(pairs) = section(&text, name).map_err(|Unreadable { what, .. }| unusable(file, &what))? {
            return Ok(Service { pairs, file: file.clone() });
        }
    }
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(ConfigError::unusable(
        format!("the service {name:?} is not defined in {names}"),
        "define it there, or name another service in PGSERVICE or another file in PGSERVICEFILE",
    ))
}

fn unusable(file: &Path, what: &str) -> ConfigError {
    ConfigError::unusable(
        format!("the service file {} {what}", file.display()),
        "its lines are [service], then keyword=value",
    )
}

/// The parameters under `[name]`.
fn section(text: &str, name: &str) -> Result<Option<Pairs>, Unreadable> {
    let heading = format!("[{name}]");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut inside = lines.skip_while(|line| *line != heading);
    if inside.next().is_none() {
        return Ok(None);
    }
    let mut pairs = Pairs::new();
    for line in inside.take_while(|line| !line.starts_with('[')) {
        let (key, value) = line.split_once('=').ok_or_else(|| Unreadable {
            what: "has a line that is not keyword=value".to_owned(),
            hint: "",
        })?;
        let key = known(key, true)?;
        if key == "service" {
            // libpq refuses it too: the settings of two services would be mixed.
            return Err(Unreadable {
                what: format!("names another service in the section {heading}"),
                hint: "",
            });
        }
        pairs.push((key, value.to_owned()));
    }
    // As in libpq, the first line of a parameter counts.
    pairs.reverse();
    Ok(Some(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_the_lines_up_to_the_next_heading() {
        let text = "# ours\n[a]\nhost=x\n\n[b]\nhost=h\n  port=1\nhost=late\ndbname=my app\n[c]\nhost=y\n";
        let pairs = section(text, "b").unwrap().unwrap();
        let last = |name| pairs.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!((last("host"), last("port"), last("dbname")), (Some("h"), Some("1"), Some("my app")));
        assert!(section(text, "d").unwrap().is_none());
        assert!(section("[a]\nsslmod=require\n", "a").unwrap_err().what.contains("did you mean sslmode?"));
        let nested = section("[a]\nservice=b\n[b]\nhost=h\n", "a").unwrap_err();
        assert!(nested.what.contains("names another service in the section [a]"), "{}", nested.what);
    }

    #[test]
    fn the_users_file_comes_before_the_machines_and_a_missing_service_names_both() {
        let folder = tempfile::tempdir().unwrap();
        let users_file = folder.path().join("own.conf");
        std::fs::write(&users_file, "[a]\nhost=own\n").unwrap();
        std::fs::write(folder.path().join("pg_service.conf"), "[a]\nhost=system\n[b]\nhost=system\n")
            .unwrap();
        let host = |name| {
            find(name, Some(users_file.clone()), Some(folder.path().to_owned()))
                .map(|service| service.pairs[0].1.clone())
        };
        assert_eq!(host("a").unwrap(), "own");
        assert_eq!(host("b").unwrap(), "system");
        let error = host("c").unwrap_err().to_string();
        assert!(error.contains("own.conf") && error.contains("pg_service.conf"), "{error}");
    }
}

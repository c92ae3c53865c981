//! Writes the list of pairing links as CSV, to a new file that only this user can read, or to stdout.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use chrono::{DateTime, Utc};
use csv::Writer;
use serde::Serialize;

use crate::model::{Error, LinkRow};
use crate::verb::out_file::{Old, Place};

/// One line of the list.
#[derive(Serialize)]
struct Line<'a> {
    tenant_id: &'a str,
    link: &'a str,
    valid_until: Option<DateTime<Utc>>,
    detail: &'a str,
}

impl<'a> From<&'a LinkRow> for Line<'a> {
    fn from(row: &'a LinkRow) -> Self {
        let tenant_id = &row.tenant_id;
        match &row.made {
            Ok(made) => {
                Line { tenant_id, link: made.link.as_str(), valid_until: Some(made.valid_until), detail: "" }
            }
            Err(refusal) => Line { tenant_id, link: "", valid_until: None, detail: &refusal.what },
        }
    }
}

/// The list that will be written.
pub struct LinksFile<'a> {
    path: &'a Path,
    place: Place<'a>,
}

impl<'a> LinksFile<'a> {
    /// Creates the file. One that exists is an error: it may hold links that work.
    pub fn begin(path: &'a Path) -> Result<Self, Error> {
        let file = Self { path, place: Place::of(path) };
        if let Place::File(_) = file.place {
            file.place.write_private(b"", Old::Kept).map_err(|error| file.unwritten(&error))?;
        }
        Ok(file)
    }

    /// Writes all rows.
    pub fn write(&self, rows: &[LinkRow]) -> Result<(), Error> {
        csv(rows).and_then(|bytes| self.place.write_private(&bytes, Old::Replaced)).map_err(|error| {
            let what =
                format!("cannot write {}: {error}: the links that were made are lost", self.path.display());
            Error::config(
                what,
                "make new ones: wab link --out FILE; the lost ones expire, and no person has them",
            )
        })
    }

    /// Removes the empty file after an error.
    pub fn remove(&self) {
        if let Place::File(path) = self.place {
            // The error that ends the run is the one to report.
            let _ = fs::remove_file(path);
        }
    }

    fn unwritten(&self, error: &io::Error) -> Error {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "name another file: --out FILE",
            _ => "name a writable file: --out FILE",
        };
        Error::config(format!("cannot write {}: {error}", self.path.display()), hint)
    }
}

fn csv(rows: &[LinkRow]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(Line::from(row)).map_err(io::Error::other)?;
    }
    if rows.is_empty() {
        writer.write_record(["tenant_id", "link", "valid_until", "detail"]).map_err(io::Error::other)?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::{Link, LinkRefusal, MadeLink};

    fn rows() -> Vec<LinkRow> {
        let valid_until = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made = MadeLink { link: Link::new("https://pair.example.com/p#x".into()), valid_until };
        let refusal = LinkRefusal { what: "a \"b\",\nc".into(), hint: String::new() };
        vec![
            LinkRow { tenant_id: "a, b".into(), made: Ok(made) },
            LinkRow { tenant_id: "c".into(), made: Err(refusal) },
        ]
    }

    #[test]
    fn a_refused_tenant_has_an_empty_link_and_a_reason() {
        let text = String::from_utf8(csv(&rows()).unwrap()).unwrap();
        assert_eq!(
            text,
            "tenant_id,link,valid_until,detail\n\
             \"a, b\",https://pair.example.com/p#x,2027-01-15T08:00:00Z,\n\
             c,,,\"a \"\"b\"\",\nc\"\n"
        );
        assert_eq!(csv(&[]).unwrap(), b"tenant_id,link,valid_until,detail\n");
    }

    #[test]
    fn the_file_is_new_and_private_and_removed_after_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("links.csv");
        LinksFile::begin(&path).unwrap().remove();
        assert!(!path.exists());
        let file = LinksFile::begin(&path).unwrap();
        assert!(LinksFile::begin(&path).is_err());
        file.write(&rows()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("https://pair.example.com/p#x"));
    }
}

//! Writes the list of pairing codes as CSV, row by row, so that an interrupted run loses none; and reads that of the run before.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use csv::{ReaderBuilder, WriterBuilder};

use crate::ground::file;
use crate::model::{CodeRow, Error};
use crate::verb::out_file::{Old, Place};

const HEADER: &str = "tenant_id,phone,code,valid_until,outcome,detail\n";

/// The list that is being written.
pub struct Codes<'a> {
    path: &'a Path,
    place: Place<'a>,
}

impl<'a> Codes<'a> {
    /// Keeps of an existing list the rows whose codes are still valid, and returns them. Only this user may read the file
    /// afterwards, because a code pairs a phone with the session.
    pub fn begin(path: &'a Path, now: DateTime<Utc>) -> Result<(Self, Vec<CodeRow>), Error> {
        let codes = Self { path, place: Place::of(path) };
        let rows = match codes.place {
            Place::File(file) if file.exists() => {
                let rows = codes.valid(now)?;
                codes.place.make_private().map_err(|error| codes.unwritten(&error))?;
                rows
            }
            Place::File(_) => {
                codes.place.write_private(b"", Old::Kept).map_err(|error| codes.unwritten(&error))?;
                Vec::new()
            }
            Place::Stdout | Place::Stream(_) => Vec::new(),
        };
        let kept: Vec<String> =
            rows.iter().map(line).collect::<Result<_, _>>().map_err(|error| codes.unwritten(&error))?;
        codes
            .place
            .write((HEADER.to_owned() + &kept.concat()).as_bytes())
            .map_err(|error| codes.unwritten(&error))?;
        Ok((codes, rows))
    }

    /// Adds a row.
    pub fn add(&self, row: &CodeRow) -> Result<(), Error> {
        let written = line(row).and_then(|line| match self.place {
            Place::File(file) => OpenOptions::new()
                .append(true)
                .open(file)
                .and_then(|mut file| file.write_all(line.as_bytes())),
            Place::Stdout | Place::Stream(_) => self.place.write(line.as_bytes()),
        });
        written.map_err(|error| self.unwritten(&error))
    }

    /// The rows with valid codes. A last row that was cut off counts as not written.
    fn valid(&self, now: DateTime<Utc>) -> Result<Vec<CodeRow>, Error> {
        let refuse = |what: String| {
            let hint = "no call was made. Name another file: --out FILE";
            Error::config(format!("{}: {what}", self.path.display()), hint)
        };
        let text = file::read_text(self.path).map_err(|error| refuse(format!("cannot read it: {error}")))?;
        if !text.is_empty() && !text.starts_with(HEADER) {
            return Err(refuse("it exists, and is not a list of codes that wab wrote".into()));
        }
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        Ok(reader.deserialize().filter_map(Result::ok).filter(|row: &CodeRow| row.is_valid(now)).collect())
    }

    fn unwritten(&self, error: &io::Error) -> Error {
        Error::config(
            format!("cannot write {}: {error}", self.path.display()),
            "name a writable file: --out FILE",
        )
    }
}

fn line(row: &CodeRow) -> io::Result<String> {
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.serialize(row).map_err(io::Error::other)?;
    let line = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(line).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::CodeOutcome;

    fn row(tenant: &str, minutes: i64) -> CodeRow {
        CodeRow {
            tenant_id: tenant.into(),
            phone: "+1 (555) 000-1234".into(),
            code: "ABCD-EFGH".into(),
            valid_until: Some(now() + chrono::TimeDelta::minutes(minutes)),
            outcome: CodeOutcome::Code,
            detail: String::new(),
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn rows_with_valid_codes_are_kept_and_others_are_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes.csv");
        let (codes, kept) = Codes::begin(&path, now()).unwrap();
        assert_eq!(kept, []);
        let failed = CodeRow {
            outcome: CodeOutcome::Failed,
            code: String::new(),
            valid_until: None,
            detail: "a \"b\",\nc".into(),
            ..row("f", 0)
        };
        for row in [row("a, b", 2), row("old", 0), failed.clone()] {
            codes.add(&row).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("tenant_id,phone,code,valid_until,outcome,detail\n\"a, b\",+1 (555) 000-1234,ABCD-EFGH,2027-01-15T08:02:00Z,code,\n"), "{text}");
        assert!(text.ends_with("f,+1 (555) 000-1234,,,failed,\"a \"\"b\"\",\nc\"\n"), "{text}");
        // A row that was cut off, as by a full disk.
        std::fs::write(&path, format!("{text}x,+1555,ABC")).unwrap();
        let (_, kept) = Codes::begin(&path, now()).unwrap();
        assert_eq!(kept, [row("a, b", 2)]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_list_that_others_could_read_becomes_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes.csv");
        for text in ["", HEADER] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            Codes::begin(&path, now()).unwrap().0.add(&row("a", 2)).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(std::fs::read_to_string(&path).unwrap().contains("ABCD-EFGH"));
        }
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("phones.csv");
        std::fs::write(&path, "tenant_id,phone\n").unwrap();
        assert!(Codes::begin(&path, now()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "tenant_id,phone\n");
    }
}

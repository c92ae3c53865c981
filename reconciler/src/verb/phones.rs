//! Reads the list of phones, a CSV file with the columns tenant_id and phone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use crate::ground::{file, quoted};
use crate::model::Error;

/// The phone of each tenant, as written.
pub type Phones = BTreeMap<String, String>;

/// Reads the file, or stdin for `-`.
pub fn read(path: &Path) -> Result<Phones, Error> {
    let is_stdin = path == Path::new("-");
    let text = if is_stdin { file::all_text(io::stdin()) } else { file::read_text(path) };
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let text = text.map_err(|error| unusable(format!("cannot read the list of phones {name}: {error}")))?;
    parse(&text).map_err(|what| unusable(format!("{name}: {what}")))
}

fn unusable(what: String) -> Error {
    let hint = "no call was made. Name a CSV file that begins with the line tenant_id,phone; for instance from psql: \\copy (SELECT \
                id AS tenant_id, phone FROM tenants) TO phones.csv CSV HEADER";
    Error::config(what, hint)
}

/// Further columns are left out. A message names the line, never a phone.
fn parse(text: &str) -> Result<Phones, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| {
        let named = header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        named.ok_or_else(|| {
            let columns = header.iter().map(quoted).collect::<Vec<_>>().join(", ");
            format!("the first line has no column {name}: it has {columns}; columns are separated by commas")
        })
    };
    let (tenant, phone) = (column("tenant_id")?, column("phone")?);
    let mut phones: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for record in reader.records() {
        let record: StringRecord = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let (Some(tenant), Some(phone)) = (record.get(tenant), record.get(phone)) else {
            return Err(format!("line {line} has fewer columns than the first line"));
        };
        let first = phones.entry(tenant.to_owned()).or_insert_with(|| (phone.trim().to_owned(), line));
        if first.0 != phone.trim() {
            return Err(format!("line {line} gives {} another phone than line {}", quoted(tenant), first.1));
        }
    }
    Ok(phones.into_iter().map(|(tenant, (phone, _))| (tenant, phone)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_quotes_are_csv() {
        let phones = parse(
            "\u{feff}Name, Phone ,TENANT_ID\r\n\"a, b\",+1 (555) 000-1234,\"c,1\"\r\n\nx,1555,c2\nx,1555,c2\n",
        );
        let phones = phones.unwrap();
        assert_eq!(phones["c,1"], "+1 (555) 000-1234");
        assert_eq!((phones["c2"].as_str(), phones.len()), ("1555", 2));
        assert_eq!(parse("tenant_id,phone").unwrap().len(), 0);
        assert_eq!(parse("tenant_id,phone\nc,\n").unwrap()["c"], "");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_without_a_phone() {
        for (text, why) in [
            ("", "no column tenant_id"),
            ("tenant_id;phone\na;15550001234\n", "separated by commas"),
            ("tenant_id\na\n", "no column phone"),
            ("tenant_id,phone\na,15550001234\nb\n", "line 3 has fewer columns"),
            (
                "tenant_id,phone\na,15550001234\nb,1\na,15550009999\n",
                "line 4 gives \"a\" another phone than line 2",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(why) && !said.contains("1555"), "{text}: {said}");
        }
    }
}

//! Collects the texts of the chosen licences from the sources of the crates, each text once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Result;

use crate::choice::chosen;
use crate::linked::Linked;

/// The words, in capitals, by which a file name tells its licence. A file that is named after another licence is left out.
const WORDS: &[(&str, &str)] = &[
    ("MIT", "MIT"),
    ("APACHE", "Apache-2.0"),
    ("BSD", "BSD-3-Clause"),
    ("ISC", "ISC"),
    ("ZLIB", "Zlib"),
    ("UNICODE", "Unicode-3.0"),
    ("BOOST", "BSL-1.0"),
    ("UNLICENSE", "Unlicense"),
];

const RULE: &str = "--------------------------------------------------------------------------------";

/// Each text below the names of the crates that have it.
///
/// # Errors
/// If the source of a crate cannot be read.
pub fn texts(crates: &[Linked]) -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for one in crates {
        let name = format!("{} {}", one.name, one.version);
        let found = files(one)?;
        if found.is_empty() {
            without.insert(format!("{name} ({})", one.licence));
        }
        for text in found {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let list = |names: &BTreeSet<String>| names.iter().map(|name| format!("{name}\n")).collect::<String>();
    let mut all = format!("The sources of these crates hold no text of their licence:\n\n{}", list(&without));
    let mut ordered: Vec<_> = texts.into_iter().map(|(text, names)| (list(&names), text)).collect();
    ordered.sort();
    for (names, text) in ordered {
        all.push_str(&format!("\n{RULE}\n{names}\n{text}\n"));
    }
    Ok(all)
}

/// The texts in the files of a crate that belong to the chosen licences, with ends of lines of one kind.
fn files(one: &Linked) -> Result<BTreeSet<String>> {
    let licences = chosen(&one.licence).unwrap_or_default();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&one.folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type()?.is_file() && is_wanted(&name, &licences) {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).replace("\r\n", "\n");
            found.insert(text.trim_end().to_owned());
        }
    }
    Ok(found)
}

/// Whether a file of this name, in capitals, holds a text that goes with these licences. A name without the word of a licence
/// counts for each.
fn is_wanted(name: &str, licences: &BTreeSet<&str>) -> bool {
    let begins = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"];
    let other = WORDS.iter().any(|(word, licence)| name.contains(word) && !licences.contains(licence));
    begins.iter().any(|begin| name.starts_with(begin)) && !other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_licences_are_left_out() {
        let mit = BTreeSet::from(["MIT"]);
        for name in ["LICENSE", "LICENSE-MIT", "LICENCE.TXT", "COPYING", "NOTICE.TXT", "LICENSE.HTTPROUTER"] {
            assert!(is_wanted(name, &mit), "{name}");
        }
        for name in ["LICENSE-APACHE", "UNLICENSE", "LICENSE-BOOST", "README.MD", "CARGO.TOML"] {
            assert!(!is_wanted(name, &mit), "{name}");
        }
        assert!(is_wanted("LICENSE-APACHE", &BTreeSet::from(["Apache-2.0", "ISC"])));
    }
}

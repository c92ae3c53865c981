//! The words of the page: English, or those of the operator's file, with the name of the operator's product in them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ground::{file, quoted};
use crate::model::Error;

const ENGLISH: &str = include_str!("assets/english.yaml");
/// Where the name of the product goes.
const PRODUCT: &str = "{product}";

/// The texts by key.
#[derive(Clone, Debug)]
pub struct Texts(BTreeMap<String, String>);

impl Texts {
    /// The English texts.
    ///
    /// # Errors
    /// Never; the tests read the file.
    pub fn english(product: &str) -> Result<Self, Error> {
        parse(ENGLISH).map(|texts| texts.naming(product)).map_err(|why| Error::config(why, "build wab again"))
    }

    /// The texts of this file, which has the same keys as the English ones.
    ///
    /// # Errors
    /// The file cannot be read, or a key is missing or unknown.
    pub fn read(path: &Path, product: &str) -> Result<Self, Error> {
        let unusable = |why: String| {
            Error::config(
                format!("cannot use the texts of the pairing page in {}: {why}", path.display()),
                "write a text for each key of the English texts, and for no other: docs/serve.md has them all",
            )
        };
        let texts = file::read_text(path).map_err(|error| error.to_string()).and_then(|text| parse(&text));
        let texts = texts.map_err(unusable)?;
        let english = Self::english(product)?;
        let missing = |of: &Self, keys: &Self| {
            let keys: Vec<String> =
                keys.0.keys().filter(|key| !of.0.contains_key(*key)).map(|key| quoted(key)).collect();
            (!keys.is_empty()).then(|| keys.join(", "))
        };
        if let Some(keys) = missing(&english, &texts) {
            return Err(unusable(format!("it has no key {keys}")));
        }
        if let Some(keys) = missing(&texts, &english) {
            return Err(unusable(format!("it lacks {keys}")));
        }
        Ok(texts.naming(product))
    }

    /// The text of this key; empty if there is none.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    /// All texts with their keys.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }

    fn naming(self, product: &str) -> Self {
        Self(self.0.into_iter().map(|(key, text)| (key, text.replace(PRODUCT, product))).collect())
    }
}

/// A mapping of serde_yaml refuses a key that is there twice; a BTreeMap would take the last one.
fn parse(text: &str) -> Result<Texts, String> {
    let mapping = serde_yaml::from_str::<serde_yaml::Mapping>(text);
    let texts = mapping.and_then(|mapping| serde_yaml::from_value(serde_yaml::Value::Mapping(mapping)));
    texts.map(Texts).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Texts, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Texts::read(file.path(), "Acme").map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_has_the_same_keys() {
        let german = ENGLISH.replace("language: en", "language: de").replace("title: ", "title: Hallo, ");
        let texts = read(&german).unwrap();
        assert_eq!(texts.get("language"), "de");
        assert!(texts.get("title").starts_with("Hallo, ") && texts.get("title").contains("Acme"));
        for (text, why) in [
            (format!("{ENGLISH}extra: x\n"), "it has no key \"extra\""),
            (ENGLISH.replace("go_on:", "go_off:"), "it has no key \"go_off\""),
            (
                ENGLISH
                    .lines()
                    .filter(|line| !line.starts_with("dead:"))
                    .map(|line| format!("{line}\n"))
                    .collect(),
                "it lacks \"dead\"",
            ),
            (format!("{ENGLISH}dead: x\n"), "dead"),
            ("- x".to_owned(), "invalid type"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_documentation_has_all_texts() {
        assert!(include_str!("../../../../docs/serve.md").contains(ENGLISH));
    }

    #[test]
    fn the_page_and_its_script_use_each_text() {
        // The script shows the text of the server's state.
        let states = ["busy", "failed"];
        let used = [include_str!("page.rs"), include_str!("assets/pairing.js")].concat();
        for (key, text) in Texts::english("Acme").unwrap().all() {
            assert!(used.contains(&format!("\"{key}\"")) || states.contains(&key), "{key} is not used");
            assert!(!text.contains(PRODUCT), "{key}: {text}");
        }
        for key in used.split("text(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert_ne!(Texts::english("Acme").unwrap().get(key), "", "{key} has no text");
        }
    }
}

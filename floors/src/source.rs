//! Reads the files of a crate and finds the file that each path in them leads to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use proc_macro2::LexError;

use crate::paths::{self, Found, Path};

/// The files of a crate by their module paths; the path of the root is empty.
pub struct Source {
    pub files: BTreeMap<Path, (PathBuf, Found)>,
}

/// An import: the importing file, the line and the imported file.
#[derive(Debug)]
pub struct Arrow {
    pub from: Path,
    pub line: usize,
    pub to: Path,
}

impl Source {
    /// Reads the root file and all modules below it, except those for tests.
    pub fn read(root: PathBuf) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut left = vec![(Path::new(), root)];
        while let Some((module, file)) = left.pop() {
            let tokens = fs::read_to_string(&file)?
                .parse()
                .map_err(|error: LexError| io::Error::other(error.to_string()))?;
            let found = paths::read(tokens);
            let folder = match module.is_empty() {
                true => file.with_file_name(""),
                false => file.with_extension(""),
            };
            for child in &found.children {
                left.push((
                    [&*module, std::slice::from_ref(child)].concat(),
                    folder.join(format!("{child}.rs")),
                ));
            }
            files.insert(module, (file, found));
        }
        Ok(Self { files })
    }

    /// All imports of other files of the crate.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (module, (_, found)) in &self.files {
            for written in &found.paths {
                let here = [&**module, &*written.inside].concat();
                if let Some(to) = self.target(&here, &written.path).filter(|to| to != module) {
                    arrows.push(Arrow { from: module.clone(), line: written.line, to });
                }
            }
        }
        arrows
    }

    /// The file that a path leads to; `None` if it leads out of the crate.
    fn target(&self, here: &[String], path: &[String]) -> Option<Path> {
        let full = self.absolute(here, path)?;
        let known = |length: &usize| self.files.contains_key(&full[..*length]);
        let length = (0..=full.len()).rev().find(known)?;
        let (module, rest) = full.split_at(length);
        let Some(name) = rest.first() else { return Some(module.to_vec()) };
        // A re-exported item belongs to the file that defines it.
        let (_, found) = self.files.get(module)?;
        let origin = found.paths.iter().find(|other| other.is_import && other.path.last() == Some(name));
        match origin.and_then(|origin| self.absolute(module, &origin.path)) {
            Some(origin) if origin != full => self.target(&[], &[&["crate".to_owned()], &*origin].concat()),
            _ => Some(module.to_vec()),
        }
    }

    /// The path from the root of the crate; `None` if it begins with the name of another crate or of an imported item.
    fn absolute(&self, here: &[String], path: &[String]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([here, rest].concat()),
            "super" => {
                let supers = path.iter().take_while(|part| *part == "super").count();
                let parent = &here[..here.len().checked_sub(supers)?];
                Some([parent, &path[supers..]].concat())
            }
            _ => {
                let full = [here, path].concat();
                self.files.contains_key(&full[..here.len() + 1]).then_some(full)
            }
        }
    }
}

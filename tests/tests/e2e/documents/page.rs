//! A Markdown page of the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::block::Block;

/// A page, as it is in the repository.
pub struct Page {
    /// Its path from the root of the repository.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

impl Page {
    /// Reads a page.
    pub fn read(name: &str) -> Result<Self> {
        let text = std::fs::read_to_string(root().join(name)).with_context(|| name.to_owned())?;
        Ok(Self { name: name.to_owned(), text })
    }

    /// Its blocks.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        Block::all(&self.text).with_context(|| self.name.clone())
    }

    /// Whether one of its first lines is this comment.
    pub fn says(&self, comment: &str) -> bool {
        self.text.lines().take(5).any(|line| line == format!("<!-- {comment} -->"))
    }

    /// Writes it with other bodies of some of its blocks.
    pub fn rewrite(&self, outputs: &[(&Block, String)]) -> Result<()> {
        let mut lines: Vec<String> = self.text.lines().map(str::to_owned).collect();
        for (block, output) in outputs.iter().rev() {
            let indented = output.lines().map(|line| format!("{}{line}", block.indent).trim_end().to_owned());
            lines.splice(block.lines.clone(), indented);
        }
        std::fs::write(root().join(&self.name), lines.join("\n") + "\n")?;
        Ok(())
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the pages shall be written anew.
pub fn updates() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

//! Finds the fenced blocks of a page, and says what becomes of each.

use anyhow::{Result, bail};

/// A fenced block of a page.
#[derive(Debug, Clone)]
pub struct Block {
    /// The number of the line with the opening fence, from 1.
    pub line: usize,
    /// Its lines, without those of the fences and without the indentation of a list.
    pub body: String,
    /// The indentation of the fences.
    pub indent: String,
    /// The lines of the page that are its body.
    pub lines: std::ops::Range<usize>,
    /// Whether only the fences of two blocks and no other line lie between this one and the one before.
    pub follows: bool,
    tag: String,
    comment: Option<String>,
}

/// What a test does with a block.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Kind {
    /// Statements for psql.
    Sql,
    /// Commands for bash.
    Shell,
    /// Commands for bash that change a machine, or name other ones.
    Machine,
    /// The next fleet.yaml of the page.
    FleetYaml,
    /// Settings of the server.
    Settings,
    /// The output of the block before.
    Output,
    /// A recipe that `recipes.rs` runs.
    Recipe,
    /// A drawing.
    Picture,
}

impl Block {
    /// All blocks of a page.
    pub fn all(text: &str) -> Result<Vec<Self>> {
        let lines: Vec<_> = text.lines().collect();
        let (mut blocks, mut at): (Vec<Self>, _) = (Vec::new(), 0);
        while at < lines.len() {
            let Some((indent, tag)) = lines[at].split_once("```") else {
                at += 1;
                continue;
            };
            if !indent.trim().is_empty() {
                at += 1;
                continue;
            }
            let close = format!("{indent}```");
            let Some(length) = lines[at + 1..].iter().position(|line| line.trim_end() == close) else {
                bail!("line {}: the block does not end", at + 1);
            };
            let inside = at + 1..at + 1 + length;
            let body: String = lines[inside.clone()]
                .iter()
                .map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line)))
                .collect();
            let comment = at.checked_sub(1).map(|before| lines[before].trim());
            blocks.push(Self {
                line: at + 1,
                follows: blocks.last().is_some_and(|before| before.lines.end + 1 == at),
                indent: indent.to_owned(),
                tag: tag.trim().to_owned(),
                comment: comment
                    .and_then(|line| Some(line.strip_prefix("<!--")?.strip_suffix("-->")?.trim().to_owned())),
                body,
                lines: inside.clone(),
            });
            at = inside.end + 1;
        }
        Ok(blocks)
    }

    /// What becomes of it; an error if the convention of CONTRIBUTING.md knows no such block.
    pub fn kind(&self) -> Result<Kind> {
        Ok(match (self.tag.as_str(), self.body.lines().next().unwrap_or_default()) {
            ("sql", _) => Kind::Sql,
            ("sh", _) if self.comment.as_deref() == Some("another machine") => Kind::Machine,
            ("sh", _) => Kind::Shell,
            ("ini", _) => Kind::Settings,
            ("text", _) if self.comment.as_deref() == Some("picture") => Kind::Picture,
            ("text", _) if self.follows => Kind::Output,
            ("yaml", first) if first.starts_with("# fleet.yaml") => Kind::FleetYaml,
            ("yaml", first) if first.starts_with("# .github/") || first == "# .gitlab-ci.yml" => Kind::Recipe,
            (tag, _) => bail!("a block {tag:?} of unknown kind, or an output that follows no block"),
        })
    }
}

#[test]
fn blocks_are_found_with_their_kind() -> Result<()> {
    let text = "a\n```sql\nSELECT 1;\n```\n```text\n1\n```\n1. b\n\n   ```sh\n   wab\n   ```\n<!-- another machine -->\n```sh\nx\n```\n";
    let blocks = Block::all(text)?;
    let kinds: Vec<_> =
        blocks.iter().map(|block| Ok((block.kind()?, block.body.as_str()))).collect::<Result<_>>()?;
    assert_eq!(
        kinds,
        [(Kind::Sql, "SELECT 1;\n"), (Kind::Output, "1\n"), (Kind::Shell, "wab\n"), (Kind::Machine, "x\n")]
    );
    for unknown in ["```\nx\n```\n", "```text\nx\n```\n", "```perl\nx\n```\n"] {
        assert!(Block::all(unknown)?[0].kind().is_err(), "{unknown}");
    }
    assert!(Block::all("```sh\nwab\n").is_err());
    Ok(())
}

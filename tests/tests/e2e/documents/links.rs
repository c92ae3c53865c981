//! Follows every relative link and every anchor of the pages. It asks no other host.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::page::{Page, root};
use super::pages::ALL;

/// The lines of a page that are no block.
fn prose(page: &Page) -> Result<Vec<(usize, String)>> {
    let blocks = page.blocks()?;
    let lines = page.text.lines().enumerate();
    let outside =
        lines.filter(|(n, _)| !blocks.iter().any(|block| block.line - 1 <= *n && *n <= block.lines.end));
    Ok(outside.map(|(n, line)| (n + 1, line.to_owned())).collect())
}

/// A line without what stands in code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors that GitHub gives the headings: lower case, no punctuation, hyphens for spaces, a number for a repeated one.
fn anchors(page: &Page) -> Result<Vec<String>> {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut anchors = Vec::new();
    for (_, line) in prose(page)? {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let kept = text.trim().to_lowercase();
        let slug: String = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let nth = seen.entry(slug.clone()).or_default();
        anchors.push(if *nth == 0 { slug } else { format!("{slug}-{nth}") });
        *nth += 1;
    }
    Ok(anchors)
}

/// The targets of the links of a line.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

/// What is wrong with a link of a page.
fn broken(page: &Page, target: &str) -> Result<Option<String>> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(&page.name).parent().map(Path::to_owned).unwrap_or_default();
    let name = if path.is_empty() { Path::new(&page.name).to_owned() } else { folder.join(path) };
    let Ok(file) = root().join(&name).canonicalize() else {
        return Ok(Some("there is no such file".to_owned()));
    };
    let Ok(inside) = file.strip_prefix(root().canonicalize()?) else {
        return Ok(Some("it leaves the repository".to_owned()));
    };
    let Some(anchor) = anchor else { return Ok(None) };
    let known = anchors(&Page::read(&inside.to_string_lossy())?)?;
    Ok((!known.iter().any(|one| one == anchor)).then(|| format!("no heading #{anchor}; there are {known:?}")))
}

#[test]
fn every_link_and_anchor_resolves() -> Result<()> {
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for name in ALL {
        let page = Page::read(name)?;
        for (line, text) in prose(&page)? {
            for target in targets(&without_code(&text)) {
                followed += 1;
                if let Some(why) = broken(&page, target)? {
                    wrong.push(format!("{name}:{line}: {target}: {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(followed > 50, "only {followed} links were found");
    println!("{followed} links");
    Ok(())
}

#[test]
fn anchors_are_those_of_github() -> Result<()> {
    let text = "# A `wab` page\n## From SQL: calling, and so on\n### status_drift\n## Twice\n## Twice\n```sh\n# no heading\n```\n";
    let page = Page { name: "x.md".to_owned(), text: text.to_owned() };
    assert_eq!(
        anchors(&page)?,
        ["a-wab-page", "from-sql-calling-and-so-on", "status_drift", "twice", "twice-1"]
    );
    Ok(())
}

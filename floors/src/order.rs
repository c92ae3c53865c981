//! Checks the imports of a crate against the order of its floors.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use crate::paths::Path;
use crate::source::{Arrow, Source};

/// The floors of a crate.
pub struct Order<'a> {
    /// From bottom to top. Modules of one floor must not import each other. The root is above all floors.
    pub floors: &'a [&'a [&'a str]],
}

/// Returns one line for each violation of the order. `root` is the root file of the crate.
pub fn broken(root: PathBuf, order: &Order<'_>) -> io::Result<Vec<String>> {
    let source = Source::read(root)?;
    let mut broken = unlisted(&source, order);
    let arrows = source.arrows();
    let file = |module: &Path| source.files[module].0.display();
    for arrow in &arrows {
        if let Some(why) = order.forbids(arrow) {
            let (line, to) = (arrow.line, arrow.to.join("::"));
            broken.push(format!("{}:{line}: imports crate::{to}, which {why}", file(&arrow.from)));
        }
    }
    broken.extend(circles(&arrows).into_iter().map(|circle| {
        let files: Vec<String> = circle.iter().map(|module| file(module).to_string()).collect();
        format!("a circle of imports: {}", files.join(" → "))
    }));
    Ok(broken)
}

/// Returns one line for each floor with items in its root file, which may contain only `mod` and `use`.
pub fn full_roots(root: PathBuf) -> io::Result<Vec<String>> {
    let source = Source::read(root)?;
    let floors =
        source.files.iter().filter(|(module, (_, found))| module.len() == 1 && !found.children.is_empty());
    let line = |(_, (file, found)): (&Path, &(PathBuf, crate::paths::Found))| {
        Some(format!("{}:{}: an item in the root of a floor", file.display(), found.first_item?))
    };
    Ok(floors.filter_map(line).collect())
}

impl Order<'_> {
    /// The number of a module's floor; `None` for the root of the crate.
    fn floor(&self, module: &Path) -> Option<usize> {
        let top = module.first()?;
        self.floors.iter().position(|floor| floor.contains(&top.as_str()))
    }

    fn forbids(&self, arrow: &Arrow) -> Option<&'static str> {
        let from = self.floor(&arrow.from)?;
        match self.floor(&arrow.to) {
            None => Some("is the crate's root, above all floors"),
            Some(to) if to > from => Some("is on a higher floor"),
            Some(to) if to == from && arrow.from.first() != arrow.to.first() => Some("is on the same floor"),
            Some(_) => None,
        }
    }
}

/// Modules without a floor, and names of floors without a module.
fn unlisted(source: &Source, order: &Order<'_>) -> Vec<String> {
    let listed: BTreeSet<&str> = order.floors.iter().flat_map(|floor| floor.iter().copied()).collect();
    let there: BTreeSet<&str> =
        source.files.keys().filter_map(|module| Some(module.first()?.as_str())).collect();
    there
        .symmetric_difference(&listed)
        .map(|name| format!("{name}: must be a module and on a floor, but is only one of them"))
        .collect()
}

/// Each circle of imports once, beginning with its first file.
fn circles(arrows: &[Arrow]) -> Vec<Vec<Path>> {
    let mut graph: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for arrow in arrows {
        graph.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let mut circles = Vec::new();
    let mut closed: BTreeSet<&Path> = BTreeSet::new();
    for start in graph.keys().copied() {
        if !closed.contains(start)
            && let Some(circle) = way_back(&graph, start)
        {
            closed.extend(circle.iter().copied());
            circles.push(circle.into_iter().chain([start]).cloned().collect());
        }
    }
    circles
}

/// A shortest path of imports from the file back to itself.
fn way_back<'a>(graph: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, start: &'a Path) -> Option<Vec<&'a Path>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for &next in way.last().and_then(|last| graph.get(*last)).into_iter().flatten() {
            if next == start {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back([&*way, &[next]].concat());
            }
        }
    }
    None
}

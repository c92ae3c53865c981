//! Renders NOTICE: one line for each crate.

use std::collections::BTreeSet;

use crate::choice::chosen;
use crate::linked::Linked;

const OPENING: &str = "\
pg_wabridges and wab are passed on under the MIT licence: see LICENSE.

The crates below are linked into them. Of several licences that a crate offers, the one that is named here was chosen. The
packages hold the texts of all of them. `make notice` writes this list.
";

/// The text of NOTICE.
#[must_use]
pub fn notice(crates: &[Linked]) -> String {
    let name = |one: &Linked| format!("{} {}", one.name, one.version);
    let width = crates.iter().map(|one| name(one).len()).max().unwrap_or(0);
    let lines = crates.iter().map(|one| {
        let licences = chosen(&one.licence)
            .map_or_else(|| format!("NOT ALLOWED: {}", one.licence), |licences| listed(&licences, " and "));
        let shipped_in = if one.shipped_in.len() > 1 { "both" } else { &*listed(&one.shipped_in, "") };
        format!("{:width$}  {shipped_in:12}  {licences}\n", name(one))
    });
    format!("{OPENING}\n{}", lines.collect::<String>())
}

fn listed(names: &BTreeSet<&'static str>, between: &str) -> String {
    names.iter().copied().collect::<Vec<_>>().join(between)
}

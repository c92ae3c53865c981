//! Writes the entries for bridges.remove that a person reviews.

use std::fmt::Write as _;

use rust_decimal::Decimal;

use crate::ground::{count, harmless, money};
use crate::model::Removals;
use crate::render::yaml::tombstone;

/// Entries for bridges.remove, each with what it saves, and what was left out, as comments.
pub fn removals(removals: &Removals) -> String {
    let Removals { entries, declared, nameless, used, ageless } = removals;
    let saved: Decimal = entries.iter().map(|entry| entry.monthly_cost).sum();
    let mut out = match entries.len() {
        0 => "# No bridge to remove.\n".to_owned(),
        n => format!(
            "# {} to remove: {} a month. Read each entry, then put them under bridges.remove of fleet.yaml; one apply deletes \
             them\n# with policy.max_deletes: {n}\n",
            count(n, "bridge"),
            money(saved)
        ),
    };
    for entry in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "    - {{ {} }}   # saves {} a month",
            tombstone(&entry.tombstone),
            money(entry.monthly_cost)
        );
        if entry.is_kept {
            out +=
                "    # ^ take its customer_ref out of bridges.keep too: fleet.yaml may not name it in both\n";
        }
    }
    if *declared > 0 {
        let _ = writeln!(out, "# In bridges.remove already: {}", count(*declared, "bridge"));
    }
    if *ageless > 0 {
        let found = "wab apply or wab_refresh() stores when it was found first";
        let _ = writeln!(
            out,
            "# Left out, because it is not known since when: {}; {found}",
            count(*ageless, "bridge")
        );
    }
    for (bridge_id, by) in used {
        let _ = writeln!(out, "# Left out: bridge {bridge_id}: {}", harmless(by));
    }
    for bridge_id in nameless {
        let _ = writeln!(
            out,
            "# Left out: bridge {bridge_id} carries no customer_ref, so fleet.yaml cannot name it. Delete it in the \
             provider's dashboard"
        );
    }
    out
}

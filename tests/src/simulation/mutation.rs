//! Faults to put into the product, one at a time: each changes one text of one installed object, or of one source file of
//! `wab`. The simulation must find each.

use anyhow::{Context, Result, ensure};

use crate::simulation::life::Life;
use crate::simulation::moment::Moment;
use crate::simulation::rebuild;
use crate::simulation::stage::Stage;

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    pub name: &'static str,
    object: Object,
    from: &'static str,
    to: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Object {
    Function(&'static str),
    View(&'static str),
    /// A source file, from which `wab` is built again.
    Source(&'static str),
}

use Object::{Function, Source, View};

/// A life in which more tenants are missing a bridge than the provider makes in a minute.
const MANY_SIGN_UP: &str = include_str!("../../lives/many_sign_up.json");

/// All faults.
pub const ALL: &[Mutation] = &[
    Mutation {
        name: "an episode of drift ends when it began",
        object: Function("_wab_note_drift"),
        from: "SET ended_at = greatest(at, e.began_at)",
        to: "SET ended_at = e.began_at",
    },
    Mutation {
        name: "a bridge that a list with an unreadable row lacks counts as gone",
        object: Function("_wab_store_listing"),
        from: "l.bridge_id IS NULL AND malformed = 0",
        to: "l.bridge_id IS NULL",
    },
    Mutation {
        name: "a list with half of the bridges is accepted",
        object: Function("_wab_store_listing"),
        from: "IF disappeared > allowed THEN",
        to: "IF disappeared > 1000 * allowed THEN",
    },
    Mutation {
        name: "a late webhook overwrites a newer status",
        object: Function("_wab_ingest"),
        from: "present := public._wab_insert_status(",
        to: "is_newest := true; bridge.status := reported; known_at := at; present := public._wab_insert_status(",
    },
    Mutation {
        name: "every month has 30 days",
        object: View("wab_costs"),
        from: "max(t.month_seconds)",
        to: "2592000",
    },
    Mutation {
        name: "another bridge serves than the one that the tenant row holds",
        object: Function("_wab_serves"),
        from: "b.bridge_id = stored_bridge_id",
        to: "b.bridge_id <> stored_bridge_id",
    },
    Mutation {
        name: "what begins on many bridges is not one incident",
        object: Function("_wab_merge_incidents"),
        from: "HAVING count(*) >= greatest(",
        to: "HAVING count(*) >= 1000000 + greatest(",
    },
    Mutation {
        name: "an alert is not recorded as sent",
        object: Function("_wab_alerts_sent"),
        from: "FROM unnest(began) AS b",
        to: "FROM unnest(began[2:]) AS b",
    },
    Mutation {
        name: "an alert counts as sent before it was",
        object: Function("_wab_begin_alerts"),
        from: "INSERT INTO public._wab_alert_sender DEFAULT VALUES",
        to: "INSERT INTO public.wab_alerts (incident_id, began_sent_at) SELECT i.incident_id, now() FROM public.wab_incidents i \
             WHERE i.kind = 'state' ON CONFLICT DO NOTHING; INSERT INTO public._wab_alert_sender DEFAULT VALUES",
    },
    Mutation {
        name: "one change more is needed for flapping",
        object: Function("_wab_flapping"),
        from: "changes >= at_least",
        to: "changes > at_least",
    },
    Mutation {
        name: "a changed state keeps its old time",
        object: Function("_wab_store_listing"),
        from: "state_since = CASE WHEN d.state_moved THEN listed_at ELSE b.state_since END",
        to: "state_since = b.state_since",
    },
    Mutation {
        name: "a record of drift writes all bridges again",
        object: Function("_wab_note_drift"),
        from: "IF moved > 0 THEN",
        to: "UPDATE public.wab_bridges b SET state = b.state; IF moved > 0 THEN",
    },
    Mutation {
        name: "the grace of a disconnected bridge is doubled",
        object: Function("_wab_cutoffs"),
        from: "_wab_cutoff(p.disconnected_after)",
        to: "_wab_cutoff(2 * p.disconnected_after)",
    },
    Mutation {
        name: "the history of four days is kept, and not that of 400",
        object: Function("wab_prune_history"),
        from: "s AS (DELETE FROM public.wab_summaries",
        to: "x AS (DELETE FROM public.wab_drift_episodes WHERE ended_at < now() - older_than / 100 RETURNING 1), \
             s AS (DELETE FROM public.wab_summaries",
    },
    Mutation {
        name: "two wab apply run at the same time",
        object: Function("_wab_lock_id"),
        from: "WHEN 'apply'::text THEN '7761620003'::bigint",
        to: "WHEN 'apply'::text THEN (7761620003 + random() * 1000000)::bigint",
    },
    Mutation {
        name: "polling asks the same bridges again and again",
        object: Function("_wab_poll_candidates"),
        from: "ORDER BY p.asked_at NULLS FIRST, p.bridge_id LIMIT",
        to: "ORDER BY p.bridge_id LIMIT",
    },
    Mutation {
        name: "a bridge that no tombstone names is deleted",
        object: Function("wab_log_summary"),
        from: "RETURN logged;",
        to: "PERFORM public.wab_delete_instance(d.bridge_id, d.customer_ref) FROM public.wab_drift d WHERE d.kind = 'orphaned'; \
             RETURN logged;",
    },
    Mutation {
        name: "a call more than the provider allows is made in a minute",
        object: Source("wabridges/src/throttle.rs"),
        from: "count: limit.count.max(1) as usize",
        to: "count: limit.count.max(1) as usize + 1",
    },
];

/// Puts all faults into one product, to see that each has its text. It builds no `wab`.
pub async fn put_in_all() -> Result<()> {
    let mut stage = Stage::set(Moment::START).await?;
    for mutation in ALL {
        match mutation.object {
            Source(file) => drop(rebuild::changed(file, mutation.from, mutation.to)?),
            Function(_) | View(_) => mutation.apply(&mut stage).await?,
        }
    }
    Ok(())
}

impl Mutation {
    /// The fault of this name.
    pub fn named(name: &str) -> Result<Self> {
        let names = || ALL.iter().map(|one| one.name).collect::<Vec<_>>().join("\n");
        ALL.iter()
            .find(|one| one.name == name)
            .copied()
            .with_context(|| format!("the faults are:\n{}", names()))
    }

    /// The life in which the fault shows, if an ordinary life of a small fleet need not show it.
    pub fn life(&self) -> Result<Option<Life>> {
        match self.object {
            Source(_) => Ok(Some(serde_json::from_str(MANY_SIGN_UP)?)),
            Function(_) | View(_) => Ok(None),
        }
    }

    /// Puts the fault into the product.
    pub async fn apply(&self, stage: &mut Stage) -> Result<()> {
        let source = match self.object {
            Function(name) => format!("pg_get_functiondef('{name}'::regproc)"),
            View(name) => {
                format!("'CREATE OR REPLACE VIEW {name} AS ' || pg_get_viewdef('{name}'::regclass)")
            }
            Source(file) => {
                stage.fleet.use_wab(rebuild::wab(file, self.from, self.to)?);
                return Ok(());
            }
        };
        let source = stage.table(&format!("SELECT 'source', {source}")).await?;
        let source = source.get("source").context("no source")?;
        ensure!(source.contains(self.from), "{}: {} is not in {source}", self.name, self.from);
        stage.run(&source.replace(self.from, self.to)).await
    }
}

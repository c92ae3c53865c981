//! Several at once: of many runs one acts.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::Result;
use serde_json::json;

use crate::world;

#[tokio::test]
async fn of_eight_applies_one_runs() -> Result<()> {
    let fleet = world::healthy(&["--limit-provision", "0"]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 5) n")?;
    fleet.sandbox.clear_ledger().await?;
    // It outlasts the start of the seven others, so that none of them comes when the lock is free again.
    let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 3000, "times": 1});
    fleet.sandbox.fault(slow).await?;
    let mut runs = Vec::new();
    for _ in 0..8 {
        let mut command = fleet.wab_command(&["apply", "-y"])?;
        runs.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    let (mut codes, mut holders) = (Vec::new(), BTreeSet::new());
    for run in runs {
        let output = run.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        if code == Some(10) {
            let first = stderr.lines().next().unwrap_or_default().to_owned();
            for named in ["server process ", "role postgres", "since "] {
                assert!(first.contains(named), "it does not name {named:?}: {stderr}");
            }
            holders.insert(first);
        }
        codes.push(code);
    }
    codes.sort();
    assert_eq!(codes, [vec![Some(0)], vec![Some(10); 7]].concat());
    assert_eq!(holders.len(), 1, "all name the one that runs: {holders:?}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 5, "one call for each missing bridge");
    assert!(world::kinds(&fleet)?.is_empty(), "the fleet has converged");
    Ok(())
}

//! Tests `wab` on a terminal, which the program `script` provides: questions, colours and progress.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use e2e::fleet::Fleet;
use e2e::process::Said;
use e2e::wait;

use crate::world;

/// Starts `wab` on a terminal.
fn on_terminal(fleet: &Fleet, args: &str) -> Result<Child> {
    let wab = fleet.wab_command(&[])?;
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c"]).arg(format!("{} {args}", wab.get_program().display())).arg("/dev/null");
    for (key, value) in wab.get_envs() {
        match value {
            Some(value) => script.env(key, value),
            None => script.env_remove(key),
        };
    }
    script.current_dir(wab.get_current_dir().context("no directory")?).env("TERM", "xterm");
    Ok(script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// Types this; returns stdout and stderr as one text when the program ends.
fn typed(mut terminal: Child, text: &str) -> Result<Said> {
    terminal.stdin.as_mut().context("no stdin")?.write_all(text.as_bytes())?;
    let output = terminal.wait_with_output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Said { code: output.status.code().unwrap_or(-1), stdout, stderr: String::new() })
}

fn typing(fleet: &Fleet, args: &str, text: &str) -> Result<Said> {
    typed(on_terminal(fleet, args)?, text)
}

#[tokio::test]
async fn an_apply_keeps_its_lock_while_a_person_thinks() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new_1')")?;
    fleet.fleet_yaml(world::YAML)?;
    let terminal = on_terminal(&fleet, "apply")?;
    // PostgreSQL ends a lock of which it hears nothing for 45 seconds.
    let heard = "SELECT max(a.state_change) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
                 WHERE l.locktype = 'advisory' AND a.application_name LIKE 'wab apply of %'";
    let first = wait::until("the lock is taken", || async {
        Ok(fleet.sql(heard).ok().filter(|heard| !heard.is_empty()))
    })
    .await?;
    wait::until("the server hears of the lock", || async {
        Ok(fleet.sql(heard).ok().filter(|heard| !heard.is_empty() && *heard != first))
    })
    .await?;
    let said = typed(terminal, "yes\n")?;
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("POST").await?, 1);
    Ok(())
}

#[tokio::test]
async fn apply_does_nothing_without_a_yes() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 3) n")?;
    fleet.fleet_yaml(world::YAML)?;
    let before = world::observed(&fleet)?;
    for answer in ["no\n", "\n", "\u{4}"] {
        let said = typing(&fleet, "apply", answer)?;
        assert_eq!(said.code, 1, "{answer:?}: {}", said.stdout);
        assert!(
            said.stdout.contains("Plan: 3 to provision") && said.stdout.contains("not approved"),
            "{}",
            said.stdout
        );
    }
    assert_eq!(world::observed(&fleet)?, before);
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);

    let said = typing(&fleet, "apply", "yes\n")?;
    assert_eq!(said.code, 0, "{}", said.stdout);
    let question = "Apply: 3 to provision, 0 to remove, +$9.00 a month? Only yes is a yes: ";
    assert!(said.stdout.contains(question), "{}", said.stdout);
    assert!(said.stdout.contains("3 of 3 steps done"), "{}", said.stdout);
    assert_eq!(fleet.sandbox.calls("POST").await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_logout_asks_and_a_qr_code_sets_its_own_colours() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml("")?;
    for (answer, code, calls) in [("no\n", 1, 0), ("y\n", 1, 0), ("YES\n", 1, 0), ("yes\n", 0, 1)] {
        let said = typing(&fleet, "logout cust_01", answer)?;
        assert_eq!(said.code, code, "{}", said.stdout);
        assert!(said.stdout.contains("Log out cust_01, paired with +"), "{}", said.stdout);
        assert_eq!(fleet.sandbox.calls("DELETE").await?, calls, "{}", said.stdout);
    }
    let said = typing(&fleet, "qr cust_01", "")?;
    assert!(said.code == 0 && said.stdout.contains("\u{1b}[38;5;16;48;5;231m"), "{}", said.stdout);
    Ok(())
}

#[tokio::test]
async fn progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("INSERT INTO tenants (id) SELECT 'new_' || n FROM generate_series(1, 12) n")?;
    fleet.fleet_yaml(&format!("  limits: {{ provision: 8/3s }}\n{}", world::YAML))?;
    let said = typing(&fleet, "apply -y --no-color", "")?;
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(
        said.stdout.contains(" of 12 ") && said.stdout.contains(" left "),
        "N of M and ETA: {:?}",
        said.stdout
    );
    assert!(said.stdout.contains('█'), "a bar: {:?}", said.stdout);
    assert!(said.stdout.contains("waiting for the limit"), "{:?}", said.stdout);

    // `wab` prints a line every five seconds, so the run must last longer; the limits make it last.
    fleet.sql("INSERT INTO tenants (id) SELECT 'more_' || n FROM generate_series(1, 14) n")?;
    fleet.fleet_yaml(&format!("  limits: {{ provision: 2/1s }}\n{}", world::YAML))?;
    let plan = e2e::process::run(fleet.wab_command(&["plan"])?.env("LC_ALL", "C"))?;
    assert!(plan.stdout.is_ascii() && plan.stdout.contains("$96.00 -> $138.00"), "{}", plan.stdout);
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(!said.stderr.contains('\r') && !said.stderr.contains('\u{1b}'), "{:?}", said.stderr);
    assert!(said.stderr.contains(" of 14 steps, "), "{:?}", said.stderr);
    Ok(())
}

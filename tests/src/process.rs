//! Running programs: where ours were built, and what they said. Nothing here knows what they do.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A program of this workspace, from the directory that this one was built into.
pub fn built(name: &str) -> Result<PathBuf> {
    let mut dir = std::env::current_exe().context("where am I?")?;
    while dir.pop() {
        let program = dir.join(name);
        if program.is_file() {
            return Ok(program);
        }
    }
    bail!("{name} is not built: cargo build -p sandbox -p reconciler");
}

/// The directory that holds the builds of every profile.
pub fn target_dir() -> Result<PathBuf> {
    let profile = built("sandbox")?;
    Ok(profile.parent().and_then(|dir| dir.parent()).context("no target directory")?.to_owned())
}

/// Runs a command to its end, with no standard input.
pub fn run(command: &mut Command) -> Result<Said> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must succeed, and returns what it printed.
pub fn must(command: &mut Command) -> Result<String> {
    let said = run(command)?;
    if said.code != 0 {
        bail!("{command:?} ended with {}:\n{}{}", said.code, said.stdout, said.stderr);
    }
    Ok(said.stdout)
}

/// Are we root? PostgreSQL then runs as the user `postgres`.
pub fn is_root() -> Result<bool> {
    Ok(must(Command::new("id").arg("-u"))?.trim() == "0")
}

/// A command that runs as the user PostgreSQL may run as.
pub fn as_server_user(program: impl AsRef<OsStr>) -> Result<Command> {
    Ok(if is_root()? {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    })
}

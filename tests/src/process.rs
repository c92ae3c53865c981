//! Finds the programs of this workspace, runs programs and returns their output.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The output and the exit code of a program.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; -1 if a signal ended the program.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The path of a program of this workspace, in the folder that this program was built into.
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

/// The target directory, which contains the builds of every profile.
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

/// Runs a command that must succeed and returns its stdout.
pub fn must(command: &mut Command) -> Result<String> {
    let said = run(command)?;
    if said.code != 0 {
        bail!("{command:?} ended with {}:\n{}{}", said.code, said.stdout, said.stderr);
    }
    Ok(said.stdout)
}

/// Whether this process runs as root; if so, PostgreSQL runs as the user `postgres`.
pub fn is_root() -> Result<bool> {
    Ok(must(Command::new("id").arg("-u"))?.trim() == "0")
}

/// A command that runs as `postgres` if this process runs as root, because PostgreSQL refuses to run as root.
pub fn as_server_user(program: impl AsRef<OsStr>) -> Result<Command> {
    Ok(if is_root()? {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    })
}

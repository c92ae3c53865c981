//! Measures two contestants in turn, so that both meet the same noise of the machine: medians of five rounds after a warm-up,
//! or of three long ones.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The number of measured rounds.
pub const ROUNDS: usize = 5;

/// After this time, three rounds are enough: at a million bridges some alternatives take half a minute.
const LONG: Duration = Duration::from_secs(60);

/// The time and memory of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Wall-clock time.
    pub seconds: f64,
    /// The largest resident memory of one of its processes, in kilobytes; 0 if it is unknown.
    pub peak_kb: u64,
}

/// The medians of both contestants, and of the ratios.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub ours: Run,
    pub theirs: Run,
    /// The time of `theirs` divided by the time of `ours`.
    pub ratio: f64,
}

impl Outcome {
    /// The outcome of runs that were made in pairs.
    pub fn of(ours: &[Run], theirs: &[Run]) -> Self {
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| theirs.seconds / ours.seconds).collect();
        Self { ratio: median(ratios), ours: middle(ours), theirs: middle(theirs) }
    }
}

/// Runs both in turn; `before` prepares each round.
pub fn contest(
    mut before: impl FnMut() -> Result<()>,
    mut ours: impl FnMut() -> Result<Run>,
    mut theirs: impl FnMut() -> Result<Run>,
) -> Result<Outcome> {
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for round in 0..=ROUNDS {
        if round > 3 && start.elapsed() > LONG {
            break;
        }
        before()?;
        let (ours, theirs) = (ours()?, theirs()?);
        if round > 0 {
            our_runs.push(ours);
            their_runs.push(theirs);
        }
    }
    Ok(Outcome::of(&our_runs, &their_runs))
}

/// The medians of several runs.
fn middle(runs: &[Run]) -> Run {
    Run {
        seconds: median(runs.iter().map(|run| run.seconds).collect()),
        peak_kb: median(runs.iter().map(|run| run.peak_kb as f64).collect()) as u64,
    }
}

/// The median.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a program to its end; its output must contain `expected`.
pub fn program(command: &mut Command, expected: &str) -> Result<Run> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let mut output = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        std::io::Read::read_to_string(&mut stdout, &mut output)?;
    }
    let (status, peak_kb) = wait(&child)?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{command:?} ended with {status}:\n{output}");
    ensure!(output.contains(expected), "the output of {command:?} lacks {expected:?}:\n{output}");
    Ok(Run { seconds, peak_kb })
}

/// Waits for the child; returns the peak memory of the child and of its own children, in kilobytes.
fn wait(child: &std::process::Child) -> Result<(ExitStatus, u64)> {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: this process started the child and has not waited for it; both pointers are valid, and the call writes to them.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
    ensure!(waited == child.id() as i32, "cannot wait: {}", std::io::Error::last_os_error());
    // SAFETY: the struct was zeroed, and then the call filled it in.
    let usage = unsafe { usage.assume_init() };
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss as u64))
}

//! The flags of `wab apply`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::ground::sha256;
use crate::model::Error;
use crate::verb::approval::Approval;
use crate::verb::flags::{Consent, DetailFlags, Output, Polling, ShrinkFlags, Targets, duration};

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Run the steps of this saved plan only: a file that wab plan --out wrote, or - for stdin. wab skips steps whose
    /// preconditions changed, and asks no question
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["target", "exclude", "expect"])]
    pub plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub shrink: ShrinkFlags,
    #[command(flatten)]
    pub targets: Targets,
    /// Apply without asking, if the plan still has this plan_sha256, which wab plan shows
    #[arg(long, value_name = "SHA256", value_parser = plan_sha256)]
    pub expect: Option<String>,
    #[command(flatten)]
    pub polling: Polling,
    #[command(flatten)]
    pub consent: Consent,
    /// How long to wait for the lock while another apply holds it, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long to wait for a server that accepts writes when the database goes away during the run; 0s ends the run
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub failover_timeout: Duration,
    /// Start no step that would end after this time, such as 50m, and exit 9
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_duration: Option<Duration>,
    #[command(flatten)]
    pub detail: DetailFlags,
}

impl ApplyArgs {
    /// Whether the user approved in advance, by a flag.
    pub fn is_approved(&self) -> bool {
        self.consent.auto_approve || self.plan_file.is_some() || self.expect.is_some()
    }

    pub(super) fn approval(&self) -> Result<Approval, Error> {
        if self.is_approved() {
            return Ok(Approval::Given);
        }
        let hint = "read the plan with wab plan, then: wab apply --auto-approve (-y)";
        Approval::of(&self.consent, "apply", hint)
    }
}

fn plan_sha256(text: &str) -> Result<String, &'static str> {
    if sha256::is_sha256(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a plan_sha256 has 64 hexadecimal digits: copy it from wab plan")
    }
}

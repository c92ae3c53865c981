//! Defines the flags of the command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use crate::app::{AccessLog, Compress, Settings};
use crate::limits::Rates;
use crate::listing::StatusField;

/// A local server that imitates the WA Bridges API, for tests and demos.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Control calls have paths below /_sandbox. They need no API key and no rate limit applies to them."
)]
pub struct Cli {
    /// Address to listen on; with port 0 the sandbox picks a free port and prints it in its first line
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8787")]
    pub listen: String,

    /// API key that the server accepts
    #[arg(long, default_value = "sk_sandbox", value_parser = NonEmptyStringValueParser::new())]
    key: String,

    /// Number of bridges to start with; ignored if the state file exists
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub seed: u32,

    /// Divide the rate limits' window of one minute by N: 60 makes it one second
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub speed: u32,

    /// Save the bridges to this file and load them from it at the next start
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Show the status of each bridge in the list, as the provider's guide does
    #[arg(long)]
    list_status: bool,

    /// Compress the list for clients that accept gzip
    #[arg(long)]
    gzip: bool,

    /// Provisioning calls allowed per window; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit_provision: u32,

    /// Session calls (/proxy/) allowed per window; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 120)]
    limit_proxy: u32,

    /// Other calls allowed per window; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 120)]
    limit_other: u32,

    /// Calls of any kind allowed per window and IP address; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 300)]
    limit_floor: u32,

    /// Log each request to stderr
    #[arg(long)]
    verbose: bool,
}

impl Cli {
    /// The settings that requests need.
    pub fn settings(&self) -> Settings {
        Settings {
            key: self.key.clone(),
            status: if self.list_status { StatusField::Shown } else { StatusField::Hidden },
            compress: if self.gzip { Compress::WhenAccepted } else { Compress::Never },
            log: if self.verbose { AccessLog::Verbose } else { AccessLog::Silent },
        }
    }

    /// The rate limits that the flags set.
    pub fn rates(&self) -> Rates {
        Rates {
            provision: self.limit_provision,
            proxy: self.limit_proxy,
            other: self.limit_other,
            floor: self.limit_floor,
        }
    }
}

//! The command line. Reads flags and nothing else.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use crate::app::{AccessLog, Compress, Settings};
use crate::limits::Rates;
use crate::listing::StatusField;

/// The WA Bridges API imitated over real HTTP, for tests and demos.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Control calls are below /_sandbox; they need no key and count for no limit."
)]
pub struct Cli {
    /// Address to listen on; port 0 picks a free one, named in the first line of output
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8787")]
    pub listen: String,

    /// API key that is let in
    #[arg(long, default_value = "sk_sandbox", value_parser = NonEmptyStringValueParser::new())]
    key: String,

    /// Start with this many bridges, unless the state file has some kept
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub seed: u32,

    /// Divide the limits' window of one minute: 60 makes it a second
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub speed: u32,

    /// Keep the bridges in this file over a restart
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Give each listed bridge its status, as the provider's guide has it
    #[arg(long)]
    list_status: bool,

    /// Compress the list for clients that accept gzip
    #[arg(long)]
    gzip: bool,

    /// Provisionings allowed in a window; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit_provision: u32,

    /// Session calls (/proxy/) allowed in a window; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 120)]
    limit_proxy: u32,

    /// Other calls allowed in a window; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 120)]
    limit_other: u32,

    /// Calls of any kind allowed in a window from one IP address; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 300)]
    limit_floor: u32,

    /// Log each request to stderr
    #[arg(long)]
    verbose: bool,
}

impl Cli {
    /// What requests need to know.
    pub fn settings(&self) -> Settings {
        Settings {
            key: self.key.clone(),
            status: if self.list_status { StatusField::Shown } else { StatusField::Hidden },
            compress: if self.gzip { Compress::WhenAccepted } else { Compress::Never },
            log: if self.verbose { AccessLog::Verbose } else { AccessLog::Silent },
        }
    }

    /// The limits asked for.
    pub fn rates(&self) -> Rates {
        Rates {
            provision: self.limit_provision,
            proxy: self.limit_proxy,
            other: self.limit_other,
            floor: self.limit_floor,
        }
    }
}

//! Simulates a fleet for many days and compares it with a model of the truth each day.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use e2e::simulation::{Ending, Life, MUTATIONS, Mutation, draw_eventful, play, shrink};

/// Plays for cutting a life that fails down.
const SHRINKING_PLAYS: usize = 60;
/// Differences that are printed of one day.
const PRINTED: usize = 20;

/// Simulates a fleet for many days and compares it with a model of the truth each day.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of the life
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days to simulate
    #[arg(long, default_value_t = 30)]
    days: i64,
    /// Tenants with a bridge on the first day
    #[arg(long, default_value_t = 500)]
    bridges: u32,
    /// Let so many times as much happen as in an ordinary life
    #[arg(long, default_value_t = 1.0)]
    eventful: f64,
    /// Play this life, which a failure has written, instead of drawing one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "days", "bridges", "eventful"])]
    life: Option<PathBuf>,
    /// Put this fault into the product first; a few faults have a life of their own
    #[arg(long, value_name = "NAME")]
    mutation: Option<String>,
    /// Put each fault into the product, one at a time, and show which comparison finds it and on which day
    #[arg(long, conflicts_with = "mutation")]
    mutations: bool,
    /// Cut a life that fails down, and write the smallest one that still fails to this file
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let done =
        runtime.context("no runtime").and_then(|runtime| runtime.block_on(simulate(&Arguments::parse())));
    done.unwrap_or_else(|error| {
        println!("simulate: {error:#}");
        ExitCode::FAILURE
    })
}

async fn simulate(arguments: &Arguments) -> Result<ExitCode> {
    let mutation = arguments.mutation.as_deref().map(Mutation::named).transpose()?;
    let fitting = mutation.map(|mutation| mutation.life()).transpose()?.flatten();
    let life = match (&arguments.life, fitting) {
        (Some(file), _) => read(file)?,
        (None, Some(fitting)) => fitting,
        (None, None) => draw_eventful(arguments.seed, arguments.bridges, arguments.days, arguments.eventful),
    };
    println!("{} bridges, {} days, {} events", life.tenants, life.days, life.happenings.len());
    if arguments.mutations {
        return mutations(&life).await;
    }
    let mut began = Instant::now();
    let ending = play(&life, mutation, |day| {
        println!("day {day}: {:.1} s", began.elapsed().as_secs_f64());
        began = Instant::now();
    })
    .await?;
    if ending.mismatches.is_empty() {
        println!("nothing differs");
        return Ok(ExitCode::SUCCESS);
    }
    print(&ending);
    if arguments.life.is_none() {
        let Arguments { seed, bridges, eventful, .. } = arguments;
        let fault = arguments.mutation.iter().map(|name| format!(" --mutation '{name}'")).collect::<String>();
        println!(
            "again: simulate --seed {seed} --days {} --bridges {bridges} --eventful {eventful}{fault}",
            ending.days
        );
    }
    if let Some(file) = &arguments.shrink {
        let fails = async |life: &Life| {
            let ending = play(life, mutation, |_| {}).await?;
            Ok((!ending.mismatches.is_empty()).then_some(ending.days))
        };
        let smallest = shrink(life.until_day(ending.days), SHRINKING_PLAYS, fails).await?;
        println!("the smallest life that still fails has {} events", smallest.happenings.len());
        std::fs::write(file, serde_json::to_string_pretty(&smallest)?)?;
        println!("again: simulate --life {}", file.display());
    }
    Ok(ExitCode::FAILURE)
}

/// Prints the table of all faults. Fails if one was not found.
async fn mutations(life: &Life) -> Result<ExitCode> {
    let mut exit = ExitCode::SUCCESS;
    println!("| fault | found on day | by |\n|---|---|---|");
    for mutation in MUTATIONS {
        let fitting = mutation.life()?;
        let ending = play(fitting.as_ref().unwrap_or(life), Some(*mutation), |_| {}).await?;
        match ending.mismatches.first() {
            Some(first) => println!("| {} | {} | {} |", mutation.name, ending.days, first.check),
            None => {
                println!("| {} | not found | |", mutation.name);
                exit = ExitCode::FAILURE;
            }
        }
    }
    Ok(exit)
}

fn print(ending: &Ending) {
    for mismatch in ending.mismatches.iter().take(PRINTED) {
        println!("{mismatch}");
    }
    println!("{} differences; recorded of the first ones:\n{}", ending.mismatches.len(), ending.history);
}

fn read(file: &Path) -> Result<Life> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no life", file.display()))
}

//! Measures every row at every size, prints the table and writes it to `bench/results.md`. BENCH_N=100000 measures one size, the argument
//! `serve` only `wab serve`.
#![allow(clippy::print_stdout)]

mod contest;
mod load;
mod pages;
mod queries;
mod receivers;
mod report;
mod rows;
mod scene;
mod serve;
mod terraform;

use std::path::Path;

use anyhow::{Context, Result};

use crate::report::{GROWTH, Row, table};
use crate::scene::Scene;

const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// The size for which the targets hold.
const TARGET_SIZE: u32 = 100_000;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("{}", machine()?);
        return served().map(drop);
    }
    let sizes = match std::env::var("BENCH_N") {
        Ok(size) => vec![size.parse().context("BENCH_N must be a number of bridges, such as 100000")?],
        Err(_) => SIZES.to_vec(),
    };
    let mut results = format!("# Measured by `make bench`\n\n{}\n", machine()?);
    let mut smaller: Vec<Row> = Vec::new();
    let mut missed = Vec::new();
    for size in &sizes {
        println!("## {size} bridges");
        let scene = Scene::start(*size)?;
        let mut rows = Vec::new();
        rows::all(&scene, |row| rows.push(told(row, &smaller)))?;
        missed.extend(judge(*size, &rows, &smaller));
        results += &format!("## {size} bridges\n\n{}\n", table(&rows, &smaller));
        smaller = rows;
    }
    if let Some(row) = if sizes == SIZES || sizes == [terraform::SIZE] { terraform::row()? } else { None } {
        missed.extend((row.is_met() == Some(false)).then(|| row.what.clone()));
        results += &format!("## 4000 bridges\n\n{}\n", table(&[row], &[]));
    }
    if sizes == SIZES {
        let rows = served()?;
        missed.extend(rows.iter().filter(|row| row.is_met() == Some(false)).map(|row| row.what.clone()));
        results += &format!("## wab serve, {} bridges, on a disk\n\n{}\n", serve::SIZE, table(&rows, &[]));
    }
    results += &match missed.as_slice() {
        [] => "Every target is met.\n".to_owned(),
        missed => format!("Not met: {}.\n", missed.join("; ")),
    };
    println!("{results}");
    if sizes == SIZES {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("results.md"), &results)?;
    }
    Ok(())
}

/// The rows about `wab serve`.
fn served() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    serve::all(|row| rows.push(told(row, &[])))?;
    println!("\n{}", table(&rows, &[]));
    Ok(rows)
}

/// Prints a row as soon as it is measured.
fn told(row: Row, smaller: &[Row]) -> Row {
    println!("{}", table(std::slice::from_ref(&row), smaller).lines().last().unwrap_or_default());
    row
}

/// The names of the rows that miss a target of this size.
fn judge(size: u32, rows: &[Row], smaller: &[Row]) -> Vec<String> {
    let slow = rows.iter().filter(|row| size == TARGET_SIZE && row.is_met() == Some(false));
    let steep = rows
        .iter()
        .filter(|row| size == 10 * TARGET_SIZE && row.growth(smaller).is_some_and(|growth| growth > GROWTH));
    slow.map(|row| row.what.clone())
        .chain(steep.map(|row| format!("growth to {size} of {}", row.what)))
        .collect()
}

/// Describes the machine and the method.
fn machine() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_owned());
    let cpus = std::thread::available_parallelism()?;
    let info = read("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned()
    };
    let memory = read("/proc/meminfo")?;
    let kilobytes: u64 =
        memory.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
    let system = read("/etc/os-release")?;
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    Ok(format!(
        "{cpus} cores of {}, {} GB of memory, {}. Medians of {} rounds after a warm-up, of 3 if they take longer than a minute; ours and theirs in turn.\n\
         `growth`: times the same at a tenth of the size; at most {GROWTH}× is asked for at 1000000. Targets are for {TARGET_SIZE}.\n",
        field("model name"),
        kilobytes / 1024 / 1024,
        system.trim_matches('"'),
        contest::ROUNDS,
    ))
}

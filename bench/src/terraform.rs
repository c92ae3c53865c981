//! Measures `wab plan` against `terraform plan` if terraform is installed: as many resources as bridges, and no change to make.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;
use e2e::process;

use crate::contest::{contest, program};
use crate::report::{Row, Target};
use crate::scene::Scene;

pub const SIZE: u32 = 4_000;

/// `None` if terraform is not installed.
pub fn row() -> Result<Option<Row>> {
    if Command::new("terraform").arg("version").output().is_err() {
        return Ok(None);
    }
    let scene = Scene::start(SIZE)?;
    let mut file = String::new();
    for n in 1..=SIZE {
        writeln!(file, "resource \"terraform_data\" \"bridge_{n}\" {{ input = \"cust_{n}\" }}")?;
    }
    let path = scene.fleet.write("main.tf", &file)?;
    let folder = path.with_file_name("");
    let settings = scene.fleet.write("terraform.rc", "")?;
    let terraform = |args: &[&str]| {
        let mut command = Command::new("terraform");
        command
            .args(args)
            .current_dir(&folder)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_CLI_CONFIG_FILE", &settings);
        command
    };
    process::must(&mut terraform(&["init", "-no-color"]))?;
    process::must(&mut terraform(&["apply", "-auto-approve", "-no-color"]))?;
    let outcome = contest(
        || Ok(()),
        || scene.wab(&["plan"], "Nothing to do"),
        || program(&mut terraform(&["plan", "-no-color"]), "No changes"),
    )?;
    Ok(Some(Row::new("wab plan of 4000 bridges", "terraform plan", outcome, Target::Faster(100.0))))
}

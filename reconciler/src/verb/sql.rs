//! `wab sql`: prints a recipe for the database, to be run with psql. It needs no database and no fleet.yaml.

use clap::{Args, ValueEnum};

use crate::ground::Exit;
use crate::model::Error;
use crate::render::screen::Screen;

/// Flags of `sql`.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The recipe; it finds the schema of the wab_ objects by itself, and may be run again
    #[arg(value_enum, value_name = "RECIPE")]
    recipe: Recipe,
}

/// The recipes of `sql/`, as of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Recipe {
    /// Creates the five wab_ roles, or grants them what is new
    Roles,
    /// Schedules the jobs with pg_cron
    Cron,
    /// Puts a trigger on the tenants table that enqueues new tenants
    Signup,
    /// Removes the jobs of this database, the trigger and all wab_ objects with their history
    Uninstall,
}

impl Recipe {
    fn text(self) -> &'static str {
        match self {
            Self::Roles => include_str!("../../../sql/roles.sql"),
            Self::Cron => include_str!("../../../sql/cron.sql"),
            Self::Signup => include_str!("../../../sql/signup.sql"),
            Self::Uninstall => include_str!("../../../sql/uninstall.sql"),
        }
    }
}

/// Prints the recipe.
pub fn sql(args: &SqlArgs, screen: Screen) -> Result<Exit, Error> {
    screen.result(args.recipe.text())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipe_does_what_its_name_says() {
        for recipe in Recipe::value_variants() {
            let statement = match recipe {
                Recipe::Roles => "CREATE ROLE",
                Recipe::Cron => "cron.schedule(",
                Recipe::Signup => "TRIGGER wab_signup AFTER INSERT",
                Recipe::Uninstall => "DROP EXTENSION",
            };
            let with_it = Recipe::value_variants().iter().filter(|other| other.text().contains(statement));
            assert_eq!(with_it.collect::<Vec<_>>(), [recipe]);
        }
    }
}

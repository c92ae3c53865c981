//! Prints an install script for the Makefile.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(install_sql::extension().as_bytes())
}

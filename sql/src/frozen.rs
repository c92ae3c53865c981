//! Lists the install scripts of earlier versions. `make freeze` writes this file.

pub(crate) const FROZEN: &[(&str, &str)] = &[("0.2.0", include_str!("../versions/pg_wabridges--0.2.0.sql"))];

//! The install scripts of the versions before this one. Written by `make freeze`.

pub(crate) const FROZEN: &[(&str, &str)] = &[("0.2.0", include_str!("../versions/pg_wabridges--0.2.0.sql"))];

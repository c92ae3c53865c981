//! The install scripts of the versions before this one. Written by `make freeze`.

pub(crate) const FROZEN: &[(&str, &str)] = &[];

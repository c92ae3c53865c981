//! Tells from the server's version text whether the `wab_` objects can keep their promises on this database engine.

/// An engine that speaks PostgreSQL's protocol and lacks what the objects need.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Its name.
    pub name: &'static str,
    /// What it lacks, and what would happen.
    pub lacks: &'static str,
}

/// A part of the version text of each of these engines.
const UNSUPPORTED: &[(&str, Unsupported)] = &[
    (
        "CockroachDB",
        Unsupported {
            name: "CockroachDB",
            lacks: "its advisory locks lock nothing, so two runs at once could make two bridges for one tenant; and before \
                    26.2 its views have no security_invoker, so they would show each reader the rows that their owner sees",
        },
    ),
    (
        "Redshift",
        Unsupported {
            name: "Amazon Redshift",
            lacks: "it has no triggers, no indexes and no enforced constraints, so nothing would keep the stored fleet right",
        },
    ),
];

/// The engine, if the objects cannot be installed on it. `version` is what version() returns.
pub fn unsupported(version: &str) -> Option<&'static Unsupported> {
    UNSUPPORTED.iter().find(|(part, _)| version.contains(part)).map(|(_, engine)| engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(version: &str) -> Option<&'static str> {
        unsupported(version).map(|engine| engine.name)
    }

    #[test]
    fn engines_are_told_by_their_version_text() {
        let cockroach = "CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu, built 2025/06/23 16:24:04, go1.23.7)";
        assert_eq!(name(cockroach), Some("CockroachDB"));
        let redshift = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat \
                        3.4.2-6.fc3), Redshift 1.0.77467";
        assert_eq!(name(redshift), Some("Amazon Redshift"));
        for version in [
            "PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14) 12.2.0, 64-bit",
            "PostgreSQL 15.12-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit",
            "",
        ] {
            assert_eq!(name(version), None, "{version}");
        }
    }
}

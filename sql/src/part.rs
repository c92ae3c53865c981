//! Lists the files of `sql/` in the order in which they are installed, and the installations that include each.

/// The kind of installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `CREATE EXTENSION pg_wabridges`.
    Extension,
    /// `wab init --sql-only`, for servers on which the extension cannot be installed.
    Plain,
}

/// How a file becomes part of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its statements run when the script runs.
    Statements,
    /// Its statements are the body of an SQL function without arguments, and run when the function is called.
    Body {
        /// The function's name.
        function: &'static str,
        /// The text of the function's COMMENT.
        comment: &'static str,
    },
}

/// One file of `sql/`.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its name in `sql/`.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The only installation that includes it; `None` if both do.
    pub only: Option<Target>,
    /// How it becomes part of a script.
    pub form: Form,
}

macro_rules! part {
    ($file:literal, $only:expr) => {
        part!($file, $only, Form::Statements)
    };
    ($file:literal, $only:expr, $form:expr) => {
        Part { file: $file, text: include_str!(concat!("../", $file)), only: $only, form: $form }
    };
}

/// All files, in the order of installation: each refers only to objects of files before it.
pub const PARTS: &[Part] = &[
    part!("functions_before.sql", Some(Target::Plain)),
    part!("schema.sql", None),
    part!("records.sql", None),
    part!("private.sql", None),
    part!("row_security.sql", None),
    part!("policy.sql", None),
    part!("customer_refs.sql", None),
    part!("functions.sql", None),
    part!("results.sql", None),
    part!("summary.sql", None),
    part!("poll.sql", None),
    part!("pairing.sql", None),
    part!("contacts.sql", None),
    part!("statuses.sql", None),
    part!("phones.sql", None),
    part!("activity.sql", None),
    part!("phone_drift.sql", None),
    part!("duplicates.sql", None),
    part!("observe.sql", None),
    part!("unchanged.sql", None),
    part!(
        "views.sql",
        None,
        Form::Body {
            function: "_wab_create_views",
            comment: "Creates the drift views over wab_tenants. Called by wab_bind_tenants().",
        }
    ),
    part!(
        "view_comments.sql",
        None,
        Form::Body {
            function: "_wab_comment_views",
            comment: "Sets the COMMENTs of the drift views. Called by wab_bind_tenants().",
        }
    ),
    part!("bound_names.sql", None),
    part!("view_changes.sql", None),
    part!("binding_checks.sql", None),
    part!("binding.sql", None),
    part!("tenant_rows.sql", None),
    part!("tenant_locks.sql", None),
    part!("tenant_updates.sql", None),
    part!("trial.sql", None),
    part!("events.sql", None),
    part!("event_batches.sql", None),
    part!("tenures.sql", None),
    part!("history.sql", None),
    part!("queue.sql", None),
    part!("incident_policy.sql", None),
    part!("episodes.sql", None),
    part!("incidents.sql", None),
    part!("webhooks.sql", None),
    part!("calls.sql", None),
    part!("pairing_links.sql", None),
    part!("uptime.sql", None),
    part!("tenant_costs.sql", None),
    part!("tenant_history.sql", None),
    part!("provider.sql", Some(Target::Extension)),
    part!("version.sql", Some(Target::Plain)),
    part!("jobs.sql", None),
    part!("alerts.sql", None),
    part!("help.sql", None),
    part!("extension.sql", Some(Target::Extension)),
    part!("plain.sql", Some(Target::Plain)),
];

impl Part {
    /// Whether this installation includes the file.
    #[must_use]
    pub fn is_for(&self, target: Target) -> bool {
        self.only.is_none_or(|only| only == target)
    }

    /// Its statements, or the statement that creates its function.
    #[must_use]
    pub fn sql(&self) -> String {
        match self.form {
            Form::Statements => self.text.to_owned(),
            Form::Body { function, comment } => format!(
                "CREATE FUNCTION @extschema@.{function}() RETURNS void\n\
                 LANGUAGE sql SET search_path = pg_catalog, pg_temp\n\
                 AS ${function}$\n{}${function}$;\n\
                 COMMENT ON FUNCTION @extschema@.{function} IS '{}';\n",
                self.text,
                comment.replace('\'', "''")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_or_run_by_hand() {
        const BY_HAND: [&str; 4] = ["cron.sql", "roles.sql", "signup.sql", "uninstall.sql"];
        let mut there: Vec<String> = std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        let mut known: Vec<&str> = PARTS.iter().map(|part| part.file).chain(BY_HAND).collect();
        there.sort();
        known.sort_unstable();
        assert_eq!(there, known);
    }

    /// PostgreSQL reads the whole script in the database's encoding before its first statement can refuse that encoding.
    #[test]
    fn every_part_is_ascii() {
        for part in PARTS {
            let foreign = part.text.lines().find(|line| !line.is_ascii());
            assert_eq!(foreign, None, "{}", part.file);
        }
    }

    /// Each kind of drift has a rule for incidents, with the severity that the drift has.
    #[test]
    fn every_kind_of_drift_has_its_severity_in_the_incident_policy() {
        let text = |file: &str| PARTS.iter().find(|part| part.file == file).unwrap().text;
        let pairs = |file: &str, before: &str| -> std::collections::BTreeSet<(String, String)> {
            let words = |rest: &str| {
                let mut words = rest.split('\'').skip(1).step_by(2);
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            };
            text(file).split(before).skip(1).filter_map(words).collect()
        };
        let drift = pairs("views.sql", "THEN ROW(");
        let mut rules = pairs("incident_policy.sql", "\n    (");
        // A fleet that nobody observes has no drift.
        rules.retain(|(kind, _)| kind != "unobserved");
        assert!(drift.len() >= 13, "{drift:?}");
        assert_eq!(drift, rules);
    }

    #[test]
    fn a_body_is_the_text_of_a_function() {
        let form = Form::Body { function: "wab_make", comment: "It's made here." };
        let part = Part { file: "x.sql", text: "CREATE VIEW v AS SELECT 1;\n", only: None, form };
        let sql = part.sql();
        assert!(sql.contains("AS $wab_make$\nCREATE VIEW v AS SELECT 1;\n$wab_make$;\n"), "{sql}");
        assert!(sql.ends_with("COMMENT ON FUNCTION @extschema@.wab_make IS 'It''s made here.';\n"), "{sql}");
    }
}

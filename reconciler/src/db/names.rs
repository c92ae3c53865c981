//! What every statement needs to know of the database, and how its text gets the schema's name.

use sqlx::AssertSqlSafe;

/// What every statement needs to know of the database.
#[derive(Clone, Debug)]
pub struct Names {
    /// The wab_ objects' schema, as it is.
    pub schema: String,
    /// The same, quoted.
    pub quoted: String,
    /// The role's own search_path, in which the user's names and expressions are resolved.
    pub search_path: String,
}

impl Names {
    /// The statement with `@extschema@` replaced. Nothing else is ever put into a statement's text.
    pub fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("@extschema@", &self.quoted))
    }
}

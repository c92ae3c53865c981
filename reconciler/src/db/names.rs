//! The schema of the `wab_` objects, and its name in statements.

use sqlx::AssertSqlSafe;

/// The schema of the `wab_` objects, and the role's search_path.
#[derive(Clone, Debug)]
pub struct Names {
    /// The schema, unquoted.
    pub schema: String,
    /// The schema, quoted for SQL.
    pub quoted: String,
    /// The role's search_path, in which the user's names and expressions are resolved.
    pub search_path: String,
}

impl Names {
    /// The statement with `@extschema@` replaced. No other text is ever inserted into a statement.
    pub fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("@extschema@", &self.quoted))
    }
}

//! Builds the script that upgrades the objects of an older install script to those of a newer one.
//!
//! It compares the statements of both scripts to find new, changed and removed objects. Changes of tables are written by
//! hand in `sql/upgrade/OLD--NEW.sql`, which runs first, because two CREATE TABLE statements do not show how to convert rows.

use std::collections::BTreeMap;

use crate::object::Object;
use crate::split::statements;

/// The statements of a script, each with its object.
struct Script<'a> {
    statements: Vec<(Object<'a>, &'a str)>,
}

/// The upgrade script from `old` to `new`, both install scripts; `by_hand` runs first.
///
/// # Errors
/// The changes that need a handwritten file, one a line, if `by_hand` is `None`.
pub fn upgrade(old: &str, new: &str, by_hand: Option<&str>) -> Result<String, String> {
    let (old, new) = (Script::of(old), Script::of(new));
    if by_hand.is_none() {
        let unknown = old.beyond(&new);
        if !unknown.is_empty() {
            return Err(unknown.join("\n"));
        }
    }
    let mut made = Upgrade { old: &old, new: &new, script: String::new(), touched: Vec::new() };
    if let Some(by_hand) = by_hand {
        made.script.push_str(by_hand);
        made.script.push('\n');
    }
    for (object, statement) in &new.statements {
        made.bring(object, statement);
    }
    made.drop_what_is_gone();
    Ok(made.script)
}

struct Upgrade<'a> {
    old: &'a Script<'a>,
    new: &'a Script<'a>,
    script: String,
    /// Objects that were created again: their comments and privileges must be repeated.
    touched: Vec<&'a str>,
}

impl<'a> Upgrade<'a> {
    fn say(&mut self, statement: &str) {
        self.script.push_str(statement);
        self.script.push_str("\n;\n");
    }

    fn bring(&mut self, object: &Object<'a>, statement: &'a str) {
        let before = self.old.get(object);
        let is_same = before.is_some_and(|(_, before)| before == statement);
        match object {
            Object::Again => self.say(statement),
            Object::Once => {
                let on_touched = self.touched.iter().any(|name| statement.contains(name));
                if on_touched || !self.old.statements.iter().any(|(_, before)| *before == statement) {
                    self.say(statement);
                }
            }
            Object::Comment { kind, on } => {
                if !is_same || self.touched.contains(&home(kind, on)) {
                    self.say(statement);
                }
            }
            _ if is_same => {}
            Object::Routine { name, header, .. } => {
                let same_header = before.is_some_and(
                    |(before, _)| matches!(before, Object::Routine { header: h, .. } if h == header),
                );
                if same_header {
                    self.say(&or_replace(statement));
                } else {
                    self.drop_others_of(name);
                    if before.is_some() {
                        self.say(&dropping(object));
                    }
                    self.touched.push(name);
                    self.say(statement);
                }
            }
            Object::View { name } => {
                self.touched.push(name);
                self.say(&or_replace(statement));
            }
            Object::Trigger { .. } => self.say(&or_replace(statement)),
            Object::Index { .. } => {
                if before.is_some() {
                    self.say(&dropping(object));
                }
                self.say(statement);
            }
            // The handwritten file made this table of an older one.
            Object::Table { name } if self.script.contains(&format!("RENAME TO {};", unqualified(name))) => {}
            // The handwritten file converts changed tables and types.
            Object::Table { .. } | Object::Type { .. } if before.is_none() => self.say(statement),
            Object::Table { .. } | Object::Type { .. } | Object::Unknown => {}
        }
    }

    /// Drops the removed routines of this name with other arguments: with them a call or a comment would be ambiguous.
    fn drop_others_of(&mut self, name: &str) {
        let (old, new) = (self.old, self.new);
        for (object, _) in &old.statements {
            if matches!(object, Object::Routine { name: n, .. } if *n == name) && new.get(object).is_none() {
                self.say(&dropping(object));
            }
        }
    }

    fn drop_what_is_gone(&mut self) {
        let (old, new) = (self.old, self.new);
        for (object, _) in old.statements.iter().rev().filter(|(object, _)| new.get(object).is_none()) {
            match object {
                Object::Routine { name, .. } if self.touched.contains(name) => {}
                Object::Routine { .. }
                | Object::View { .. }
                | Object::Index { .. }
                | Object::Trigger { .. } => {
                    self.say(&dropping(object));
                }
                Object::Comment { kind, on } if self.is_without_comment(kind, on) => {
                    self.say(&format!("COMMENT ON {kind} {on} IS NULL"));
                }
                _ => {}
            }
        }
    }

    /// Whether an object still exists and only its comment was removed.
    fn is_without_comment(&self, kind: &str, on: &str) -> bool {
        let (name, home) = (named(on), home(kind, on));
        let stays = |script: &Script<'_>| {
            script
                .statements
                .iter()
                .find(|(object, _)| name_of(object) == Some(home))
                .map(|(_, text)| (*text).to_owned())
        };
        let is_its_comment = |(object, _): &(Object<'_>, &str)| matches!(object, Object::Comment { kind: k, on: o } if *k == kind && named(o) == name);
        let there = stays(self.new);
        there.is_some()
            && (kind != "COLUMN" || there == stays(self.old))
            && !self.touched.contains(&name)
            && !self.new.statements.iter().any(is_its_comment)
    }
}

impl<'a> Script<'a> {
    fn of(script: &'a str) -> Self {
        Self { statements: statements(script).into_iter().map(|text| (Object::of(text), text)).collect() }
    }

    /// The statement of this script with the same object.
    fn get(&self, wanted: &Object<'_>) -> Option<(&Object<'a>, &'a str)> {
        let wanted = key(wanted)?;
        self.statements
            .iter()
            .find(|(object, _)| key(object).as_ref() == Some(&wanted))
            .map(|(object, text)| (object, *text))
    }

    /// The changes from this script to `new` that must be written by hand.
    fn beyond(&self, new: &Script<'_>) -> Vec<String> {
        let tables = self.statements.iter().filter_map(|(object, text)| match object {
            Object::Table { .. } | Object::Type { .. } => match new.get(object) {
                None => Some(format!("{} was removed", key(object)?)),
                Some((_, now)) if now != *text => Some(format!("{} changed", key(object)?)),
                Some(_) => None,
            },
            _ => None,
        });
        let unknown = new.statements.iter().filter(|(object, _)| *object == Object::Unknown);
        let unknown = unknown.map(|(_, text)| format!("this kind of statement is not supported: {text}"));
        let mut there = BTreeMap::new();
        for (object, text) in &new.statements {
            there.insert(*text, object);
        }
        let ended = self
            .statements
            .iter()
            .filter(|(object, text)| *object == Object::Once && !there.contains_key(text));
        let ended = ended.map(|(_, text)| format!("this statement was removed: {text}"));
        tables.chain(unknown).chain(ended).collect()
    }
}

/// The object's identity within a script; `None` if the statement has no object.
fn key(object: &Object<'_>) -> Option<String> {
    Some(match object {
        Object::Routine { kind, name, arguments, .. } => format!("{kind} {name}({arguments})"),
        Object::Trigger { name, table } => format!("TRIGGER {name} ON {table}"),
        Object::View { name } => format!("VIEW {name}"),
        Object::Table { name } => format!("TABLE {name}"),
        Object::Type { name } => format!("TYPE {name}"),
        Object::Index { name } => format!("INDEX {name}"),
        Object::Comment { kind, on } => format!("COMMENT {kind} {on}"),
        Object::Once | Object::Again | Object::Unknown => return None,
    })
}

fn name_of<'a>(object: &Object<'a>) -> Option<&'a str> {
    match object {
        Object::Routine { name, .. }
        | Object::View { name }
        | Object::Table { name }
        | Object::Type { name }
        | Object::Index { name } => Some(name),
        _ => None,
    }
}

/// The name of a commented object, without arguments.
fn named(on: &str) -> &str {
    on.split('(').next().unwrap_or(on)
}

/// The name of the object that is commented, or that has the commented column.
fn home<'a>(kind: &str, on: &'a str) -> &'a str {
    let name = named(on);
    if kind == "COLUMN" { name.rsplit_once('.').map_or(name, |(home, _)| home) } else { name }
}

/// The name without its schema.
fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn or_replace(statement: &str) -> String {
    statement.replacen("CREATE ", "CREATE OR REPLACE ", 1)
}

fn dropping(object: &Object<'_>) -> String {
    match object {
        // CREATE INDEX has no schema in the index name; DROP INDEX needs one.
        Object::Index { name } => format!("DROP INDEX @extschema@.{name}"),
        other => format!("DROP {}", key(other).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;

//! Writes the settings that fleet.yaml declares into the database: status words, and values of wab_policy.

use std::time::Duration;

use crate::config::{Fleet, Graces, StatusWord};
use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as};
use crate::model::{Error, SettingChange};

const WORDS: &str = "cannot store the status words of fleet.yaml";
const POLICY: &str = "cannot store the policy of fleet.yaml in wab_policy";

impl Evaluation<'_> {
    /// Makes the settings match fleet.yaml; writes only those that differ. The stored statuses follow new words.
    pub(super) async fn set(&mut self, fleet: &Fleet) -> Result<Vec<SettingChange>, Error> {
        let mut changes = self.set_graces(&fleet.graces).await?;
        if let Some(words) = &fleet.status_words {
            changes.extend(self.set_words(words).await?);
        }
        Ok(changes)
    }

    async fn set_words(&mut self, words: &[StatusWord]) -> Result<Vec<SettingChange>, Error> {
        let compared: Vec<String> = words.iter().map(StatusWord::compared).collect();
        let statuses: Vec<&str> = words.iter().map(|word| word.status.as_str()).collect();
        let changes: Vec<(String, Option<String>, Option<String>)> =
            query_as(self.names.sql(include_str!("set/changed_words.sql")))
                .bind(&compared)
                .bind(&statuses)
                .fetch_all(&mut *self.tx)
                .await
                .map_err(Error::database(WORDS))?;
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        for sql in [include_str!("set/delete_words.sql"), include_str!("set/write_words.sql")] {
            query(self.names.sql(sql))
                .bind(&compared)
                .bind(&statuses)
                .execute(&mut *self.tx)
                .await
                .map_err(Error::database(WORDS))?;
        }
        let named = |(word, before, after)| SettingChange {
            name: format!("bridges.status_words {word}"),
            before,
            after,
        };
        Ok(changes.into_iter().map(named).collect())
    }

    async fn set_graces(&mut self, graces: &Graces) -> Result<Vec<SettingChange>, Error> {
        if graces.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<(String, f64)> = query_as(self.names.sql(include_str!("set/stored_graces.sql")))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database(POLICY))?;
        let changed: Vec<(&str, f64, Duration)> = stored
            .iter()
            .filter_map(|(name, seconds)| Some((name.as_str(), *seconds, *graces.get(name.as_str())?)))
            .filter(|(_, seconds, after)| *seconds != after.as_secs_f64())
            .collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        query(self.names.sql(include_str!("set/write_graces.sql")))
            .bind(changed.iter().map(|(name, ..)| *name).collect::<Vec<_>>())
            .bind(changed.iter().map(|(_, _, after)| after.as_secs_f64()).collect::<Vec<_>>())
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(POLICY))?;
        let shown = |(name, seconds, after): &(&str, f64, Duration)| SettingChange {
            name: format!("policy.{name}"),
            before: Some(time(*seconds)),
            after: Some(time(after.as_secs_f64())),
        };
        Ok(changed.iter().map(shown).collect())
    }
}

/// As fleet.yaml writes a time. SQL allows negative ones too, which mean the same as 0.
fn time(seconds: f64) -> String {
    humantime::format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_string()
}

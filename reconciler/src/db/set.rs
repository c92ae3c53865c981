//! Writes the settings that fleet.yaml declares into the database: status words, and values of wab_policy.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::config::{Fleet, Setting, Settings, StatusWord};
use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as};
use crate::model::{Error, SettingChange};

const WORDS: &str = "cannot store the status words of fleet.yaml";
const POLICY: &str = "cannot store the policy of fleet.yaml in wab_policy";

impl Evaluation<'_> {
    /// Makes the settings match fleet.yaml; writes only those that differ. The stored statuses follow new words.
    pub(super) async fn set(&mut self, fleet: &Fleet) -> Result<Vec<SettingChange>, Error> {
        let mut changes = self.set_policy(&fleet.settings).await?;
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

    async fn set_policy(&mut self, settings: &Settings) -> Result<Vec<SettingChange>, Error> {
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<(String, Decimal)> =
            query_as(self.names.sql(include_str!("set/stored_settings.sql")))
                .fetch_all(&mut *self.tx)
                .await
                .map_err(Error::database(POLICY))?;
        let changed: Vec<(&str, Decimal, Setting)> = stored
            .iter()
            .filter_map(|(name, before)| Some((name.as_str(), *before, *settings.get(name.as_str())?)))
            .filter(|(_, before, after)| *before != number(*after))
            .collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        query(self.names.sql(include_str!("set/write_settings.sql")))
            .bind(changed.iter().map(|(name, ..)| *name).collect::<Vec<_>>())
            .bind(changed.iter().map(|(_, _, after)| number(*after)).collect::<Vec<_>>())
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(POLICY))?;
        let shown = |(name, before, after): &(&str, Decimal, Setting)| SettingChange {
            name: format!("policy.{name}"),
            before: Some(like(*after, *before).to_string()),
            after: Some(after.to_string()),
        };
        Ok(changed.iter().map(shown).collect())
    }
}

/// The setting as SQL has it; a time in seconds.
fn number(setting: Setting) -> Decimal {
    match setting {
        Setting::Time(time) => Decimal::from(time.as_secs()) + Decimal::new(time.subsec_millis().into(), 3),
        Setting::Dollars(number) | Setting::Share(number) => number,
    }
}

/// A stored number as a setting of this sort. SQL allows negative times too, which mean the same as 0.
fn like(sort: Setting, number: Decimal) -> Setting {
    match sort {
        Setting::Time(_) => {
            Setting::Time(Duration::try_from_secs_f64(number.to_f64().unwrap_or(0.0)).unwrap_or_default())
        }
        Setting::Dollars(_) => Setting::Dollars(number),
        Setting::Share(_) => Setting::Share(number),
    }
}

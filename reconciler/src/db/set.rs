//! Writes the settings that fleet.yaml declares into the database: status words, and values of wab_policy.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::config::{Fleet, IncidentRule, Setting, Settings, StatusWord};
use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as, query_scalar};
use crate::ground::harmless;
use crate::model::{Error, SettingChange};

const WORDS: &str = "cannot store the status words of fleet.yaml";
const INCIDENTS: &str = "cannot store the incident rules of fleet.yaml in wab_incident_policy";
const POLICY: &str = "cannot store the policy of fleet.yaml in wab_policy";

impl Evaluation<'_> {
    /// Makes the settings match fleet.yaml; writes only those that differ. The stored statuses follow new words.
    pub(super) async fn set(&mut self, fleet: &Fleet) -> Result<Vec<SettingChange>, Error> {
        let mut changes = self.set_policy(&fleet.settings).await?;
        for (name, url) in &fleet.addresses {
            changes.extend(self.set_address(name, url).await?);
        }
        changes.extend(self.set_incidents(&fleet.incidents).await?);
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

    /// Stores the rules of the listed kinds, and compares the policy before and after, as one row of text per kind.
    async fn set_incidents(&mut self, rules: &[IncidentRule]) -> Result<Vec<SettingChange>, Error> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let kinds: Vec<&str> = rules.iter().map(|rule| rule.kind.as_str()).collect();
        let before = self.incident_rules(&kinds).await?;
        if let Some(unknown) = kinds.iter().find(|kind| !before.iter().any(|(known, _)| known == *kind)) {
            return Err(Error::config(
                format!("policy.incidents names the kind {}, which is none", harmless(unknown)),
                "SELECT kind FROM wab_incident_policy lists the kinds",
            ));
        }
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        query(self.names.sql(include_str!("set/write_incidents.sql")))
            .bind(&kinds)
            .bind(rules.iter().map(|rule| rule.severity.as_deref()).collect::<Vec<_>>())
            .bind(rules.iter().map(|rule| seconds(rule.begins_after)).collect::<Vec<_>>())
            .bind(rules.iter().map(|rule| seconds(rule.ends_after)).collect::<Vec<_>>())
            .bind(rules.iter().map(|rule| rule.alerts).collect::<Vec<_>>())
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(INCIDENTS))?;
        let after = self.incident_rules(&kinds).await?;
        let changed = before.into_iter().zip(after).filter(|((_, before), (_, after))| before != after);
        Ok(changed
            .map(|((kind, before), (_, after))| SettingChange {
                name: format!("policy.incidents {kind}"),
                before: Some(before),
                after: Some(after),
            })
            .collect())
    }

    async fn incident_rules(&mut self, kinds: &[&str]) -> Result<Vec<(String, String)>, Error> {
        query_as(self.names.sql(include_str!("set/incident_rules.sql")))
            .bind(kinds)
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database(INCIDENTS))
    }

    async fn set_policy(&mut self, settings: &Settings) -> Result<Vec<SettingChange>, Error> {
        if settings.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<(String, Option<Decimal>)> =
            query_as(self.names.sql(include_str!("set/stored_settings.sql")))
                .fetch_all(&mut *self.tx)
                .await
                .map_err(Error::database(POLICY))?;
        let changed: Vec<(&str, Option<Decimal>, Setting)> = stored
            .iter()
            .filter_map(|(name, before)| Some((name.as_str(), *before, *settings.get(name.as_str())?)))
            .filter(|(_, before, after)| *before != Some(number(*after)))
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
        let shown = |(name, before, after): &(&str, Option<Decimal>, Setting)| SettingChange {
            name: format!("policy.{name}"),
            before: before.map(|before| like(*after, before).to_string()),
            after: Some(after.to_string()),
        };
        Ok(changed.iter().map(shown).collect())
    }

    /// Sets the column of wab_policy with this name.
    async fn set_address(&mut self, name: &'static str, url: &str) -> Result<Option<SettingChange>, Error> {
        let stored = format!("SELECT p.{name} FROM @extschema@.wab_policy p");
        let before: Option<String> = query_scalar(self.names.sql(&stored))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database(POLICY))?;
        if before.as_deref() == Some(url) {
            return Ok(None);
        }
        query(self.names.sql(&format!("UPDATE @extschema@.wab_policy SET {name} = $1")))
            .bind(url)
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(POLICY))?;
        Ok(Some(SettingChange { name: format!("policy.{name}"), before, after: Some(url.to_owned()) }))
    }
}

/// The setting as SQL has it; a time in seconds.
fn number(setting: Setting) -> Decimal {
    match setting {
        Setting::Time(time) => Decimal::from(time.as_secs()) + Decimal::new(time.subsec_millis().into(), 3),
        Setting::Dollars(number) | Setting::Share(number) => number,
        Setting::Number(number) => number.into(),
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
        Setting::Number(_) => Setting::Number(number.to_u32().unwrap_or(0)),
    }
}

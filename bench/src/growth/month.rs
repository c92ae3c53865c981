//! Lives through the month: every minute is one real transaction, under a server clock that runs 1,800 times as fast.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use sqlx::Connection;

use crate::table::markdown;

/// A minute takes 33 ms, a month 24 minutes.
const SPEED: u32 = 1_800;

/// The fleet's size and how long it lives.
pub struct Month {
    pub bridges: u32,
    pub days: u32,
}

impl Month {
    /// Lives, and returns a table of what happened and how much was written for it.
    pub async fn live(&self, fleet: &Fleet) -> Result<String> {
        fleet.sql(include_str!("month.sql"))?;
        fleet.sql("SELECT pg_stat_reset()")?;
        fleet.cluster.restart_with_clock(&format!("+0 x{SPEED}"))?;
        let wal = fleet.sql("SELECT pg_current_wal_insert_lsn()")?;
        let began = fleet.sql("SELECT clock_timestamp()")?;
        let late = self.minutes(fleet).await?;
        let rows = fleet.sql(&format!(
            "WITH s AS (SELECT s.*, pg_current_wal_insert_lsn() - '{wal}'::pg_lsn AS wal FROM growth.state s)
             SELECT * FROM (
             SELECT 'bridges', '{}' FROM s UNION ALL
             SELECT 'refreshes', '{}' FROM s UNION ALL
             SELECT 'of these, with a change', s.changed::text FROM s UNION ALL
             SELECT 'flips of a status', s.flips::text FROM s UNION ALL
             SELECT 'late by more than a minute', '{late}' FROM s UNION ALL
             SELECT 'time by the server''s clock', date_trunc('hour', clock_timestamp() - '{began}')::text FROM s UNION ALL
             SELECT 'WAL', pg_size_pretty(s.wal) FROM s UNION ALL
             SELECT 'WAL per refresh', pg_size_pretty(round(s.wal / {}, 0)) FROM s UNION ALL
             SELECT 'checkpoints', checkpoints_timed::text FROM pg_stat_bgwriter) AS r(what, how_many)",
            self.bridges,
            self.minutes_in_all(),
            self.minutes_in_all()
        ))?;
        Ok(markdown(&["", "in the month"], &rows))
    }

    fn minutes_in_all(&self) -> u32 {
        self.days * 24 * 60
    }

    /// Returns how many minutes began more than a minute late.
    async fn minutes(&self, fleet: &Fleet) -> Result<u32> {
        let mut connection = fleet.cluster.connect(DATABASE).await?;
        sqlx::query("SELECT setseed(0.5)").execute(&mut connection).await?;
        let (start, length) = (Instant::now(), Duration::from_secs(60) / SPEED);
        let mut late = 0;
        for minute in 0..self.minutes_in_all() {
            match (length * minute).checked_sub(start.elapsed()) {
                Some(early) => tokio::time::sleep(early).await,
                None if start.elapsed() > length * (minute + 1) => late += 1,
                None => {}
            }
            let minute = i32::try_from(minute)?;
            sqlx::query("SELECT growth.minute($1)").bind(minute).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(late)
    }
}

//! Lets the database server crash, and puts a standby that received everything in its place.

use anyhow::Result;

use crate::simulation::stage::Stage;
use crate::wait::until;

impl Stage {
    /// Promotes a standby after a crash of the primary.
    pub async fn fail_over(&mut self) -> Result<()> {
        let standby = self.fleet.cluster.standby()?;
        standby.expect_in_log(&super::EXPECTED);
        let written = self.table("SELECT 'lsn', pg_current_wal_lsn()::text").await?;
        let caught_up =
            format!("SELECT pg_last_wal_replay_lsn() >= '{}'", written.get("lsn").map_or("", String::as_str));
        until("the standby has everything", async || {
            Ok((standby.sql("postgres", &caught_up)? == "t").then_some(()))
        })
        .await?;
        self.fleet.cluster.crash()?;
        standby.stop()?;
        let key = standby.write_secret("api_key", &self.key)?.display().to_string();
        let url = standby.write_secret("alert_url", &self.receiver.url)?.display().to_string();
        standby.configure(&[("wab.api_key_file", &key), ("wab.alert_url_file", &url)])?;
        standby.start_with_clock_file(&self.clock)?;
        standby.promote()?;
        self.connection = standby.connect(crate::fleet::DATABASE).await?;
        let primary = std::mem::replace(&mut self.fleet.cluster, standby);
        self.retired.push(primary);
        Ok(())
    }
}

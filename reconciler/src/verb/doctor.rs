//! `wab doctor`: checks the whole installation, one part after another, and says how to fix each problem. It
//! changes nothing.

use std::path::Path;
use std::time::Instant;

use chrono::{TimeDelta, Utc};
use wabridges::ProxyUrl;

use crate::config::{Database, Fleet, ignored_proxy};
use crate::db::examine::Visit;
use crate::db::store::Store;
use crate::decide::checkup::Route;
use crate::decide::{checkup, database_checkup, operation_checkup};
use crate::ground::Exit;
use crate::model::{BindingChange, Check, Error};
use crate::provider::client::reader;
use crate::render::screen::Screen;
use crate::render::screen::validated;
use crate::verb::flags::Output;

/// The checks that need the `wab_` objects, in order.
const IN_THE_DATABASE: [&str; 9] =
    ["objects", "rights", "binding", "index", "hidden rows", "observation", "statuses", "runs", "pg_cron"];

/// Makes every check, even if earlier ones fail.
pub async fn doctor(file: &Path, output: &Output, screen: Screen) -> Result<Exit, Error> {
    let fleet = Fleet::load(file).map_err(Error::from);
    let mut checks = vec![self::file(file, &fleet)];
    let fleet = fleet.ok();
    let ahead_of_us = account(fleet.as_ref(), &mut checks).await;
    let database =
        fleet.as_ref().map_or(Database { url_env: None, schema: None }, |fleet| fleet.database.clone());
    let mut rest = Vec::new();
    let database_ahead = match Visit::begin(&database).await {
        Ok(visit) => at(visit, &database, fleet.as_ref(), &mut rest).await,
        Err(error) => {
            rest.push(Check::failed("database", &error));
            rest.extend(
                IN_THE_DATABASE.map(|check| Check::skipped(check, "there is no connection to the database")),
            );
            None
        }
    };
    checks.push(checkup::clocks(database_ahead, ahead_of_us));
    checks.append(&mut rest);
    screen.result(&screen.checkup(&checks, output.format()))?;
    Ok(checkup::exit(&checks))
}

fn file(file: &Path, fleet: &Result<Fleet, Error>) -> Check {
    match fleet {
        Ok(fleet) => checkup::file(validated(file, fleet), fleet.webhook.as_ref()),
        Err(error) if !file.exists() => Check {
            hint: Some("create one: wab init; or name it with -f FILE".to_owned()),
            ..Check::failed("fleet.yaml", error)
        },
        Err(error) => Check::failed("fleet.yaml", error),
    }
}

/// Checks the key and the provider; returns how far the provider's clock is ahead of this machine's.
async fn account(fleet: Option<&Fleet>, checks: &mut Vec<Check>) -> Option<TimeDelta> {
    let Some(fleet) = fleet else {
        let why = "without fleet.yaml the account is unknown";
        checks.extend([Check::skipped("key", why), Check::skipped("provider", why)]);
        return None;
    };
    let key = match fleet.api_key() {
        Ok(key) => key,
        Err(error) => {
            checks.push(Check::failed("key", &error.into()));
            checks.push(Check::skipped("provider", "there is no API key to call it with"));
            return None;
        }
    };
    checks.push(checkup::key(&key.fingerprint(), &fleet.account.key_fingerprints));
    let client = match reader(fleet, key) {
        Ok(client) => client,
        Err(error) => {
            checks.push(Check::failed("provider", &error));
            return None;
        }
    };
    let started = Instant::now();
    let listed = client.list().await;
    let proxy = fleet.account.proxy.as_ref().map(ProxyUrl::place);
    let route = Route { proxy: proxy.as_deref(), ignored: ignored_proxy() };
    checks.push(checkup::provider(listed, started.elapsed(), route));
    client.provider_ahead()
}

/// Checks the server and the objects in the database; returns how far its clock is ahead of this machine's.
async fn at(
    mut visit: Visit,
    database: &Database,
    fleet: Option<&Fleet>,
    checks: &mut Vec<Check>,
) -> Option<TimeDelta> {
    let version = visit.server_version();
    let is_pooled = visit.is_pooled().await.unwrap_or(false);
    checks.push(match visit.is_standby().await {
        Ok(true) => database_checkup::standby(),
        _ => Check::of("database", visit.who().await, |(role, database)| {
            database_checkup::server(version, &role, &database, is_pooled)
        }),
    });
    let before = Utc::now();
    let now = visit.now().await.ok();
    let ahead = now.map(|now| now - (before + (Utc::now() - before) / 2));
    match visit.enter(database.schema.as_deref()).await {
        Ok(mut store) => inside(&mut store, fleet, checks).await,
        Err(error) => {
            checks.push(Check::failed("objects", &error));
            let others = IN_THE_DATABASE.into_iter().filter(|check| *check != "objects");
            checks.extend(others.map(|check| Check::skipped(check, "there are no wab_ objects")));
        }
    }
    ahead
}

async fn inside(store: &mut Store, fleet: Option<&Fleet>, checks: &mut Vec<Check>) {
    checks.push(Check::of("objects", store.objects().await, |objects| database_checkup::objects(&objects)));
    let is_read_only = store.is_read_only().await.unwrap_or(false);
    checks.push(Check::of("rights", rights(store).await, |()| match is_read_only {
        true => database_checkup::read_only(),
        false => Check::ok("rights", "this role may record the steps of an apply"),
    }));
    let index = store.tenant_index().await;
    let table = index.as_ref().ok().and_then(Option::as_ref).map(|index| index.table.clone());
    checks.push(match fleet {
        Some(fleet) => Check::of("binding", binding(store, fleet).await, |(change, webhook)| {
            database_checkup::binding(change.as_ref(), table.as_deref(), webhook.as_deref())
        }),
        None => Check::skipped("binding", "there is no valid fleet.yaml to compare it with"),
    });
    checks.push(Check::of("index", index, |index| database_checkup::index(index.as_ref())));
    checks.push(match store.require_all_rows().await {
        Ok(()) => Check::of("hidden rows", store.row_security().await, |found| {
            database_checkup::row_security(found.as_ref())
        }),
        Err(error) => Check::failed("hidden rows", &error),
    });
    match (store.status().await, &table) {
        (Ok(status), _) => {
            checks.push(operation_checkup::observation(&status));
            checks.push(Check::of("statuses", store.unmapped_words().await, |unmapped| {
                operation_checkup::statuses(&status, &unmapped)
            }));
        }
        (Err(_), None) => checks.extend(
            ["observation", "statuses"].map(|check| Check::skipped(check, "no tenants table is bound yet")),
        ),
        (Err(error), Some(_)) => {
            checks.extend(["observation", "statuses"].map(|check| Check::failed(check, &error)));
        }
    }
    checks
        .push(Check::of("runs", store.unfinished().await, |unfinished| operation_checkup::runs(&unfinished)));
    checks.push(match store.jobs().await {
        Ok(jobs) => operation_checkup::jobs(jobs.as_deref()),
        Err(Error::Database { doing, source }) if source.is_denied() => Check::warning(
            "pg_cron",
            doing,
            "GRANT USAGE ON SCHEMA cron TO …; GRANT SELECT ON cron.job, cron.job_run_details TO …;",
        ),
        Err(error) => Check::failed("pg_cron", &error),
    });
}

/// Fails with the missing grants unless this role may record the steps of an apply.
async fn rights(store: &mut Store) -> Result<(), Error> {
    let mut evaluation = store.evaluation().await?;
    evaluation.require_recording().await?;
    evaluation.rollback().await
}

/// Returns how fleet.yaml would change the binding, and the SQL expression of the webhook_url that is bound now; the
/// transaction is rolled back.
async fn binding(store: &mut Store, fleet: &Fleet) -> Result<(Option<BindingChange>, Option<String>), Error> {
    let mut evaluation = store.dry_evaluation().await?;
    let webhook = evaluation.known().await?.binding.and_then(|bound| bound.webhook_url);
    let change = evaluation.binding(fleet).await?;
    evaluation.require_readable().await?;
    evaluation.rollback().await?;
    if change.is_some() {
        store.require_binder().await?;
    }
    Ok((change, webhook))
}

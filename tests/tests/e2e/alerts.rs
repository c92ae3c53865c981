//! Tests the alerts with a receiver over real HTTP: it is down, refuses, is killed before it answers, and two senders meet.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use e2e::fleet::{Fleet, Install};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::world;

/// What the receiver does with a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Accepts,
    Refuses,
    /// It reads the document and closes the connection without an answer.
    Dies,
    /// It answers when `Receiver::release` is notified.
    Waits,
}

struct Receiver {
    url: String,
    mood: Arc<Mutex<Mood>>,
    got: Arc<Mutex<Vec<Value>>>,
    release: Arc<Notify>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/services/s3cret?token=s3cret", listener.local_addr()?);
        let one = Self {
            url,
            mood: Arc::new(Mutex::new(Mood::Accepts)),
            got: Arc::new(Mutex::new(Vec::new())),
            release: Arc::new(Notify::new()),
        };
        let (mood, got, release) = (Arc::clone(&one.mood), Arc::clone(&one.got), Arc::clone(&one.release));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mood, got, release) = (Arc::clone(&mood), Arc::clone(&got), Arc::clone(&release));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(client.read_u8().await.ok()?);
                    }
                    let head = String::from_utf8(request).ok()?.to_lowercase();
                    let length =
                        head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
                    let mut body = vec![0; length];
                    client.read_exact(&mut body).await.ok()?;
                    let mood = *mood.lock().unwrap_or_else(PoisonError::into_inner);
                    let document = serde_json::from_slice(&body).ok()?;
                    got.lock().unwrap_or_else(PoisonError::into_inner).push(document);
                    let answer: &[u8] = match mood {
                        Mood::Dies => return None,
                        Mood::Refuses => {
                            b"HTTP/1.1 500 Oops\r\ncontent-length: 25\r\n\r\nno /services/s3cret today"
                        }
                        Mood::Accepts | Mood::Waits => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                    };
                    if mood == Mood::Waits {
                        release.notified().await;
                    }
                    client.write_all(answer).await.ok()
                });
            }
        });
        Ok(one)
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// The documents since the last call.
    fn documents(&self) -> Vec<Value> {
        std::mem::take(&mut *self.got.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The ids of the incidents of a document: those that began, then those that ended.
fn ids(document: &Value) -> (Vec<String>, Vec<String>) {
    let of = |key: &str| -> Vec<String> {
        let all = document[key].as_array().into_iter().flatten();
        let mut ids: Vec<_> = all.filter_map(|one| Some(one["incident_id"].as_str()?.to_owned())).collect();
        ids.sort();
        ids
    };
    (of("began"), of("ended"))
}

/// Sends the alerts as this installation does; returns the outcome and how many began and ended.
fn send(fleet: &Fleet) -> Result<String> {
    match fleet.install {
        Install::SqlOnly => {
            let said = fleet.wab(&["alert", "--json"])?;
            let sent: Value = serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?;
            Ok(format!("{}|{}|{}", sent["outcome"].as_str().unwrap_or("?"), sent["began"], sent["ended"]))
        }
        _ => fleet.sql("SELECT outcome, began, ended FROM wab_send_alerts()"),
    }
}

/// A healthy fleet that sends its alerts to the receiver.
async fn alerting(receiver: &Receiver) -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE wab_policy SET disconnected_after = '0', unobserved_after = '10 minutes'")?;
    let file = fleet.cluster.write_secret("alert_url", &format!("{}\n", receiver.url))?.display().to_string();
    fleet.cluster.configure(&[("wab.alert_url_file", &file)])?;
    fleet.cluster.reload()?;
    fleet.fleet_yaml(&format!("alerts: {{ url_file: '{file}' }}\n"))?;
    Ok(fleet)
}

async fn set(fleet: &Fleet, id: u32, status: &str) -> Result<()> {
    fleet.sandbox.change(id.into(), json!({"status": status})).await?;
    fleet.observe().await?;
    // wab_observe() alone records no drift.
    fleet.sql("SELECT _wab_record_drift()").map(drop)
}

const OPEN: &str =
    "SELECT string_agg(incident_id, ',' ORDER BY incident_id) FROM wab_incidents WHERE severity <> 'info'";
const NOW: &str = "UPDATE _wab_alert_sender SET next_at = now()";

#[tokio::test(flavor = "multi_thread")]
async fn what_began_and_ended_is_sent_once_and_nothing_is_lost_while_the_receiver_is_down() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = alerting(&receiver).await?;
    fleet.cluster.expect_in_log(&["the alerts could not be sent"]);
    assert_eq!(send(&fleet)?, "nothing|0|0");
    set(&fleet, 1, "disconnected").await?;
    set(&fleet, 2, "disconnected").await?;
    let both = fleet.sql(OPEN)?;
    assert_eq!(send(&fleet)?, "sent|2|0");
    assert_eq!(send(&fleet)?, "nothing|0|0");
    let documents = receiver.documents();
    assert_eq!(documents.len(), 1, "{documents:?}");
    assert_eq!(ids(&documents[0]).0.join(","), both);
    let one = &documents[0]["began"][0];
    assert_eq!((one["severity"].as_str(), one["customer_ref"].as_str()), (Some("critical"), Some("cust_01")));
    let text = documents[0]["text"].as_str().context("Slack reads the key text")?;
    assert!(
        text.contains("CRITICAL disconnected: tenant cust_01, bridge 1, since ") && text.contains("wab qr"),
        "{text}"
    );

    // The receiver fails: what is due stays due, and the next attempts wait.
    receiver.becomes(Mood::Refuses);
    set(&fleet, 3, "disconnected").await?;
    fleet.sql("UPDATE wab_incident_policy SET ends_after = '0'")?;
    set(&fleet, 1, "connected").await?;
    assert_eq!(send(&fleet)?, "failed|1|1");
    assert_eq!(send(&fleet)?, "waiting|0|0");
    let failing = "SELECT failing_job, failures, last_error FROM wab_status";
    let said = fleet.sql(failing)?;
    assert!(said.starts_with("alerts|1|") && said.contains("answered HTTP 500: no /… today"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    // Pauses grow up to ten minutes.
    for _ in 0..6 {
        fleet.sql(NOW)?;
        assert_eq!(send(&fleet)?, "failed|1|1");
    }
    assert_eq!(fleet.sql("SELECT next_at - now() BETWEEN interval '9 minutes' AND interval '10 minutes' FROM _wab_alert_sender")?, "t");
    // Meanwhile an incident begins and ends.
    set(&fleet, 4, "disconnected").await?;
    set(&fleet, 4, "connected").await?;
    receiver.becomes(Mood::Dies);
    fleet.sql(NOW)?;
    assert_eq!(send(&fleet)?, "failed|2|2");
    receiver.documents();
    receiver.becomes(Mood::Accepts);
    fleet.sql(NOW)?;
    assert_eq!(send(&fleet)?, "sent|2|2");
    assert_eq!(send(&fleet)?, "nothing|0|0");
    let documents = receiver.documents();
    let (began, ended) = ids(&documents[0]);
    assert_eq!((began.len(), ended.len(), documents.len()), (1, 2, 1), "{documents:?}");
    assert!(ended.iter().any(|id| both.contains(id)) && !both.contains(&began[0]));
    assert_eq!(fleet.sql("SELECT failures FROM wab_jobs WHERE job = 'alerts'")?, "0");
    Ok(())
}

/// A job that runs `wab alert` must not be green while the alerts are undelivered.
#[tokio::test(flavor = "multi_thread")]
async fn wab_alert_fails_until_the_receiver_has_answered() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = alerting(&receiver).await?;
    set(&fleet, 1, "disconnected").await?;
    receiver.becomes(Mood::Refuses);
    for (outcome, reason) in [("failed", "answered HTTP 500"), ("waiting", "the incidents stay due")] {
        let said = fleet.wab(&["alert", "--json"])?;
        let sent: Value = serde_json::from_str(&said.stdout)?;
        assert_eq!((said.code, &sent["outcome"]), (1, &json!(outcome)), "{}", said.stderr);
        assert!(said.stderr.contains(reason), "{}", said.stderr);
    }
    receiver.becomes(Mood::Accepts);
    fleet.sql(NOW)?;
    for outcome in ["Sent 1 incident that began", "Nothing to send."] {
        let said = fleet.wab(&["alert"])?;
        assert!(said.code == 0 && said.stdout.starts_with(outcome), "{} {}", said.code, said.stdout);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_after_its_end_was_told_is_told_again() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = alerting(&receiver).await?;
    set(&fleet, 1, "disconnected").await?;
    assert_eq!(send(&fleet)?, "sent|1|0");
    set(&fleet, 1, "connected").await?;
    fleet.sql("UPDATE wab_incident_policy SET ends_after = '0'")?;
    assert_eq!(send(&fleet)?, "sent|0|1");
    // By this rule the outage would go on: the receiver would believe that it is over.
    fleet.sql("UPDATE wab_incident_policy SET ends_after = '1 hour'")?;
    set(&fleet, 1, "disconnected").await?;
    assert_eq!(send(&fleet)?, "sent|1|0");
    let documents = receiver.documents();
    let (first, again) = (ids(&documents[0]).0, ids(&documents[2]).0);
    assert_eq!((first.len(), again.len()), (1, 1));
    assert_ne!(first, again);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_senders_at_once_send_one_document() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = Arc::new(alerting(&receiver).await?);
    set(&fleet, 1, "disconnected").await?;
    receiver.becomes(Mood::Waits);
    let first = tokio::task::spawn_blocking({
        let fleet = Arc::clone(&fleet);
        move || send(&fleet)
    });
    let got = Arc::clone(&receiver.got);
    e2e::wait::until("the receiver reads the document", || {
        let got = got.lock().unwrap_or_else(PoisonError::into_inner).len();
        async move { Ok((got == 1).then_some(())) }
    })
    .await?;
    assert_eq!(send(&fleet)?, "busy|0|0");
    receiver.release.notify_one();
    assert_eq!(first.await??, "sent|1|0");
    receiver.becomes(Mood::Accepts);
    assert_eq!(send(&fleet)?, "nothing|0|0");
    assert_eq!(receiver.documents().len(), 1);

    // A sender that is killed before the answer comes sends the same id again.
    set(&fleet, 2, "disconnected").await?;
    receiver.becomes(Mood::Waits);
    let killed = tokio::task::spawn_blocking({
        let fleet = Arc::clone(&fleet);
        move || send(&fleet)
    });
    let got = Arc::clone(&receiver.got);
    e2e::wait::until("the receiver reads the document", || {
        let got = got.lock().unwrap_or_else(PoisonError::into_inner).len();
        async move { Ok((got == 1).then_some(())) }
    })
    .await?;
    fleet.cluster.expect_in_log(&["terminating connection due to administrator command"]);
    fleet.sql(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted
         AND (l.classid::bigint << 32) + l.objid::bigint = _wab_lock_id('alerts')",
    )?;
    assert!(killed.await?.is_err());
    let lost = receiver.documents();
    receiver.becomes(Mood::Accepts);
    assert_eq!(send(&fleet)?, "sent|1|0");
    assert_eq!(ids(&receiver.documents()[0]), ids(&lost[0]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_incidents_are_one_document_of_bounded_size() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = alerting(&receiver).await?;
    fleet.sql(
        "INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at)
         SELECT 'disconnected', n, n, repeat('<&>', 300) || n, false, now() FROM generate_series(1001, 11000) n",
    )?;
    assert_eq!(send(&fleet)?, "sent|10000|0");
    let documents = receiver.documents();
    let size = serde_json::to_string(&documents[0])?.len();
    assert_eq!((documents.len(), documents[0]["omitted"].as_i64()), (1, Some(9900)));
    assert_eq!(documents[0]["kinds"], json!({"disconnected": {"began": 10000, "ended": 0}}));
    assert!(size < 250_000, "{size} bytes");
    let text = documents[0]["text"].as_str().unwrap_or_default();
    assert!(
        text.len() < 40_000 && text.contains("and 9980 more") && text.contains("&lt;&amp;&gt;"),
        "{}",
        text.len()
    );
    assert_eq!(send(&fleet)?, "nothing|0|0");
    fleet.sql("UPDATE wab_incident_policy SET ends_after = '0'; UPDATE wab_drift_episodes SET ended_at = now() WHERE bridge_id > 1000")?;
    assert_eq!(send(&fleet)?, "sent|0|10000");
    assert_eq!(receiver.documents().len(), 1);
    Ok(())
}

/// "Nobody observes the fleet" is sent although nothing else works; a snoozed incident only after its snooze.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_nobody_observes_and_the_end_of_a_snooze_are_sent() -> Result<()> {
    let receiver = Receiver::start().await?;
    let fleet = alerting(&receiver).await?;
    set(&fleet, 1, "disconnected").await?;
    fleet.sql("SELECT wab_snooze('cust_01', 'disconnected', now() + interval '1 hour', 'a new phone')")?;
    assert_eq!(send(&fleet)?, "nothing|0|0");
    fleet.sql("UPDATE wab_observations SET observed_at = observed_at - interval '11 minutes'")?;
    assert_eq!(send(&fleet)?, "sent|1|0");
    let documents = receiver.documents();
    assert_eq!(documents[0]["began"][0]["kind"], "unobserved", "{documents:?}");
    assert_eq!(send(&fleet)?, "nothing|0|0");
    fleet.observe().await?;
    assert_eq!(send(&fleet)?, "sent|0|1");
    assert_eq!(receiver.documents()[0]["ended"][0]["kind"], "unobserved");
    fleet.sql("SELECT wab_unsnooze(1)")?;
    assert_eq!(send(&fleet)?, "sent|1|0");
    let documents = receiver.documents();
    assert_eq!(documents[0]["began"][0]["customer_ref"], "cust_01");
    Ok(())
}

/// The URL is a secret: no error shows it. `wab_status` shows why nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_be_used_is_recorded_as_a_failure_that_does_not_show_it() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    if fleet.install != Install::Extension {
        return Ok(());
    }
    fleet.cluster.expect_in_log(&["the alerts could not be sent"]);
    assert_eq!(fleet.sql("SELECT outcome FROM wab_send_alerts()")?, "unconfigured");
    fleet.sql("SELECT _wab_expect_job('alerts', '1 minute')")?;
    for (content, mode, reason) in [
        ("http://hooks.example.com/s3cret", 0o600, "the receiver's URL must be https"),
        ("s3cret", 0o600, "the receiver's URL is not one"),
        ("", 0o600, "the receiver's URL is not one"),
        ("https://hooks.example.com/s3cret", 0o644, "its mode 0644 gives access to others"),
    ] {
        let file = fleet.cluster.write_secret("alert_url", content)?;
        std::fs::set_permissions(&file, Permissions::from_mode(mode))?;
        fleet.cluster.configure(&[("wab.alert_url_file", &file.display().to_string())])?;
        fleet.cluster.reload()?;
        let said = fleet.sql("SELECT outcome, next_attempt_at, error FROM wab_send_alerts()")?;
        assert!(said.starts_with("failed||") && said.contains(reason), "{said}");
        let status = fleet.sql("SELECT failing_job, last_error FROM wab_status")?;
        assert!(status.starts_with("alerts|") && status.contains(reason), "{status}");
        assert!(!format!("{said}{status}").contains("s3cret"), "{said} {status}");
    }
    assert_eq!(
        fleet.sql("SELECT count(*) FROM _wab_alert_sender")?,
        "0",
        "wab alert does not wait for this sender"
    );
    // During the pause after a failed attempt the job runs, and is not late.
    let file = fleet.cluster.write_secret("alert_url", "https://hooks.example.com/s3cret")?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    fleet
        .sql("INSERT INTO _wab_alert_sender (failures, next_at) VALUES (1, now() + interval '5 minutes')")?;
    fleet.sql("UPDATE wab_jobs SET failed_at = now() - interval '9 minutes', succeeded_at = NULL, scheduled_at = NULL WHERE job = 'alerts'")?;
    assert_eq!(fleet.sql("SELECT outcome FROM wab_send_alerts()")?, "waiting");
    let status = fleet.sql("SELECT failing_job, last_error FROM wab_status")?;
    assert!(status.contains("its mode 0644"), "{status}");
    Ok(())
}

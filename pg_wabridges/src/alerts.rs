//! Defines `wab_send_alerts()`.

use pgrx::prelude::*;
use wabridges::Receiver;

use crate::error::{OrRaise, Raise};
use crate::server::{count, require_primary, require_writable};
use crate::{database, http, settings};

/// Posts the incidents that began and ended since the last document. A receiver that is down, or a file of its URL that cannot be
/// used, is no error of the statement, which would undo the record of the attempt.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_send_alerts() -> TableIterator<
    'static,
    (
        name!(outcome, String),
        name!(began, i32),
        name!(ended, i32),
        name!(next_attempt_at, Option<TimestampWithTimeZone>),
        name!(error, Option<String>),
    ),
> {
    require_writable(c"wab_send_alerts()");
    TableIterator::once(send().or_raise())
}

type Sent = (String, i32, i32, Option<TimestampWithTimeZone>, Option<String>);

fn send() -> Result<Sent, Raise> {
    require_primary()?;
    let receiver = match receiver() {
        Ok(Some(receiver)) => receiver,
        Ok(None) => {
            database::note_alerts()?;
            return Ok(("unconfigured".to_owned(), 0, 0, None, None));
        }
        // Another sender, `wab alert`, may have an address that can be used: it must not wait for this one.
        Err(unusable) => {
            let error = unusable.told();
            database::note_alerts_failed(&error)?;
            warn(&error, unusable.hint().unwrap_or("Check wab.alert_url_file."));
            return Ok(("failed".to_owned(), 0, 0, None, Some(error)));
        }
    };
    let readiness = database::begin_alerts()?;
    if readiness != "ready" {
        return Ok((readiness, 0, 0, None, None));
    }
    let due = database::due_alerts()?;
    let incidents = (count(due.began.len()), count(due.ended.len()));
    if incidents == (0, 0) {
        database::alerts_sent(&due)?;
        return Ok(("nothing".to_owned(), 0, 0, None, None));
    }
    let document = due.document.clone();
    match http::begin(async move { receiver.post(document).await })?.wait()? {
        Ok(()) => {
            database::alerts_sent(&due)?;
            Ok(("sent".to_owned(), incidents.0, incidents.1, None, None))
        }
        Err(failure) => {
            let error = failure.told();
            let next = database::alerts_failed(&error)?;
            warn(
                &error,
                "They stay due, and the next call after a pause sends them. Check wab.alert_url_file.",
            );
            Ok(("failed".to_owned(), incidents.0, incidents.1, next, Some(error)))
        }
    }
}

/// The receiver of `wab.alert_url_file`; `None` if that is not set.
fn receiver() -> Result<Option<Receiver>, Raise> {
    let Some(url) = settings::alert_url()? else { return Ok(None) };
    Ok(Some(Receiver::new(url, &settings::config()?)?))
}

fn warn(error: &str, hint: &str) {
    Raise::new(PgSqlErrorCode::ERRCODE_CONNECTION_FAILURE, "the alerts could not be sent")
        .with_detail(error.to_owned())
        .with_hint(hint)
        .report(PgLogLevel::WARNING);
}

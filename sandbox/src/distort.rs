//! Invents or changes the body of an answer as a fault orders. `delivery.rs` does the timing and the connections.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::faults::{Kind, text};

/// The length of a garbage answer, in bytes.
const GARBAGE: usize = 512;

/// The answer of a fault that replaces the work; `None` if the sandbox does the work under this fault.
pub fn instead(kind: &Kind) -> Option<Answer> {
    Some(match kind {
        Kind::Status { code, body, retry_after } => status(*code, body.as_ref(), retry_after.as_ref()),
        Kind::Html {} => answer::typed(
            StatusCode::OK,
            "text/html; charset=utf-8",
            "<!doctype html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>\n",
        ),
        Kind::Garbage {} => answer::typed(StatusCode::OK, "application/json", garbage()),
        Kind::EmptyList {} => answer::json(StatusCode::OK, &json!([])),
        Kind::Redirect { location } => answer::redirect(location),
        // `delivery.rs` makes these answers, or sends none.
        Kind::Hang {} | Kind::Reset {} | Kind::Huge { .. } | Kind::GzipBomb { .. } => answer::no_content(),
        _ => return None,
    })
}

/// The real answer, changed by the fault; kinds that change no body leave it as it is.
pub fn spoil(kind: &Kind, answer: Answer) -> Answer {
    match kind {
        Kind::CutJson {} => answer.map(|body| body.slice(..body.len() / 2)),
        Kind::HalfList {} => with_rows(answer, |rows| rows.truncate(rows.len() / 2)),
        Kind::DuplicateRow {} => with_rows(answer, |rows| rows.extend(rows.first().cloned())),
        Kind::MalformedRow { index } => with_rows(answer, |rows| malform(rows, index.unwrap_or(0))),
        _ => answer,
    }
}

fn status(code: u16, body: Option<&Value>, retry_after: Option<&Value>) -> Answer {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = match body {
        Some(body) => answer::typed(status, "application/json", text(body)),
        None => answer::error(status, status.canonical_reason().unwrap_or("fault")),
    };
    match retry_after {
        Some(value) => answer::with_header(answer, RETRY_AFTER, &text(value)),
        None => answer,
    }
}

/// The same bytes at every call (a linear congruential sequence), never valid UTF-8.
fn garbage() -> Bytes {
    let mut bytes = vec![0xFF];
    let mut word = 0x2545_F491_u32;
    while bytes.len() < GARBAGE {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(word.to_be_bytes()[0]);
    }
    bytes.into()
}

/// Changes the rows of a list; an answer that is no list stays unchanged. Rows that are not changed keep their bytes.
fn with_rows(answer: Answer, change: impl FnOnce(&mut Vec<Box<RawValue>>)) -> Answer {
    answer.map(|body| {
        let Ok(mut rows) = serde_json::from_slice(&body) else { return body };
        change(&mut rows);
        serde_json::to_vec(&rows).map_or(body, Bytes::from)
    })
}

/// Replaces the id of the row at `index` by a string; without such a row the list stays unchanged.
fn malform(rows: &mut [Box<RawValue>], index: usize) {
    let Some(row) = rows.get_mut(index) else { return };
    let Ok(Value::Object(mut fields)) = serde_json::from_str(row.get()) else { return };
    fields.insert("id".to_owned(), json!("not-a-number"));
    if let Ok(malformed) = serde_json::value::to_raw_value(&fields) {
        *row = malformed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_change_the_rows_of_a_list() {
        let list = r#"[{"id":1},{"id":2},{"id":3},{"id":4}]"#;
        let cases = [
            (Kind::CutJson {}, r#"[{"id":1},{"id":2}"#),
            (Kind::HalfList {}, r#"[{"id":1},{"id":2}]"#),
            (Kind::DuplicateRow {}, r#"[{"id":1},{"id":2},{"id":3},{"id":4},{"id":1}]"#),
            (Kind::MalformedRow { index: Some(2) }, r#"[{"id":1},{"id":2},{"id":"not-a-number"},{"id":4}]"#),
            (Kind::MalformedRow { index: Some(9) }, list),
            (Kind::Delay { ms: 1 }, list),
        ];
        for (kind, expected) in cases {
            let answer = answer::typed(StatusCode::OK, "application/json", list);
            assert_eq!(spoil(&kind, answer).body(), expected, "{kind:?}");
        }
    }

    #[test]
    fn an_answer_without_rows_stays_unchanged() {
        let answer = answer::error(StatusCode::NOT_FOUND, "not found");
        assert_eq!(spoil(&Kind::HalfList {}, answer).body(), r#"{"error":"not found"}"#);
        let empty = answer::json(StatusCode::OK, &json!([]));
        assert_eq!(spoil(&Kind::DuplicateRow {}, empty).body(), "[]");
    }

    #[test]
    fn garbage_is_not_valid_utf8() {
        assert!(std::str::from_utf8(&garbage()).is_err());
        assert_eq!(garbage().len(), GARBAGE);
    }
}

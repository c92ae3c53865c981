//! Defines the faults that control calls order: the kinds, the calls that a fault strikes, and how often it strikes.

use axum::http::{HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::listing::PATH as LIST_PATH;

/// The largest inflated size of a gzip bomb, in bytes: compressing more takes longer than a caller waits.
const MAX_BOMB: u64 = 4 << 30;

/// The effect of a fault on a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// The sandbox does the work at once and answers `ms` milliseconds later.
    Delay { ms: u64 },
    /// The body arrives `chunk` bytes at a time, every `ms_per_chunk` milliseconds.
    Drip { ms_per_chunk: u64, chunk: usize },
    /// The sandbox never answers.
    Hang {},
    /// The headers arrive, the body never does.
    HangAfterHeaders {},
    /// The sandbox resets the connection (TCP RST) and does no work.
    Reset {},
    /// The sandbox does no work and answers with this status; a `body` that is a string is sent as it is, any other as JSON.
    Status { code: u16, body: Option<Value>, retry_after: Option<Value> },
    /// 200 with an HTML page.
    Html {},
    /// The connection closes after half of the bytes that Content-Length announces.
    Truncated {},
    /// A complete HTTP answer with JSON that stops in the middle.
    CutJson {},
    /// 200 with bytes that are not valid UTF-8.
    Garbage {},
    /// The start of a JSON array, padded with whitespace to `bytes` bytes, without Content-Length.
    Huge { bytes: u64 },
    /// 200 `[]`.
    EmptyList {},
    /// The first half of the list.
    HalfList {},
    /// The sandbox does the work, then closes the connection without an answer.
    LostReply {},
    /// The first bridge of the list appears again at the end.
    DuplicateRow {},
    /// The id of the row at `index` (default 0) is a string.
    MalformedRow { index: Option<usize> },
    /// 302 to `location`.
    Redirect { location: String },
    /// A small gzip body that inflates to `bytes` bytes.
    GzipBomb { bytes: u64 },
}

impl Kind {
    /// The name of the kind, as in the order.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Drip { .. } => "drip",
            Self::Hang {} => "hang",
            Self::HangAfterHeaders {} => "hang_after_headers",
            Self::Reset {} => "reset",
            Self::Status { .. } => "status",
            Self::Html {} => "html",
            Self::Truncated {} => "truncated",
            Self::CutJson {} => "cut_json",
            Self::Garbage {} => "garbage",
            Self::Huge { .. } => "huge",
            Self::EmptyList {} => "empty_list",
            Self::HalfList {} => "half_list",
            Self::LostReply {} => "lost_reply",
            Self::DuplicateRow {} => "duplicate_row",
            Self::MalformedRow { .. } => "malformed_row",
            Self::Redirect { .. } => "redirect",
            Self::GzipBomb { .. } => "gzip_bomb",
        }
    }

    /// Whether the kind applies to the list only; then it strikes no other call.
    fn is_for_the_list(&self) -> bool {
        matches!(
            self,
            Self::EmptyList {} | Self::HalfList {} | Self::DuplicateRow {} | Self::MalformedRow { .. }
        )
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Drip { chunk: 0, .. } => Err("`chunk` must be at least 1 byte".to_owned()),
            Self::Status { code, .. } if !(200..=599).contains(code) => {
                Err(format!("`code` must be 200 to 599, not {code}"))
            }
            Self::Status { retry_after: Some(value), .. } if HeaderValue::from_str(&text(value)).is_err() => {
                Err("`retry_after` must be seconds or visible ASCII text, because it is sent as a header"
                    .to_owned())
            }
            Self::Redirect { location } if HeaderValue::from_str(location).is_err() => {
                Err("`location` must be visible ASCII text, because it is sent as a header".to_owned())
            }
            Self::GzipBomb { bytes } if *bytes > MAX_BOMB => {
                Err(format!("`bytes` must be at most {MAX_BOMB}, not {bytes}"))
            }
            _ => Ok(()),
        }
    }
}

/// A JSON value as a body or a header: a string as it is, any other value as JSON.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The calls that a fault strikes. By default: any method, any path, every match from the first one on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matcher {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The whole path as the client sent it: percent-encoded, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(default)]
    after: u64,
}

impl Matcher {
    const FIELDS: [&str; 5] = ["method", "path", "path_prefix", "times", "after"];

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && self.path.as_deref().is_none_or(|wanted| wanted == path)
            && self.path_prefix.as_deref().is_none_or(|wanted| path.starts_with(wanted))
    }
}

/// An ordered fault that has no id yet.
#[derive(Debug)]
pub struct Order {
    matcher: Matcher,
    kind: Kind,
}

impl Order {
    /// Reads an order; refuses unknown fields, wrong types and impossible values with the reason.
    pub fn parse(mut fields: Map<String, Value>) -> Result<Self, String> {
        let matcher: Map<_, _> =
            Matcher::FIELDS.iter().filter_map(|name| fields.remove_entry(*name)).collect();
        let matcher: Matcher =
            serde_json::from_value(Value::Object(matcher)).map_err(|error| error.to_string())?;
        let kind: Kind = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        if matcher.path.is_some() && matcher.path_prefix.is_some() {
            return Err("give `path` or `path_prefix`, not both".to_owned());
        }
        kind.check()?;
        Ok(Self { matcher, kind })
    }
}

/// An active fault.
#[derive(Debug, Serialize)]
pub struct Fault {
    pub id: u64,
    #[serde(flatten)]
    kind: Kind,
    #[serde(flatten)]
    matcher: Matcher,
    /// Calls that matched, including those that `after` let pass.
    seen: u64,
    /// Calls that the fault struck.
    hits: u64,
}

impl Fault {
    fn strikes(&mut self, method: &Method, path: &str) -> bool {
        let fits = !self.kind.is_for_the_list() || (method == Method::GET && path == LIST_PATH);
        let spent = self.matcher.times.is_some_and(|times| self.hits >= times);
        if spent || !fits || !self.matcher.matches(method, path) {
            return false;
        }
        self.seen += 1;
        let strikes = self.seen > self.matcher.after;
        self.hits += u64::from(strikes);
        strikes
    }
}

/// All faults, oldest first. At most one fault strikes a call: the oldest one that matches.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    /// Activates a fault.
    pub fn add(&mut self, order: Order) -> &Fault {
        self.last_id += 1;
        let Order { matcher, kind } = order;
        let place = self.faults.len();
        self.faults.push(Fault { id: self.last_id, kind, matcher, seen: 0, hits: 0 });
        &self.faults[place]
    }

    /// All faults, including those that have struck all their `times`.
    pub fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// Removes all faults and returns their number.
    pub fn clear(&mut self) -> usize {
        let cleared = self.faults.len();
        self.faults.clear();
        cleared
    }

    /// Returns the fault that strikes this call and counts the hit.
    pub fn strike(&mut self, method: &Method, path: &str) -> Option<Kind> {
        self.faults.iter_mut().find_map(|fault| fault.strikes(method, path).then(|| fault.kind.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Order, String> {
        Order::parse(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn times_and_after_count_matches() {
        let mut faults = Faults::default();
        faults.add(
            order(r#"{"method":"get","path_prefix":"/api/","kind":"html","times":2,"after":1}"#).unwrap(),
        );
        let struck: Vec<bool> =
            (0..5).map(|_| faults.strike(&Method::GET, "/api/instances/1").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert!(faults.strike(&Method::POST, "/api/instances").is_none());
        assert_eq!((faults.all()[0].seen, faults.all()[0].hits), (3, 2));
    }

    #[test]
    fn list_faults_strike_the_list_only() {
        let mut faults = Faults::default();
        faults.add(order(r#"{"kind":"half_list"}"#).unwrap());
        assert!(faults.strike(&Method::GET, "/api/instances/1").is_none());
        assert!(faults.strike(&Method::POST, "/api/instances").is_none());
        assert_eq!(faults.strike(&Method::GET, "/api/instances"), Some(Kind::HalfList {}));
    }

    #[test]
    fn impossible_orders_are_refused_with_the_reason() {
        let cases = [
            (r#"{}"#, "kind"),
            (r#"{"kind":"nonsense"}"#, "unknown variant `nonsense`"),
            (r#"{"kind":"hang","ms":1}"#, "unknown field `ms`"),
            (r#"{"kind":"delay","ms":1,"colour":"red"}"#, "unknown field `colour`"),
            (r#"{"kind":"delay"}"#, "missing field `ms`"),
            (r#"{"kind":"hang","times":-1}"#, "invalid value"),
            (r#"{"kind":"hang","path":"/a","path_prefix":"/"}"#, "not both"),
            (r#"{"kind":"status","code":99}"#, "200 to 599"),
            (r#"{"kind":"status","code":429,"retry_after":"\n"}"#, "retry_after"),
            (r#"{"kind":"redirect","location":"\n"}"#, "location"),
            (r#"{"kind":"drip","ms_per_chunk":1,"chunk":0}"#, "at least 1"),
            (r#"{"kind":"gzip_bomb","bytes":99999999999}"#, "at most"),
        ];
        for (text, reason) in cases {
            let refusal = order(text).unwrap_err();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}

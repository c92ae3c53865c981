//! Faults ordered through the control prefix: which calls they strike, how often, and what they are. Pure.

use axum::http::{HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::listing::PATH as LIST_PATH;

/// The largest body a gzip bomb inflates to, in bytes: compressing more takes longer than a caller waits.
const MAX_BOMB: u64 = 4 << 30;

/// What goes wrong with a struck call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// The work is done at once; the answer comes `ms` milliseconds later.
    Delay { ms: u64 },
    /// The body arrives `chunk` bytes at a time, every `ms_per_chunk` milliseconds.
    Drip { ms_per_chunk: u64, chunk: usize },
    /// No answer ever.
    Hang {},
    /// Headers, then no body ever.
    HangAfterHeaders {},
    /// The connection is reset (TCP RST) before anything is answered or done.
    Reset {},
    /// Another answer instead of the work; `body` is sent as it is when it is a string, else as JSON.
    Status { code: u16, body: Option<Value>, retry_after: Option<Value> },
    /// 200 with an HTML page.
    Html {},
    /// Half of the body that Content-Length announces, then the connection closes.
    Truncated {},
    /// A complete HTTP answer whose JSON stops in the middle.
    CutJson {},
    /// 200 with bytes that are no text.
    Garbage {},
    /// A JSON array that starts well and is then padded to `bytes` bytes, without Content-Length.
    Huge { bytes: u64 },
    /// 200 `[]`.
    EmptyList {},
    /// The first half of the list.
    HalfList {},
    /// The work is done, and the connection closes without an answer.
    LostReply {},
    /// The first listed bridge comes a second time, at the end.
    DuplicateRow {},
    /// The id of the row at `index` (default 0) is a string.
    MalformedRow { index: Option<usize> },
    /// 302 to `location`.
    Redirect { location: String },
    /// A small gzip body that inflates to `bytes` bytes.
    GzipBomb { bytes: u64 },
}

impl Kind {
    /// The kind's name, as it is ordered.
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

    /// Whether the kind means anything for the list only; it strikes no other call.
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
                Err("`retry_after` must fit into a header: seconds or visible text".to_owned())
            }
            Self::Redirect { location } if HeaderValue::from_str(location).is_err() => {
                Err("`location` must fit into a header: visible text only".to_owned())
            }
            Self::GzipBomb { bytes } if *bytes > MAX_BOMB => {
                Err(format!("`bytes` must be at most {MAX_BOMB}, not {bytes}"))
            }
            _ => Ok(()),
        }
    }
}

/// A JSON value as a body or header: a string as it is, anything else as JSON.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Which calls a fault strikes. Absent: any method, any path, without end, from the first match on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matcher {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The whole path as sent, still percent-encoded, without the query.
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

/// A fault as ordered, before it has an id.
#[derive(Debug)]
pub struct Order {
    matcher: Matcher,
    kind: Kind,
}

impl Order {
    /// Reads an order; unknown fields, wrong types and impossible values are refused with the reason.
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

/// A fault in force.
#[derive(Debug, Serialize)]
pub struct Fault {
    pub id: u64,
    #[serde(flatten)]
    kind: Kind,
    #[serde(flatten)]
    matcher: Matcher,
    /// Matching calls, struck or let through by `after`.
    seen: u64,
    /// Calls struck.
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

/// All faults, oldest first. One call is struck by one fault at most: the oldest that matches.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    /// Puts a fault into force.
    pub fn add(&mut self, order: Order) -> &Fault {
        self.last_id += 1;
        let Order { matcher, kind } = order;
        let place = self.faults.len();
        self.faults.push(Fault { id: self.last_id, kind, matcher, seen: 0, hits: 0 });
        &self.faults[place]
    }

    /// Every fault, spent ones included.
    pub fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// Forgets every fault and says how many there were.
    pub fn clear(&mut self) -> usize {
        let cleared = self.faults.len();
        self.faults.clear();
        cleared
    }

    /// The fault that strikes this call, counted as a hit.
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

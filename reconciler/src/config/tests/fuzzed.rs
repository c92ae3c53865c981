//! Fuzzes fleet.yaml, from its bytes to the output about it; the corpus is in `fuzz/corpus/fleet`.

use std::path::Path;

use super::any_text::is_inspected;
use crate::config::fleet::Fleet;
use crate::config::inspect::{Inspection, inspect};
use crate::config::load::decoded;
use crate::config::policy::Bound;
use crate::model::Colour;
use crate::render::problems::{self, Weight};
use crate::render::screen::Screen;
use crate::render::screen::validated;

const SECRET: &str = "fuzzsecret";

#[test]
fn fuzz_fleet() -> std::io::Result<()> {
    fuzz::target("fleet", is_read)
}

fn is_read(bytes: &[u8]) {
    let path = Path::new("conf/fleet.yaml");
    let Ok(text) = decoded(bytes.to_vec(), path) else {
        return assert!(str::from_utf8(bytes).is_err());
    };
    is_inspected(&text);
    let Inspection { fleet, problems, .. } = inspect(&text, path);
    let again = inspect(&text, path);
    assert_eq!((format!("{fleet:?}"), &problems), (format!("{:?}", again.fleet), &again.problems));
    assert_eq!(fleet.is_some(), Fleet::parse(&text, path).is_ok());
    if is_marked_as_secret(&text) {
        let said = [(Weight::Error, &*problems)];
        for shown in [
            Screen::new(Colour::Never).problems("f", &problems),
            problems::github("f", &said),
            problems::json("f", &said),
        ] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
    if let Some(fleet) = fleet {
        is_usable(&fleet, &text, path);
    }
}

/// Looks like an API key everywhere in the file.
fn is_marked_as_secret(text: &str) -> bool {
    let before: Vec<&str> = text.split(SECRET).collect();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let marked = |before: &&str| before.strip_suffix("sk_").is_some_and(|rest| !rest.ends_with(is_word));
    before.split_last().is_some_and(|(_, before)| !before.is_empty() && before.iter().all(marked))
}

fn is_usable(fleet: &Fleet, text: &str, path: &Path) {
    let config = fleet.client_config();
    for limit in [config.limits.provision, config.limits.proxy, config.limits.other] {
        assert!(limit.count > 0 && !limit.window.is_zero());
    }
    assert!(!config.connect_timeout.is_zero() && !config.request_timeout.is_zero());
    for bound in [fleet.policy.max_creates, fleet.policy.max_deletes] {
        assert!(matches!(bound, Bound::Count(_)) || bound.of(1_000) <= 1_000);
    }
    assert!(fleet.policy.max_monthly_cost.is_none_or(|cost| !cost.is_sign_negative()));
    assert!(!validated(path, fleet).is_empty());
    let read = Fleet::parse(text, path).unwrap();
    assert!(read.sha256.len() == 64 && read.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    means_the_same(fleet, &format!("\u{feff}{text}"), path);
    if !text.contains('\r') {
        means_the_same(fleet, &text.replace('\n', "\r\n"), path);
    }
}

fn means_the_same(fleet: &Fleet, text: &str, path: &Path) {
    let Inspection { fleet: other, problems, .. } = inspect(text, path);
    assert_eq!(other.map(|other| format!("{other:?}")), Some(format!("{fleet:?}")), "{text:?} {problems:?}");
}

//! Checks the section `bridges`: the webhook, what is declared, kept and removed, and the status words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wabridges::{BridgeId, WebhookKeys, WebhookUrl};

use crate::config::file;
use crate::config::fleet::{Extra, Keep, StatusWord, Tombstone, Webhook, WebhookTemplate};
use crate::config::problems::{Extent, Problems, text};
use crate::ground::quoted;

/// What the section says.
pub struct Checked {
    pub webhook: Option<Webhook>,
    pub webhook_secret_file: Option<PathBuf>,
    pub extra: Vec<Extra>,
    pub keep: Vec<Keep>,
    pub remove: Vec<Tombstone>,
    pub status_words: Option<Vec<StatusWord>>,
}

/// Reads the section, or adds its problems. `folder` is the folder of the file.
pub fn check(problems: &mut Problems, raw: file::Bridges, folder: &Path) -> Checked {
    let webhook = problems.read("bridges.webhook_url", raw.webhook_url, webhook);
    let in_folder = |name: &str| text(name).map(|name| folder.join(PathBuf::from(name)));
    let webhook_secret_file =
        problems.read("bridges.webhook_secret_file", raw.webhook_secret_file, in_folder);
    let template = webhook.as_ref().and_then(Webhook::template).map(WebhookTemplate::as_str);
    if template.is_some_and(WebhookUrl::needs_keys) && webhook_secret_file.is_none() {
        problems.add(
            "bridges.webhook_url",
            "has {secret}: name the file with its keys in bridges.webhook_secret_file",
        );
    }
    let extra = extra(problems, raw.extra.unwrap_or_default());
    let keep = keep(problems, raw.keep.unwrap_or_default());
    let remove = remove(problems, raw.remove.unwrap_or_default());
    contradictions(problems, (&extra, &keep, &remove));
    Checked {
        webhook,
        webhook_secret_file,
        extra: extra.into_iter().map(|(_, item)| item).collect(),
        keep: keep.into_iter().map(|(_, item)| item).collect(),
        remove: remove.into_iter().map(|(_, item)| item).collect(),
        status_words: raw.status_words.map(|words| status_words(problems, words)),
    }
}

/// A webhook_url, or `none`. The message does not repeat it, because it may hold a secret.
fn webhook(text: &str) -> Result<Webhook, String> {
    if text == "none" {
        return Ok(Webhook::None);
    }
    let filled = text.replace(WebhookTemplate::PLACEHOLDER, "x").replace(WebhookKeys::PLACEHOLDER, "x");
    if filled.contains(['{', '}']) {
        return Err(format!(
            "the only placeholders are {} and {}",
            WebhookTemplate::PLACEHOLDER,
            WebhookKeys::PLACEHOLDER
        ));
    }
    if WebhookUrl::has_blanks(text) {
        return Err("has a space or a control character: in a URL, %20 stands for a space".to_owned());
    }
    if WebhookUrl::is_address(&filled) {
        return Ok(Webhook::Url(WebhookTemplate(text.to_owned())));
    }
    Err("must be none, or an http or https URL such as https://app.example.com/hooks/{tenant_id}".to_owned())
}

fn extra(problems: &mut Problems, raw: Vec<file::Extra>) -> Vec<(usize, Extra)> {
    let checked = raw.into_iter().enumerate().filter_map(|(nth, raw)| {
        let at = |field: &str| format!("bridges.extra[{nth}].{field}");
        let tenant_id = problems.id(at("tenant_id"), raw.tenant_id, Extent::InPath);
        let reason = problems.read(at("reason"), raw.reason, text);
        Some((nth, Extra { tenant_id: tenant_id?, reason: reason? }))
    });
    checked.collect()
}

fn keep(problems: &mut Problems, raw: Vec<file::Keep>) -> Vec<(usize, Keep)> {
    let checked = raw.into_iter().enumerate().filter_map(|(nth, raw)| {
        let at = |field: &str| format!("bridges.keep[{nth}].{field}");
        let customer_ref = problems.id(at("customer_ref"), raw.customer_ref, Extent::Listed);
        let reason = problems.read(at("reason"), raw.reason, text);
        let until = problems.read(at("until"), raw.until, |text| {
            text.parse().map_err(|_| format!("{} is not a date: write it like 2027-01-31", quoted(text)))
        });
        Some((nth, Keep { customer_ref: customer_ref?, reason: reason?, until }))
    });
    checked.collect()
}

fn remove(problems: &mut Problems, raw: Vec<file::Remove>) -> Vec<(usize, Tombstone)> {
    let checked = raw.into_iter().enumerate().filter_map(|(nth, raw)| {
        let at = |field: &str| format!("bridges.remove[{nth}].{field}");
        let customer_ref = problems.id(at("customer_ref"), raw.customer_ref, Extent::Listed);
        let bridge_id = problems.read(at("bridge_id"), raw.bridge_id, bridge_id);
        let reason = problems.read(at("reason"), raw.reason, text);
        Some((nth, Tombstone { customer_ref: customer_ref?, bridge_id: bridge_id?, reason: reason? }))
    });
    checked.collect()
}

fn status_words(problems: &mut Problems, raw: Vec<file::StatusWord>) -> Vec<StatusWord> {
    let mut first = BTreeMap::new();
    let checked = raw.into_iter().enumerate().filter_map(|(nth, raw)| {
        let at = |field: &str| format!("bridges.status_words[{nth}].{field}");
        let word = problems.read(at("word"), raw.word, text);
        let status = problems.read(at("status"), raw.status, status);
        let word = StatusWord { word: word?, status: status? };
        if let Some(before) = first.insert(word.compared(), nth) {
            problems.add(
                at("word"),
                format!("{} is mapped already, by bridges.status_words[{before}]", quoted(&word.word)),
            );
        }
        Some(word)
    });
    checked.collect()
}

fn status(text: &str) -> Result<String, String> {
    if StatusWord::STATUSES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not a status: known are {}", quoted(text), StatusWord::STATUSES.join(", ")))
}

fn bridge_id(text: &str) -> Result<BridgeId, String> {
    let id = text.parse().ok().and_then(BridgeId::new);
    id.ok_or_else(|| {
        format!("{} is not a bridge_id: bridge ids are whole numbers greater than zero", quoted(text))
    })
}

type Placed<'a, T> = &'a [(usize, T)];

/// Finds entries that repeat or contradict others: a customer_ref declared twice, a bridge_id named twice, a
/// bridge both kept and removed.
fn contradictions(problems: &mut Problems, lists: (Placed<Extra>, Placed<Keep>, Placed<Tombstone>)) {
    let (extra, keep, remove) = lists;
    let mut declared = BTreeMap::new();
    let extras = extra.iter().map(|(nth, item)| (&item.tenant_id, format!("bridges.extra[{nth}].tenant_id")));
    let keeps =
        keep.iter().map(|(nth, item)| (&item.customer_ref, format!("bridges.keep[{nth}].customer_ref")));
    for (customer_ref, at) in extras.chain(keeps) {
        if let Some(first) = declared.get(customer_ref) {
            problems.add(at, format!("{customer_ref} is declared already, as {first}"));
        } else {
            declared.insert(customer_ref, at);
        }
    }
    let mut removed = BTreeMap::new();
    for (nth, tombstone) in remove {
        let at = format!("bridges.remove[{nth}]");
        if let Some(first) = removed.insert(tombstone.bridge_id, *nth) {
            problems.add(
                format!("{at}.bridge_id"),
                format!("bridge {} is named already, in bridges.remove[{first}]", tombstone.bridge_id),
            );
        }
        if let Some((kept, _)) = keep.iter().find(|(_, item)| item.customer_ref == tombstone.customer_ref) {
            problems.add(
                format!("{at}.customer_ref"),
                format!(
                    "{} is kept by bridges.keep[{kept}]: remove one of the two entries",
                    tombstone.customer_ref
                ),
            );
        }
    }
}

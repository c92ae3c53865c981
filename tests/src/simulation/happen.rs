//! What an event changes: in the model, and as acts on the real things.

use serde_json::{Value, json};

use crate::simulation::life::{Event, Signup};
use crate::simulation::model::{Bridge, Declared, Model, Row};
use crate::simulation::moment::{DAY, Moment};
use crate::simulation::words::{Mapped, Status};

/// Bridges that nobody has needed for this long are removed at a review.
const REVIEWED_AFTER: i64 = 3 * DAY;
/// So many at a time: their deletions fit into a minute of the provider's limit, so that wab apply need not wait.
const REVIEWED_A_DAY: usize = 40;

/// What is done to the real things.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The application runs SQL.
    Sql(String),
    /// Somebody makes a bridge in the dashboard.
    Add(Value),
    /// A field of a bridge changes at the provider.
    Change(i64, &'static str, String),
    /// Somebody deletes a bridge in the dashboard.
    Remove(i64),
    /// The provider has this fault and no other, or works again.
    Break(Value),
    Heal,
    /// The sandbox's settings change.
    Set(Value),
    /// The key is put into use.
    Install(String),
    /// The answer of the next call with this method is lost.
    Lose(String),
    Crash,
    Failover,
    /// Two wab apply start together.
    ApplyTwice,
    /// The provider's webhook arrives after so many seconds.
    Webhook {
        customer_ref: String,
        word: String,
        after: i64,
    },
    /// fleet.yaml is written.
    Declare,
}

impl Model {
    /// Lets an event happen; returns the acts that do the same to the real things.
    pub fn happen(&mut self, event: &Event, at: Moment) -> Vec<Act> {
        match event {
            Event::SignUp { tenant, how } => self.sign_up(&self.id(*tenant), *how),
            Event::Churn { tenant } => self.want(&self.id(*tenant), false),
            Event::Return { tenant } => self.want(&self.id(*tenant), true),
            Event::Forget { tenant } => self.forget(&self.id(*tenant)),
            Event::Session { tenant, word, webhooks } => self.session(&self.id(*tenant), word, webhooks),
            Event::Container { tenant, state } => self.container(&self.id(*tenant), state),
            Event::Made { customer_ref } => {
                let (state, word) = ("running".to_owned(), "qr".to_owned());
                self.provider.make(Bridge {
                    customer_ref: customer_ref.clone(),
                    state,
                    word,
                    created_at: at,
                });
                vec![Act::Add(json!([{ "customer_ref": customer_ref, "created_at": at.to_string() }]))]
            }
            Event::Deleted { tenant } => self.deleted(&self.id(*tenant)),
            Event::Rename { tenant } => {
                let Some((old, new)) = self.rename(*tenant) else { return Vec::new() };
                vec![Act::Sql(format!("UPDATE tenants SET id = '{new}' WHERE id = '{old}'"))]
            }
            Event::Retag { tenant } => self.retag(&self.id(*tenant)),
            Event::ProviderDown { code } => {
                (self.provider.is_down, self.provider.list_fault) = (true, None);
                // It asks for a longer pause than any call waits for.
                vec![Act::Break(
                    json!({"kind": "status", "code": code, "retry_after": 900, "path_prefix": "/api"}),
                )]
            }
            Event::ListBroken { how } => {
                (self.provider.is_down, self.provider.list_fault) = (false, Some(*how));
                vec![Act::Break(json!({ "kind": how }))]
            }
            Event::ProviderUp | Event::ListMended => {
                (self.provider.is_down, self.provider.list_fault) = (false, None);
                vec![Act::Heal]
            }
            Event::ListStatuses { shown } => {
                self.provider.hides_statuses = !shown;
                vec![Act::Set(json!({ "list_status": shown }))]
            }
            Event::WordChanged { from, to } => self.change_word(from, to),
            Event::WordMapped { word, status } => self.map_word(word, *status, at),
            Event::KeyRotated { key } => {
                self.provider.key = Some(key.clone());
                vec![Act::Set(json!({ "key": key }))]
            }
            Event::KeyInstalled { key } => {
                self.provider.installed_key = Some(key.clone());
                vec![Act::Install(key.clone())]
            }
            // A list that is wrong too could not show what became of the call.
            Event::LostReply { .. } if self.provider.is_down || self.provider.list_fault.is_some() => vec![],
            Event::LostReply { method } => vec![Act::Lose(method.clone())],
            Event::Crash => vec![Act::Crash],
            Event::Failover => vec![Act::Failover],
            Event::Together => {
                let _ = self.apply(at);
                vec![Act::ApplyTwice]
            }
            Event::Review => {
                let unneeded = self.episodes.unneeded_since(at - REVIEWED_AFTER);
                let Declared { keep, remove, .. } = &mut self.declared;
                keep.retain(|_, until| at.date() <= *until);
                let named = unneeded.into_iter().filter_map(|(customer_ref, id)| Some((id, customer_ref?)));
                let unkept = named.filter(|(_, customer_ref)| !keep.contains_key(customer_ref));
                *remove = unkept.take(REVIEWED_A_DAY).collect();
                vec![Act::Declare]
            }
            Event::Keep { tenant, days } => {
                let customer_ref = self.id(*tenant);
                let Declared { keep, remove, .. } = &mut self.declared;
                remove.retain(|_, named| *named != customer_ref);
                keep.insert(customer_ref, (at + days * DAY).date());
                vec![Act::Declare]
            }
            Event::Extra { customer_ref } => {
                self.declared.extra.insert(customer_ref.clone());
                vec![Act::Declare]
            }
            Event::ExtraEnded { customer_ref } => {
                self.declared.extra.remove(customer_ref);
                vec![Act::Declare]
            }
        }
    }

    fn sign_up(&mut self, id: &str, how: Signup) -> Vec<Act> {
        if self.rows.contains_key(id) {
            return Vec::new();
        }
        self.rows.insert(id.to_owned(), Row { wanted: true, ..Row::default() });
        let insert = format!("INSERT INTO tenants (id) VALUES ('{id}')");
        vec![Act::Sql(match how {
            Signup::Plain => insert,
            Signup::Queued => {
                self.queue.push(id.to_owned());
                format!("BEGIN; {insert}; SELECT wab_enqueue_provision('{id}'); COMMIT")
            }
        })]
    }

    fn want(&mut self, id: &str, wanted: bool) -> Vec<Act> {
        let Some(row) = self.rows.get_mut(id) else { return Vec::new() };
        row.wanted = wanted;
        let status = if wanted { "active" } else { "cancelled" };
        vec![Act::Sql(format!("UPDATE tenants SET status = '{status}' WHERE id = '{id}'"))]
    }

    fn forget(&mut self, id: &str) -> Vec<Act> {
        match self.rows.remove(id) {
            Some(_) => vec![Act::Sql(format!("DELETE FROM tenants WHERE id = '{id}'"))],
            None => Vec::new(),
        }
    }

    fn session(&mut self, customer_ref: &str, word: &str, webhooks: &[i64]) -> Vec<Act> {
        let Some(id) = self.provider.bridges.first_of(customer_ref) else { return Vec::new() };
        let said = self.provider.words.get(word).map_or(word, String::as_str);
        if self.provider.bridges.get(id).is_some_and(|bridge| bridge.word == said) {
            return Vec::new();
        }
        self.provider.bridges.update(id, |bridge| said.clone_into(&mut bridge.word));
        let mut acts = vec![Act::Change(id, "status", said.to_owned())];
        // Webhooks between a change of the customer_ref and the next list are lost.
        let is_known =
            self.known.get(id).is_none_or(|known| known.customer_ref.as_deref() == Some(customer_ref));
        let webhooks = webhooks.iter().filter(|_| is_known);
        acts.extend(webhooks.map(|after| Act::Webhook {
            customer_ref: customer_ref.to_owned(),
            word: word.to_owned(),
            after: *after,
        }));
        acts
    }

    fn change_word(&mut self, from: &str, to: &str) -> Vec<Act> {
        self.provider.words.insert(from.to_owned(), to.to_owned());
        let bridges = self.provider.bridges.iter().filter(|(_, bridge)| bridge.word == from);
        let ids: Vec<i64> = bridges.map(|(id, _)| id).collect();
        for id in &ids {
            self.provider.bridges.update(*id, |bridge| to.clone_into(&mut bridge.word));
        }
        ids.into_iter().map(|id| Act::Change(id, "status", to.to_owned())).collect()
    }

    fn map_word(&mut self, word: &str, status: Status, at: Moment) -> Vec<Act> {
        self.telling.words.map(Mapped { at, word: word.to_owned(), status });
        let ids: Vec<i64> = self.known.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.known.update(id, |known| known.understand(&self.telling));
        }
        vec![Act::Sql(format!("INSERT INTO wab_status_words VALUES ('{word}', '{}')", status.as_str()))]
    }

    fn container(&mut self, customer_ref: &str, state: &str) -> Vec<Act> {
        let Some(id) = self.provider.bridges.first_of(customer_ref) else { return Vec::new() };
        self.provider.bridges.update(id, |bridge| state.clone_into(&mut bridge.state));
        vec![Act::Change(id, "state", state.to_owned())]
    }

    fn retag(&mut self, id: &str) -> Vec<Act> {
        let Some(held) = self.rows.get(id).and_then(|row| row.bridge_id) else { return Vec::new() };
        if self.provider.bridges.get(held).is_none() || self.provider.bridges.first_of(id).is_some() {
            return Vec::new();
        }
        self.provider.bridges.change(held, |bridge| id.clone_into(&mut bridge.customer_ref));
        vec![Act::Change(held, "customer_ref", id.to_owned())]
    }

    fn deleted(&mut self, customer_ref: &str) -> Vec<Act> {
        let Some(id) = self.provider.bridges.first_of(customer_ref) else { return Vec::new() };
        self.provider.bridges.remove(id);
        vec![Act::Remove(id)]
    }
}

//! Draws a life from a seed. It is pure: the same seed, days and tenants give the same life.

use std::collections::BTreeSet;

use crate::simulation::dice::Dice;
use crate::simulation::life::{Event, Happening, Life, ListFault, Signup, name};
use crate::simulation::moment::{DAY, HOUR, MINUTE, Moment};
use crate::simulation::rates;
use crate::simulation::words::Status;

/// A life of this many tenants and days.
pub fn draw(seed: u64, tenants: u32, days: i64) -> Life {
    draw_eventful(seed, tenants, days, 1.0)
}

/// A life in which so many times as much happens as in an ordinary one.
pub fn draw_eventful(seed: u64, tenants: u32, days: i64, eventfulness: f64) -> Life {
    let mut drawing = Drawing {
        eventfulness,
        dice: Dice::of(seed),
        word_dice: Dice::of(!seed),
        failover_dice: Dice::of(seed.rotate_left(32)),
        words: rates::WORDS.to_vec(),
        active: (1..=tenants).collect(),
        left: BTreeSet::new(),
        next: tenants + 1,
        happenings: Vec::new(),
        day: Moment::START,
    };
    for day in 0..days {
        drawing.day = Moment::day(day);
        drawing.business();
        drawing.phones();
        drawing.provider();
        drawing.operators();
        drawing.words();
        drawing.failovers();
    }
    let Drawing { mut happenings, .. } = drawing;
    happenings.sort_by_key(|happening| happening.at);
    Life { tenants, days, happenings }.until_day(days)
}

struct Drawing {
    eventfulness: f64,
    dice: Dice,
    /// Dice of their own, so that a seed still draws the same life as before these events existed.
    word_dice: Dice,
    failover_dice: Dice,
    words: Vec<(&'static str, &'static str, Status)>,
    active: BTreeSet<u32>,
    left: BTreeSet<u32>,
    next: u32,
    happenings: Vec<Happening>,
    day: Moment,
}

impl Drawing {
    /// Tenants come, go, and come back.
    fn business(&mut self) {
        for _ in 0..self.often(rates::SIGN_UPS) {
            let (at, tenant) = (self.time(), self.next);
            self.next += 1;
            self.active.insert(tenant);
            let how = if self.dice.chance(0.7) { Signup::Queued } else { Signup::Plain };
            self.add(at, Event::SignUp { tenant, how });
            let scanned = self.dice.heavy_tail(10 * MINUTE, 5 * DAY);
            self.session(at + scanned + 2 * HOUR, tenant, "connected");
        }
        for _ in 0..self.often(rates::CHURN) {
            let Some(tenant) = self.anyone() else { break };
            self.active.remove(&tenant);
            self.left.insert(tenant);
            let at = self.time();
            self.add(at, Event::Churn { tenant });
        }
        for _ in 0..self.often(rates::RETURNS) {
            let gone: Vec<u32> = self.left.iter().copied().collect();
            let Some(&tenant) = self.dice.pick(&gone) else { break };
            self.left.remove(&tenant);
            self.active.insert(tenant);
            let at = self.time();
            self.add(at, Event::Return { tenant });
            self.session(at + DAY, tenant, "connected");
        }
        for _ in 0..self.often(rates::FORGOTTEN) {
            let gone: Vec<u32> = self.left.iter().copied().collect();
            let Some(&tenant) = self.dice.pick(&gone) else { break };
            self.left.remove(&tenant);
            let at = self.time();
            self.add(at, Event::Forget { tenant });
        }
    }

    /// Sessions are lost and paired again; some flap, and some wait for a new scan in between.
    fn phones(&mut self) {
        for _ in 0..self.often(rates::OUTAGES) {
            let Some(tenant) = self.anyone() else { break };
            let (at, lasts) = (self.time(), self.dice.heavy_tail(MINUTE, 5 * DAY));
            self.session(at, tenant, "disconnected");
            match self.dice.between(0, 10) {
                0 => self.session(at + lasts / 2, tenant, "qr"),
                // Well for some minutes.
                1 => {
                    let well_for = self.dice.between(1, 8) * MINUTE;
                    self.session(at + lasts / 2, tenant, "connected");
                    self.session(at + lasts / 2 + well_for, tenant, "disconnected");
                }
                _ => {}
            }
            self.session(at + lasts, tenant, "connected");
        }
        for _ in 0..self.often(rates::FLAPS) {
            let Some(tenant) = self.anyone() else { break };
            let mut at = self.time();
            for _ in 0..self.dice.between(2, 6) {
                self.session(at, tenant, "disconnected");
                at = at + self.dice.between(20, 600);
                self.session(at, tenant, "connected");
                at = at + self.dice.between(20, 600);
            }
        }
    }

    /// Containers restart, the provider is down, or restarts a third of all sessions.
    fn provider(&mut self) {
        for _ in 0..self.often(rates::CONTAINERS) {
            let Some(tenant) = self.anyone() else { break };
            let at = self.time();
            let down = self.dice.heavy_tail(5 * MINUTE, DAY);
            let state = if self.dice.chance(0.5) { "restarting" } else { "stopped" };
            self.add(at, Event::Container { tenant, state: state.to_owned() });
            self.add(at + down, Event::Container { tenant, state: "running".to_owned() });
        }
        if self.today(rates::PROVIDER_DOWN) {
            let at = self.time();
            let lasts = self.dice.between(HOUR / 2, 4 * HOUR);
            let code = if self.dice.chance(0.5) { 503 } else { 429 };
            self.add(at, Event::ProviderDown { code });
            self.add(at + lasts, Event::ProviderUp);
        }
        if self.today(rates::LISTS_WITHOUT_STATUSES) {
            let (at, lasts) = (self.time(), self.dice.between(6 * HOUR, 5 * DAY));
            self.add(at, Event::ListStatuses { shown: false });
            self.add(at + lasts, Event::ListStatuses { shown: true });
        }
        if self.today(rates::KEY_ROTATED) {
            let (at, lasts) = (self.time(), self.dice.heavy_tail(10 * MINUTE, 5 * HOUR));
            let key = format!("sk_test_{at}");
            self.add(at, Event::KeyRotated { key: key.clone() });
            self.add(at + lasts, Event::KeyInstalled { key });
        }
        if self.today(rates::LIST_BROKEN) {
            let (at, lasts) = (self.time(), self.dice.between(HOUR, 3 * HOUR));
            let all = [ListFault::HalfList, ListFault::EmptyList, ListFault::MalformedRow];
            if let Some(how) = self.dice.pick(&all) {
                self.add(at, Event::ListBroken { how: *how });
                self.add(at + lasts, Event::ListMended);
            }
        }
        if self.today(rates::LOST_REPLY) {
            let at = self.time();
            let method = if self.dice.chance(0.7) { "POST" } else { "DELETE" };
            self.add(at, Event::LostReply { method: method.to_owned() });
        }
        if self.today(rates::RESTART) {
            let (at, lasts) = (self.time(), self.dice.between(20 * MINUTE, 3 * HOUR));
            for tenant in self.active.clone() {
                if self.dice.chance(0.3) {
                    let back = at + lasts + self.dice.between(0, HOUR);
                    let lost = at + self.dice.between(0, 5 * MINUTE);
                    self.session(lost, tenant, "disconnected");
                    self.session(back, tenant, "connected");
                }
            }
        }
    }

    /// People work in the dashboard, and review what nobody needs.
    fn operators(&mut self) {
        for _ in 0..self.often(rates::MADE) {
            let orphan = format!("trial-{}", self.dice.between(1, 100_000));
            let duplicate = self.dice.chance(0.5).then(|| self.anyone()).flatten();
            let at = self.time();
            self.add(at, Event::Made { customer_ref: duplicate.map_or(orphan, name) });
        }
        for _ in 0..self.often(rates::DELETED) {
            let Some(tenant) = self.anyone() else { break };
            let at = self.time();
            self.add(at, Event::Deleted { tenant });
            self.session(at + DAY, tenant, "connected");
        }
        for _ in 0..self.often(rates::RENAMED) {
            let Some(tenant) = self.anyone() else { break };
            let (at, later) = (self.time(), self.dice.heavy_tail(10 * MINUTE, 2 * DAY));
            self.add(at, Event::Rename { tenant });
            self.add(at + later, Event::Retag { tenant });
        }
        if self.today(rates::KEPT) {
            let gone: Vec<u32> = self.left.iter().copied().collect();
            if let Some(&tenant) = self.dice.pick(&gone) {
                let (at, days) = (self.time(), self.dice.between(1, 60));
                self.add(at, Event::Keep { tenant, days });
            }
        }
        if self.today(rates::EXTRA) {
            let (at, lasts) = (self.time(), self.dice.heavy_tail(HOUR, 20 * DAY));
            let customer_ref = format!("lab-{}", at.0);
            self.add(at, Event::Extra { customer_ref: customer_ref.clone() });
            self.add(at + lasts, Event::ExtraEnded { customer_ref });
        }
        if self.today(rates::TOGETHER) {
            let hour = self.dice.between(7, 24);
            // wab apply runs at a whole minute, as the trail is compared.
            let at = self.day + hour * HOUR + HOUR / 2;
            self.happenings.push(Happening { at, event: Event::Together });
        }
        if self.today(rates::CRASH) {
            let at = self.time();
            self.add(at, Event::Crash);
        }
        self.add(self.day + 5 * HOUR, Event::Review);
    }

    /// The provider renames a status word, and an operator maps the new one some hours later.
    fn words(&mut self) {
        if self.word_dice.chance(rates::WORD_CHANGED * self.eventfulness)
            && let Some((from, to, status)) = self.words.pop()
        {
            let at = self.day + self.word_dice.between(0, DAY);
            let mapped = at + self.word_dice.between(HOUR, 30 * HOUR);
            self.add(at, Event::WordChanged { from: from.to_owned(), to: to.to_owned() });
            self.add(mapped, Event::WordMapped { word: to.to_owned(), status });
        }
    }

    fn failovers(&mut self) {
        if self.failover_dice.chance(rates::FAILOVER * self.eventfulness) {
            let at = self.day + self.failover_dice.between(0, DAY);
            self.add(at, Event::Failover);
        }
    }

    /// A change of a session, with its webhook: most arrive within seconds, some never, some twice, and some hours later.
    fn session(&mut self, at: Moment, tenant: u32, word: &str) {
        let late = self.dice.between(HOUR, 9 * HOUR);
        let soon = self.dice.between(0, 30);
        let webhooks = match self.dice.between(0, 100) {
            // The provider has no event for a QR code.
            _ if word == "qr" => vec![],
            0..5 => vec![],
            5..8 => vec![soon, soon + self.dice.between(2, HOUR)],
            8..12 => vec![late],
            _ => vec![soon],
        };
        let webhooks = webhooks.into_iter().map(|delay| delay / 2 * 2).collect();
        self.add(at, Event::Session { tenant, word: word.to_owned(), webhooks });
    }

    /// Events happen at odd seconds, and jobs run at even ones.
    fn add(&mut self, at: Moment, event: Event) {
        self.happenings.push(Happening { at: Moment(at.0 | 1), event });
    }

    fn often(&mut self, share: f64) -> usize {
        self.dice.times(share * self.active.len() as f64 * self.eventfulness)
    }

    /// Whether something happens today that happens on this share of the days.
    fn today(&mut self, share: f64) -> bool {
        self.dice.chance(share * self.eventfulness)
    }

    fn time(&mut self) -> Moment {
        self.day + self.dice.between(0, DAY)
    }

    fn anyone(&mut self) -> Option<u32> {
        let place = self.dice.between(1, i64::from(self.next));
        let from = u32::try_from(place).unwrap_or(1);
        self.active.range(from..).next().or_else(|| self.active.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_life() {
        let life = draw(7, 500, 30);
        assert_eq!(life, draw(7, 500, 30));
        assert_ne!(life, draw(8, 500, 30));
        assert!(life.happenings.is_sorted_by_key(|happening| happening.at));
        assert_eq!(life.until_day(10), draw(7, 500, 10));
        let stored = serde_json::to_string(&life).unwrap();
        assert_eq!(serde_json::from_str::<Life>(&stored).unwrap(), life);
    }
}

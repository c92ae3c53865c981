//! What can be known of one bridge: the reports about its session in the order of their times, whenever they arrived, and the
//! status that follows from them by docs/drift.md.

use crate::simulation::bridges::Carries;
use crate::simulation::moment::Moment;
use crate::simulation::session::{Report, Session};
use crate::simulation::words::Words;

/// What the reports of all bridges are read with.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// When the fleet was listed with the status of each bridge.
    pub listings: Vec<Moment>,
    /// What the words stand for.
    pub words: Words,
}

/// A bridge as far as it is known.
#[derive(Clone, Debug)]
pub struct Known {
    pub customer_ref: Option<String>,
    pub state: String,
    pub state_since: Moment,
    pub created_at: Option<Moment>,
    pub first_seen: Moment,
    /// Since when the bridge waits for its very first scan; `None` if it may have been paired before it was first seen.
    never_paired_since: Option<Moment>,
    /// Reports of sessions and webhooks, by time.
    told: Vec<Report>,
    /// The last answer of the session that changed nothing: of those before, no time is kept.
    confirmed: Option<Report>,
    /// Listings with another word than the listing before, or than was known.
    listed: Vec<Report>,
    /// Listings with a row that could not be read.
    hidden: Vec<Moment>,
    /// Whether the newest listing told its status.
    is_listed: bool,
    /// When its status was learnt last, if the listings do not tell it.
    learnt_at: Option<Moment>,
    /// The session as it was when the bridge came to carry its customer_ref.
    inherited: Session,
    pub session: Session,
}

impl Carries for Known {
    fn customer_ref(&self) -> Option<&str> {
        self.customer_ref.as_deref()
    }
}

impl Known {
    /// A bridge that is first seen at this time.
    pub fn first_seen(
        at: Moment,
        customer_ref: Option<String>,
        state: String,
        created_at: Option<Moment>,
    ) -> Self {
        Self {
            customer_ref,
            state,
            state_since: at,
            created_at,
            first_seen: at,
            never_paired_since: None,
            told: Vec::new(),
            confirmed: None,
            listed: Vec::new(),
            hidden: Vec::new(),
            is_listed: false,
            learnt_at: None,
            inherited: Session::default(),
            session: Session::default(),
        }
    }

    /// It has waited for its very first scan since this time.
    pub fn was_never_paired(&mut self, since: Option<Moment>) {
        self.never_paired_since = since;
        self.session.waits_since = since;
    }

    /// When it was created, as far as it is known.
    pub fn lived_since(&self) -> Moment {
        self.created_at.unwrap_or(self.first_seen)
    }

    /// Whether its status was learnt after this time.
    pub fn is_learnt_since(&self, since: Moment) -> bool {
        self.is_listed || self.learnt_at.is_some_and(|at| at > since)
    }

    /// The session was asked, and answered with this word.
    pub fn answer(&mut self, at: Moment, word: &str, telling: &Telling) {
        self.learnt_at = self.learnt_at.max(Some(at));
        if self.session.word.as_deref() == Some(word) {
            self.confirmed = Some(Report::of(at, word, &telling.words));
        } else {
            self.tell(at, word, telling);
        }
    }

    /// A session or a webhook told the word that held at this time.
    pub fn tell(&mut self, at: Moment, word: &str, telling: &Telling) {
        let report = Report::of(at, word, &telling.words);
        self.learnt_at = self.learnt_at.max(Some(at));
        self.confirmed.take_if(|confirmed| confirmed.at < at);
        let place = self.told.partition_point(|told| *told < report);
        if self.told.get(place) != Some(&report) {
            self.told.insert(place, report);
            self.conclude(telling);
            self.keep_confirmed();
        }
    }

    /// After a late report, the last answer may be the one with which the status changed: then its time is kept.
    fn keep_confirmed(&mut self) {
        let changed_at = self.session.history.last().map(|last| last.0);
        if let Some(confirmed) = self.confirmed.take_if(|confirmed| Some(confirmed.at) == changed_at) {
            let place = self.told.partition_point(|told| *told < confirmed);
            self.told.insert(place, confirmed);
        }
    }

    /// A listing did not tell its status. The one before it, at this time, did so last if it did.
    pub fn unlist(&mut self, before: Option<Moment>) {
        if std::mem::take(&mut self.is_listed) {
            self.learnt_at = self.learnt_at.max(before);
        }
    }

    /// A listing told the word that held at this time.
    pub fn list(&mut self, at: Moment, word: &str, telling: &Telling) {
        self.is_listed = true;
        if self.listed.last().is_none_or(|last| last.word != word) {
            self.listed.push(Report::of(at, word, &telling.words));
        }
        if self.session.word.as_deref() != Some(word) {
            self.conclude(telling);
        }
        // A list with a row that could not be read confirms nothing, but the rows that could be read tell of changes.
        if self.session.word.as_deref() != Some(word) {
            self.listed.push(Report::of(at, word, &telling.words));
            self.conclude(telling);
        }
    }

    /// A word was mapped.
    pub fn understand(&mut self, telling: &Telling) {
        self.conclude(telling);
    }

    /// A listing had a row that could not be read, which may be that of this bridge.
    pub fn hide(&mut self, at: Moment) {
        self.hidden.push(at);
    }

    /// The bridge carries another customer_ref from this time on, and whatever its session told before counts no more. The
    /// status stays if the list tells it.
    pub fn carry(&mut self, customer_ref: Option<String>, at: Moment, is_told: bool) {
        self.customer_ref = customer_ref;
        self.told.clear();
        self.confirmed = None;
        self.listed.clear();
        self.learnt_at = None;
        self.never_paired_since = self.session.waits_since;
        let status = self.session.status.filter(|_| is_told);
        let history = status.map(|status| (at, status)).into_iter().collect();
        let waits_since = self.session.waits_since;
        self.inherited = Session { word: None, status, since: Some(at), waits_since, history };
        self.session = self.inherited.clone();
    }

    /// Goes through all reports in the order of time. Of the listings, only those matter that follow another report.
    fn conclude(&mut self, telling: &Telling) {
        let Telling { listings, words } = telling;
        let mut reports: Vec<Report> =
            self.told.iter().chain(&self.confirmed).chain(&self.listed).cloned().collect();
        for told in &self.told {
            let next = listings.partition_point(|at| *at < told.at);
            if let Some(at) = listings[next..].iter().find(|at| !self.hidden.contains(at))
                && let Some(listed) = self.listed.iter().rev().find(|listed| listed.at <= *at)
            {
                reports.push(Report::of(*at, &listed.word, words));
            }
        }
        reports.sort();
        let mut session = self.inherited.clone();
        session.waits_since = self.never_paired_since;
        let mut mapped = words.mapped().iter().peekable();
        for report in reports {
            while let Some(mapped) = mapped.next_if(|mapped| mapped.at <= report.at) {
                session.learn(mapped);
            }
            session.hear(&report, words.status(&report.word, report.at), self.lived_since());
        }
        mapped.for_each(|mapped| session.learn(mapped));
        self.session = session;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::words::{Mapped, Status};

    fn known() -> Known {
        Known::first_seen(Moment(100), Some("a".to_owned()), "running".to_owned(), Some(Moment(50)))
    }

    #[test]
    fn reports_count_in_the_order_of_their_times() {
        let telling = Telling { listings: [100, 200, 300, 400].map(Moment).to_vec(), ..Telling::default() };
        let reports = [(150, "disconnected"), (160, "connected"), (250, "disconnected"), (350, "connected")];
        let mut in_order = known();
        in_order.list(Moment(100), "connected", &telling);
        for (at, word) in reports {
            in_order.tell(Moment(at), word, &telling);
        }
        let mut reversed = known();
        reversed.list(Moment(100), "connected", &telling);
        for (at, word) in reports.into_iter().rev() {
            reversed.tell(Moment(at), word, &telling);
        }
        assert_eq!(in_order.session, reversed.session);
    }

    #[test]
    fn an_answer_that_ended_an_outage_is_not_forgotten() {
        let telling = Telling { listings: vec![Moment(100)], ..Telling::default() };
        let mut bridge = known();
        bridge.list(Moment(100), "connected", &telling);
        bridge.answer(Moment(300), "connected", &telling);
        bridge.tell(Moment(200), "disconnected", &telling);
        assert_eq!((bridge.session.status(), bridge.session.since), (Status::Paired, Some(Moment(300))));
        bridge.tell(Moment(400), "disconnected", &telling);
        assert_eq!(bridge.session.since, Some(Moment(400)));
    }

    #[test]
    fn a_list_with_an_unreadable_row_tells_what_changed() {
        let telling = Telling { listings: [100, 300].map(Moment).to_vec(), ..Telling::default() };
        let mut bridge = known();
        bridge.list(Moment(100), "connected", &telling);
        bridge.tell(Moment(200), "disconnected", &telling);
        bridge.hide(Moment(300));
        bridge.list(Moment(300), "connected", &telling);
        assert_eq!((bridge.session.status(), bridge.session.since), (Status::Paired, Some(Moment(300))));
    }

    #[test]
    fn a_word_counts_from_when_it_is_mapped_and_was_said_before() {
        let mut telling = Telling { listings: [100, 200].map(Moment).to_vec(), ..Telling::default() };
        let mut bridge = known();
        bridge.list(Moment(100), "connected", &telling);
        bridge.list(Moment(200), "linked", &telling);
        assert_eq!((bridge.session.status(), bridge.session.since), (Status::Unknown, Some(Moment(200))));
        telling.words.map(Mapped { at: Moment(250), word: "linked".to_owned(), status: Status::Paired });
        bridge.understand(&telling);
        assert_eq!((bridge.session.status(), bridge.session.since), (Status::Paired, Some(Moment(200))));
        assert_eq!(bridge.session.seconds(Moment(200), Moment(300)), (50, 50));
    }

    #[test]
    fn a_bridge_that_was_never_paired_waits_whatever_the_provider_calls_it() {
        let telling = Telling { listings: vec![Moment(100)], ..Telling::default() };
        let mut bridge = known();
        bridge.was_never_paired(Some(Moment(50)));
        bridge.list(Moment(100), "disconnected", &telling);
        assert_eq!(bridge.session.status(), Status::AwaitingScan);
        bridge.tell(Moment(120), "connected", &telling);
        bridge.tell(Moment(130), "disconnected", &telling);
        assert_eq!(
            (bridge.session.status(), bridge.session.since),
            (Status::Disconnected, Some(Moment(130)))
        );
    }
}

//! Owns what is counted: the engine's events, folded. Must not read a clock or a store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::{ConnectionState, CostOverview, Counts, Event, Intake, JobFinished, TemporalStatus};

/// What is known of the worker so far. What was not told yet is not known; it is never 0.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    /// Whether all money is the simulator's.
    pub(super) simulated: bool,
    pub(super) started: DateTime<Utc>,
    pub(super) counts: Option<Counts>,
    pub(super) costs: Option<Box<CostOverview>>,
    /// Jobs that ended in this process.
    pub(super) ended: BTreeMap<JobFinished, u64>,
    /// In use, and how many there are.
    pub(super) slots: Option<(usize, usize)>,
    pub(super) posts: usize,
    pub(super) submits: u64,
    pub(super) intake: Option<Intake>,
    /// And since when it is so.
    pub(super) link: Option<(ConnectionState, DateTime<Utc>)>,
    /// Where jobs run on one.
    pub(super) fleet: Option<TemporalStatus>,
}

impl Figures {
    pub(super) fn new(simulated: bool, started: DateTime<Utc>) -> Self {
        Self {
            simulated,
            started,
            counts: None,
            costs: None,
            ended: BTreeMap::new(),
            slots: None,
            posts: 0,
            submits: 0,
            intake: None,
            link: None,
            fleet: None,
        }
    }

    /// Takes in what the engine said at `now`. Returns whether anything is different.
    pub(super) fn hear(&mut self, event: &Event, now: DateTime<Utc>) -> bool {
        match event {
            Event::Counts(counts) => self.counts = Some(counts.clone()),
            Event::Costs(costs) => self.costs = Some(costs.clone()),
            Event::JobFinished(ended) => *self.ended.entry(*ended).or_default() += 1,
            Event::Slots { used, total } => self.slots = Some((*used, *total)),
            Event::SubmitsInFlight(posts) => {
                // Each POST is told when it leaves and when its outcome is safe.
                self.submits += posts.saturating_sub(self.posts) as u64;
                self.posts = *posts;
            }
            Event::Temporal(fleet) => self.fleet = Some(fleet.clone()),
            Event::Intake(intake) => self.intake = Some(intake.clone()),
            Event::Connection(ConnectionState::Connected)
                if matches!(self.link, Some((ConnectionState::Connected, _))) =>
            {
                return false;
            }
            Event::Connection(link @ ConnectionState::Connected) => self.link = Some((link.clone(), now)),
            Event::Connection(link @ ConnectionState::Disconnected { .. }) => {
                let since = match &self.link {
                    Some((ConnectionState::Disconnected { .. }, since)) => *since,
                    _ => now,
                };
                self.link = Some((link.clone(), since));
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{FailureCode, StageName};

    #[test]
    fn posts_are_counted_when_they_leave_and_a_link_keeps_its_time() {
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        let mut figures = Figures::new(true, at(0));
        for posts in [1, 2, 1, 2, 1, 0, 1, 0] {
            assert!(figures.hear(&Event::SubmitsInFlight(posts), at(1)));
        }
        assert_eq!((figures.posts, figures.submits), (0, 4));
        let down =
            |reason: &str| Event::Connection(ConnectionState::Disconnected { since: at(0), reason: reason.to_owned() });
        assert!(figures.hear(&Event::Connection(ConnectionState::Connected), at(2)));
        assert!(!figures.hear(&Event::Connection(ConnectionState::Connected), at(3)));
        assert_eq!(figures.link, Some((ConnectionState::Connected, at(2))));
        figures.hear(&down("first"), at(4));
        figures.hear(&down("second"), at(5));
        assert_eq!(figures.link.as_ref().map(|(_, since)| *since), Some(at(4)));
        let failed = JobFinished { stage: StageName::Failed, code: Some(FailureCode::TimedOut) };
        figures.hear(&Event::JobFinished(failed), at(6));
        figures.hear(&Event::JobFinished(failed), at(6));
        assert_eq!(figures.ended[&failed], 2);
    }
}

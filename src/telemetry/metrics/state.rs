//! The counters and gauges, computed from the engine's events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::{
    ConnectionState, CostOverview, Counts, Dependency, Event, Intake, JobFinished, Outage, Pause, StoreAlarm,
    TemporalStatus,
};

/// What is known of the worker. A value that was not reported yet is unknown, not 0.
#[derive(Debug, Clone)]
pub(super) struct MetricsState {
    /// Whether all money is the simulator's.
    pub(super) simulated: bool,
    pub(super) started: DateTime<Utc>,
    pub(super) counts: Option<Counts>,
    pub(super) costs: Option<Box<CostOverview>>,
    /// Jobs that finished in this process.
    pub(super) finished: BTreeMap<JobFinished, u64>,
    /// In use, and in total.
    pub(super) slots: Option<(usize, usize)>,
    pub(super) in_flight: usize,
    pub(super) submits: u64,
    pub(super) intake: Option<Intake>,
    /// The pause of all workers.
    pub(super) pause: Option<Pause>,
    /// Why the engine cannot start yet.
    pub(super) waiting: Option<Outage>,
    /// What blocks the intake, the first cause first.
    pub(super) blocked: Vec<Outage>,
    /// What requests showed to be unreachable.
    pub(super) outages: Vec<Outage>,
    /// The connection to the store, and since when.
    pub(super) store: Option<(ConnectionState, DateTime<Utc>)>,
    /// What an operator must resolve in the store, and since when.
    pub(super) alarm: Option<(StoreAlarm, DateTime<Utc>)>,
    /// Only with the Temporal engine.
    pub(super) temporal: Option<TemporalStatus>,
}

impl MetricsState {
    pub(super) fn new(simulated: bool, started: DateTime<Utc>) -> Self {
        Self {
            simulated,
            started,
            counts: None,
            costs: None,
            finished: BTreeMap::new(),
            slots: None,
            in_flight: 0,
            submits: 0,
            intake: None,
            pause: None,
            waiting: None,
            blocked: Vec::new(),
            outages: Vec::new(),
            store: None,
            alarm: None,
            temporal: None,
        }
    }

    /// An outage of the same dependency keeps its start.
    pub(super) fn set_waiting(&mut self, waiting: Option<Outage>) {
        self.waiting = waiting.map(|new| match &self.waiting {
            Some(old) if old.dependency == new.dependency => Outage { since: old.since, ..new },
            _ => new,
        });
    }

    /// What blocks the intake counts until the intake is open again, also while another cause blocks it.
    fn block(&mut self, outage: &Outage) {
        let of_account = [Dependency::Credits, Dependency::Key, Dependency::Provider, Dependency::Account];
        // A hold that another run left names no cause.
        let is_known = |known: &Outage| {
            known.dependency == outage.dependency
                || (outage.dependency == Dependency::Account && of_account.contains(&known.dependency))
        };
        match self.blocked.iter_mut().find(|known| is_known(known)) {
            Some(known) => known.reason.clone_from(&outage.reason),
            None => self.blocked.push(outage.clone()),
        }
    }

    /// Records an event of time `now`. Returns whether anything changed.
    pub(super) fn record(&mut self, event: &Event, now: DateTime<Utc>) -> bool {
        match event {
            Event::Counts(counts) => self.counts = Some(counts.clone()),
            Event::Costs(costs) => self.costs = Some(costs.clone()),
            Event::JobFinished(job) => *self.finished.entry(*job).or_default() += 1,
            Event::Slots { used, total } => self.slots = Some((*used, *total)),
            Event::SubmitsInFlight(in_flight) => {
                // The engine reports each request when it starts and when its outcome is saved.
                self.submits += in_flight.saturating_sub(self.in_flight) as u64;
                self.in_flight = *in_flight;
            }
            Event::Temporal(temporal) => self.temporal = Some(temporal.clone()),
            Event::Outages(outages) => self.outages.clone_from(outages),
            Event::Paused(pause) => self.pause.clone_from(pause),
            Event::StoreAlarm(alarm) => {
                let since = self.alarm.as_ref().map_or(now, |(_, since)| *since);
                self.alarm = alarm.clone().map(|alarm| (alarm, since));
            }
            Event::Intake(intake) => {
                match intake {
                    Intake::AccountBlocked(outage) => self.block(outage),
                    Intake::Open | Intake::Paused | Intake::ReadOnly => self.blocked.clear(),
                }
                self.intake = Some(intake.clone());
            }
            Event::Connection(ConnectionState::Connected)
                if matches!(self.store, Some((ConnectionState::Connected, _))) =>
            {
                return false;
            }
            Event::Connection(state @ ConnectionState::Connected) => self.store = Some((state.clone(), now)),
            Event::Connection(state @ ConnectionState::Disconnected { .. }) => {
                let since = match &self.store {
                    Some((ConnectionState::Disconnected { .. }, since)) => *since,
                    // It was never connected.
                    None => self.started,
                    _ => now,
                };
                self.store = Some((state.clone(), since));
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
    fn submits_are_counted_outages_keep_start() {
        let at = |seconds| DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        let mut state = MetricsState::new(true, at(0));
        for in_flight in [1, 2, 1, 2, 1, 0, 1, 0] {
            assert!(state.record(&Event::SubmitsInFlight(in_flight), at(1)));
        }
        assert_eq!((state.in_flight, state.submits), (0, 4));
        let down = |reason: &str| {
            Event::Connection(ConnectionState::Disconnected { since: at(0), reason: reason.to_owned(), retry_at: None })
        };
        assert!(state.record(&Event::Connection(ConnectionState::Connected), at(2)));
        assert!(!state.record(&Event::Connection(ConnectionState::Connected), at(3)));
        assert_eq!(state.store, Some((ConnectionState::Connected, at(2))));
        state.record(&down("first"), at(4));
        state.record(&down("second"), at(5));
        assert_eq!(state.store.as_ref().map(|(_, since)| *since), Some(at(4)));
        let failed = JobFinished { stage: StageName::Failed, code: Some(FailureCode::TimedOut) };
        state.record(&Event::JobFinished(failed), at(6));
        state.record(&Event::JobFinished(failed), at(6));
        assert_eq!(state.finished[&failed], 2);
    }
}

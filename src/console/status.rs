//! The engine's state as last reported: counts, money, slots, intake, connections.

use chrono::{DateTime, Utc};

use crate::costs::Usd;
use crate::engine::Counts;
use crate::engine::{ConnectionState, CostOverview, FleetUsage, Intake, Outage, Pause, StoreAlarm, TemporalStatus};
use crate::jobs::StageName;

/// The engine's state as last reported; `None` is not reported yet.
#[derive(Debug)]
pub struct Status {
    /// Jobs in each stage.
    pub counts: Option<Counts>,
    /// Spending.
    pub costs: Option<Box<CostOverview>>,
    /// The caps whose soft mark was reported.
    pub soft_marks: Vec<&'static str>,
    /// Whether jobs are started.
    pub intake: Intake,
    /// The pause of all workers.
    pub pause: Option<Pause>,
    /// Slots in use, and how many there are.
    pub slots: Option<(usize, usize)>,
    /// The connection to the store.
    pub connection: Option<ConnectionState>,
    /// What requests showed to be unreachable.
    pub outages: Vec<Outage>,
    /// Workers of this machine that are alive.
    pub workers: Option<usize>,
    /// The workers, where jobs run on Temporal.
    pub temporal: Option<TemporalStatus>,
    /// What an operator must resolve in the store.
    pub alarm: Option<StoreAlarm>,
    /// What documents cost that all processes read and write, as last requested.
    pub usage: Option<Box<FleetUsage>>,
    /// How many bytes a second the terminal takes, where that is few.
    pub slow_line: Option<u64>,
    /// Submits in flight.
    pub submits_in_flight: usize,
    /// The engine stopped: no further events arrive.
    pub engine_closed: bool,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            counts: None,
            costs: None,
            soft_marks: Vec::new(),
            intake: Intake::Open,
            pause: None,
            slots: None,
            connection: None,
            outages: Vec::new(),
            workers: None,
            temporal: None,
            alarm: None,
            usage: None,
            slow_line: None,
            submits_in_flight: 0,
            engine_closed: false,
        }
    }
}

impl Status {
    /// Jobs in that stage, 0 before the first report.
    pub fn count(&self, stage: StageName) -> u64 {
        self.counts.as_ref().map_or(0, |counts| counts.of(stage))
    }

    /// Jobs that are submitting or generating.
    pub fn running(&self) -> u64 {
        self.count(StageName::Submitting) + self.count(StageName::Generating)
    }

    /// Done and approved jobs.
    pub fn done(&self) -> u64 {
        self.count(StageName::Done) + self.count(StageName::Approved)
    }

    /// Spending of today.
    pub fn today(&self) -> Option<Usd> {
        self.costs.as_ref().map(|costs| costs.today.total_usd)
    }

    /// Since when the store is disconnected.
    pub fn disconnected_since(&self) -> Option<DateTime<Utc>> {
        match &self.connection {
            Some(ConnectionState::Disconnected { since, .. }) => Some(*since),
            _ => None,
        }
    }
}

//! A ticket: what was submitted, and what a poll shows at a given time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::faults::{FaultKind, FaultPlan, FaultStage};
use super::images::Subject;
use super::options::Speed;
use super::rng::SeededRng;

/// How long a ticket can be polled; the real time is not documented.
pub(super) const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// How long a ticket that never finishes counts as unfinished, in seconds at speed 1.
const STUCK_SECONDS: f64 = 600.0;

/// One accepted submit.
#[derive(Debug)]
pub(super) struct Ticket {
    /// A UUID.
    pub id: String,
    /// Name in the catalog.
    pub model: String,
    /// The image.
    pub subject: Subject,
    /// When it was accepted.
    pub accepted_at: DateTime<Utc>,
    /// When it ends.
    pub ready_at: DateTime<Utc>,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Credits.
    pub cost: Decimal,
    /// Looks and downloads so far, for faults that pass; not kept over a restart.
    polls: AtomicU32,
    deliveries: AtomicU32,
}

/// What a poll of a ticket reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// Not finished: the API's word and how far, where it says.
    Working(&'static str, Option<f64>),
    /// The image is ready.
    Ready,
    /// It ended without an image.
    Dead(FaultKind),
}

impl Ticket {
    /// A ticket as it is accepted, or as the ledger has it.
    pub fn new(
        id: String,
        model: String,
        subject: Subject,
        (accepted_at, ready_at): (DateTime<Utc>, DateTime<Utc>),
        faults: FaultPlan,
        cost: Decimal,
    ) -> Self {
        let (polls, deliveries) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { id, model, subject, accepted_at, ready_at, faults, cost, polls, deliveries }
    }

    /// What a poll at that time reports.
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        let fatal = self.faults.fatal();
        match fatal {
            Some(FaultKind::TaskNotFound) => return Phase::Dead(FaultKind::TaskNotFound),
            Some(FaultKind::Stuck) => return Phase::Working("Pending", Some(0.1)),
            Some(kind) if now >= self.ready_at => return Phase::Dead(kind),
            None if now >= self.ready_at => return Phase::Ready,
            _ => {}
        }
        let whole = (self.ready_at - self.accepted_at).as_seconds_f64();
        let passed = if whole > 0.0 { (now - self.accepted_at).as_seconds_f64() / whole } else { 0.0 };
        let progress = (passed * 8.0).floor().clamp(0.0, 8.0) / 10.0 + 0.1;
        let progress = Some((progress * 10.0).round() / 10.0);
        // Recorded: FLUX.1 stays Pending and says how far. The other words came with FLUX.2's and FLUX 3's later versions.
        match passed {
            late if late > 0.4 && self.names_phases() => Phase::Working("Generating", progress),
            middle if middle > 0.2 && self.model.starts_with("flux-3") => Phase::Working("Reasoning", None),
            _ => Phase::Working("Pending", progress),
        }
    }

    /// Whether cost and megapixels stand in the reply to the submit: everything newer than FLUX.1.
    pub fn names_cost(&self) -> bool {
        self.names_phases()
    }

    fn names_phases(&self) -> bool {
        is_newer_than_flux_1(&self.model)
    }

    /// Until when it counts as unfinished.
    pub fn busy_until(&self, speed: Speed) -> DateTime<Utc> {
        match self.faults.fatal() {
            Some(FaultKind::Stuck) => self.accepted_at + speed.takes(STUCK_SECONDS),
            Some(FaultKind::TaskNotFound) => self.accepted_at,
            _ => self.ready_at,
        }
    }

    /// The fault of the next poll, if it has one.
    pub fn next_poll(&self) -> Option<FaultKind> {
        self.faults.fault_at(FaultStage::Poll, self.polls.fetch_add(1, Ordering::Relaxed))
    }

    /// The fault of the next download, if it has one.
    pub fn next_delivery(&self) -> Option<FaultKind> {
        self.faults.fault_at(FaultStage::Delivery, self.deliveries.fetch_add(1, Ordering::Relaxed))
    }

    /// When the link to the image runs out: whole seconds, as the real links have it.
    pub fn link_ends(&self, lifetime: Duration) -> DateTime<Utc> {
        let end = if self.faults.has(FaultKind::Expired) {
            self.accepted_at - TimeDelta::seconds(1)
        } else {
            self.ready_at + lifetime
        };
        DateTime::from_timestamp(end.timestamp(), 0).unwrap_or(end)
    }
}

/// Whether the API names costs and phases for it: FLUX.2, FLUX 3 and the tools. The FLUX.1 family names neither.
pub(super) fn is_newer_than_flux_1(model: &str) -> bool {
    let flux = model.starts_with("flux-");
    !flux || model.starts_with("flux-2-") || model.starts_with("flux-3-")
}

/// How long this request takes: between the fastest and the slowest measured time, derived from its id.
pub(super) fn duration(id: &str, (quickest, slowest): (f64, f64), faults: &FaultPlan, speed: Speed) -> Duration {
    let usual = quickest + (slowest - quickest) * SeededRng::new(&[b"duration", id.as_bytes()]).unit();
    // The input is looked at before anything is drawn.
    let usual = if faults.has(FaultKind::Moderated) { usual * 0.1 } else { usual };
    match speed {
        Speed::Instant if faults.has(FaultKind::Slow) => Duration::from_secs(1),
        _ if faults.has(FaultKind::Slow) => speed.takes(usual * 10.0),
        _ => speed.takes(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ImageFormat;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn ticket(model: &str, prompt: &str) -> Ticket {
        let subject = Subject { prompt: prompt.into(), seed: 1, width: 64, height: 64, format: ImageFormat::Png };
        let faults = FaultPlan::in_prompt(prompt);
        Ticket::new("id".into(), model.into(), subject, (at(0), at(10)), faults, Decimal::ONE)
    }

    #[test]
    fn a_ticket_goes_through_its_phases() {
        let phases = |model: &str| [0, 3, 9, 10, 99].map(|second| ticket(model, "").phase(at(second)));
        assert_eq!(
            phases("flux-dev"),
            [
                Phase::Working("Pending", Some(0.1)),
                Phase::Working("Pending", Some(0.3)),
                Phase::Working("Pending", Some(0.8)),
                Phase::Ready,
                Phase::Ready
            ]
        );
        assert_eq!(phases("flux-3-image")[1], Phase::Working("Reasoning", None));
        assert_eq!(phases("flux-3-image")[2], Phase::Working("Generating", Some(0.8)));
        assert_eq!(phases("erase-v1")[2], Phase::Working("Generating", Some(0.8)));
    }

    #[test]
    fn faults_decide_the_end() {
        for (prompt, at_once, late) in [
            ("[sim:moderated]", Phase::Working("Pending", Some(0.1)), Phase::Dead(FaultKind::Moderated)),
            ("[sim:stuck]", Phase::Working("Pending", Some(0.1)), Phase::Working("Pending", Some(0.1))),
            ("[sim:task-gone]", Phase::Dead(FaultKind::TaskNotFound), Phase::Dead(FaultKind::TaskNotFound)),
            ("[sim:html]", Phase::Working("Pending", Some(0.1)), Phase::Ready),
        ] {
            let ticket = ticket("flux-2-pro", prompt);
            assert_eq!((ticket.phase(at(0)), ticket.phase(at(10))), (at_once, late), "{prompt}");
        }
        assert_eq!(ticket("flux-2-pro", "[sim:stuck]").busy_until(Speed::Times(1.0)), at(600));
        assert_eq!(ticket("flux-2-pro", "[sim:expired]").link_ends(Duration::from_mins(10)), at(-1));
        assert_eq!(ticket("flux-2-pro", "").link_ends(Duration::from_mins(10)), at(610));
    }

    #[test]
    fn durations_are_within_what_was_measured() {
        let takes =
            |prompt: &str, speed| duration("id", (12.0, 14.0), &FaultPlan::in_prompt(prompt), speed).as_secs_f64();
        assert!((12.0..14.0).contains(&takes("", Speed::Times(1.0))));
        assert!((1.2..1.4).contains(&takes("", Speed::Times(10.0))));
        assert!((120.0..140.0).contains(&takes("[sim:slow]", Speed::Times(1.0))));
        assert!((1.2..1.4).contains(&takes("[sim:moderated]", Speed::Times(1.0))));
        assert_eq!(duration("id", (12.0, 14.0), &FaultPlan::default(), Speed::Instant), Duration::ZERO);
        let slow = FaultPlan::in_prompt("[sim:slow]");
        assert_eq!(duration("id", (12.0, 14.0), &slow, Speed::Instant), Duration::from_secs(1));
    }
}

//! Owns what counts as well. Must not decide what is done about it.

use serde::Serialize;

use super::figures::Figures;
use crate::engine::{ConnectionState, Intake};

/// The answer of `/health`.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Health {
    /// `ok` or `trouble`.
    status: &'static str,
    /// One clean line, where there is trouble.
    reason: Option<String>,
    simulated: bool,
    version: &'static str,
}

impl Health {
    pub(super) fn of(figures: &Figures) -> Self {
        let reason = trouble(figures);
        let status = if reason.is_some() { "trouble" } else { "ok" };
        Self { status, reason, simulated: figures.simulated, version: env!("CARGO_PKG_VERSION") }
    }

    pub(super) fn is_well(&self) -> bool {
        self.reason.is_none()
    }
}

/// Why nothing gets done just now. Jobs that fail, or wait for a budget, are no trouble of the worker.
fn trouble(figures: &Figures) -> Option<String> {
    match (&figures.link, &figures.intake) {
        (_, Some(Intake::AccountBlocked(reason))) => Some(format!("no new jobs are started: {reason}")),
        (None, _) => Some("the store has not answered yet".to_owned()),
        (Some((ConnectionState::Disconnected { reason, .. }, _)), _) => {
            Some(format!("the store cannot be reached: {reason}"))
        }
        (Some((ConnectionState::Connected, _)), _) => match figures.fleet.as_ref().map(|fleet| &fleet.server) {
            Some(ConnectionState::Disconnected { reason, .. }) => Some(format!("nobody gives out work: {reason}")),
            Some(ConnectionState::Connected) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::engine::{Event, TemporalStatus};

    #[test]
    fn a_worker_is_well_while_it_hears_the_store_and_may_order() {
        let now = DateTime::UNIX_EPOCH;
        let mut figures = Figures::new(true, now);
        let reason = |figures: &Figures| Health::of(figures).reason;
        assert_eq!(reason(&figures).as_deref(), Some("the store has not answered yet"));
        figures.hear(&Event::Connection(ConnectionState::Connected), now);
        assert!(Health::of(&figures).is_well());
        figures.hear(&Event::Intake(Intake::AccountBlocked("the key was refused".to_owned())), now);
        assert_eq!(reason(&figures).as_deref(), Some("no new jobs are started: the key was refused"));
        figures.hear(&Event::Intake(Intake::Open), now);
        figures
            .hear(&Event::Connection(ConnectionState::Disconnected { since: now, reason: "no route".to_owned() }), now);
        assert_eq!(reason(&figures).as_deref(), Some("the store cannot be reached: no route"));
        figures.hear(&Event::Connection(ConnectionState::Connected), now);
        assert_eq!(reason(&figures), None);
        let server = ConnectionState::Disconnected { since: now, reason: "no route".to_owned() };
        figures.hear(&Event::Temporal(TemporalStatus { workers: 0, backlog: 0, server }), now);
        assert_eq!(reason(&figures).as_deref(), Some("nobody gives out work: no route"));
    }
}

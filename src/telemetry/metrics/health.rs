//! The answer of `/health`: whether the worker can run jobs.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::state::MetricsState;
use crate::engine::{ConnectionState, Intake, Pause};

/// The answer of `/health`.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Health {
    /// `ok` or `trouble`.
    status: &'static str,
    /// One line, where the status is `trouble`.
    reason: Option<String>,
    /// Since when, where it is known.
    since: Option<DateTime<Utc>>,
    /// Who paused the intake of all workers; a pause is no trouble.
    paused: Option<Pause>,
    simulated: bool,
    version: &'static str,
}

impl Health {
    pub(super) fn of(state: &MetricsState) -> Self {
        let (reason, since) = trouble(state).map_or((None, None), |(reason, since)| (Some(reason), since));
        let status = if reason.is_some() { "trouble" } else { "ok" };
        Self {
            status,
            reason,
            since,
            paused: state.pause.clone(),
            simulated: state.simulated,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.reason.is_none()
    }
}

/// Why no job can run, or why each may be paid twice. Failed jobs and jobs held by a budget do not count.
fn trouble(state: &MetricsState) -> Option<(String, Option<DateTime<Utc>>)> {
    if let Some((reason, since)) = &state.waiting {
        return Some((format!("waiting: {reason}"), Some(*since)));
    }
    if let Some((alarm, since)) = &state.alarm {
        return Some((alarm.message.clone(), Some(*since)));
    }
    match (&state.store, &state.intake) {
        (_, Some(Intake::AccountBlocked(reason))) => Some((format!("intake paused: {reason}"), state.blocked_since)),
        (None, _) => Some(("waiting for the store".to_owned(), Some(state.started))),
        (Some((ConnectionState::Disconnected { reason, .. }, since)), _) => {
            Some((format!("store unreachable: {reason}"), Some(*since)))
        }
        (Some((ConnectionState::Connected, _)), _) => {
            let temporal = state.temporal.as_ref()?;
            if let ConnectionState::Disconnected { reason, since, .. } = &temporal.server {
                return Some((format!("Temporal unreachable: {reason}"), Some(*since)));
            }
            let conflict = temporal.conflict.as_ref()?;
            Some((conflict.reason.clone(), Some(conflict.since)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Event, QueueConflict, StoreAlarm, TemporalStatus};

    #[test]
    fn health_names_what_prevents_work() {
        let now = DateTime::UNIX_EPOCH;
        let mut state = MetricsState::new(true, now);
        let reason = |state: &MetricsState| Health::of(state).reason;
        assert_eq!(reason(&state).as_deref(), Some("waiting for the store"));
        state.record(&Event::Connection(ConnectionState::Connected), now);
        assert!(Health::of(&state).is_ok());
        let pause = Pause { by: "ana@studio".to_owned(), since: now, reason: Some("invoice".to_owned()) };
        state.record(&Event::Paused(Some(pause.clone())), now);
        assert!(Health::of(&state).is_ok(), "a worker that applies a pause is healthy");
        assert_eq!(Health::of(&state).paused, Some(pause));
        state.record(&Event::Intake(Intake::AccountBlocked("the key was refused".to_owned())), now);
        assert_eq!(reason(&state).as_deref(), Some("intake paused: the key was refused"));
        let later = now + chrono::Duration::minutes(3);
        state.record(&Event::Intake(Intake::AccountBlocked("still".to_owned())), later);
        assert_eq!(Health::of(&state).since, Some(now), "the start of the outage is kept");
        state.record(&Event::Intake(Intake::Open), now);
        state.set_waiting(Some("no bucket"), now);
        assert_eq!(reason(&state).as_deref(), Some("waiting: no bucket"));
        state.set_waiting(None, now);
        state.record(
            &Event::Connection(ConnectionState::Disconnected { since: now, reason: "no route".to_owned(), retry_at: None }),
            now,
        );
        assert_eq!(reason(&state).as_deref(), Some("store unreachable: no route"));
        state.record(&Event::Connection(ConnectionState::Connected), now);
        assert_eq!(reason(&state), None);
        let alarm = StoreAlarm { summary: "second backend".to_owned(), message: "it moved job a".to_owned() };
        state.record(&Event::StoreAlarm(Some(alarm.clone())), now);
        state.record(&Event::StoreAlarm(Some(alarm)), later);
        let health = Health::of(&state);
        assert_eq!((health.reason.as_deref(), health.since), (Some("it moved job a"), Some(now)));
        state.record(&Event::StoreAlarm(None), later);
        assert_eq!(reason(&state), None);
        let server = ConnectionState::Disconnected { since: now, reason: "no route".to_owned(), retry_at: None };
        let status = TemporalStatus { workers: 0, backlog: 0, server, conflict: None };
        state.record(&Event::Temporal(status.clone()), now);
        assert_eq!(reason(&state).as_deref(), Some("Temporal unreachable: no route"));
        let conflict = Some(QueueConflict { since: later, reason: "another program polls".to_owned() });
        state.record(&Event::Temporal(TemporalStatus { server: ConnectionState::Connected, conflict, ..status }), now);
        assert_eq!(Health::of(&state).since, Some(later));
        assert_eq!(reason(&state).as_deref(), Some("another program polls"));
    }
}

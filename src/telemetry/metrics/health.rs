//! The answer of `/health`: whether the worker can run jobs, and what it waits for.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::state::MetricsState;
use crate::engine::{ConnectionState, Dependency, Outage, Pause};

/// The answer of `/health`.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Health {
    /// `ok` or `trouble`.
    status: &'static str,
    /// One line, where the status is `trouble`: the first of its reasons.
    reason: Option<String>,
    /// Since when, where it is known.
    since: Option<DateTime<Utc>>,
    /// Everything that jobs wait for, each dependency once.
    waiting_for: Vec<Outage>,
    /// Who paused the intake of all workers; a pause is no trouble.
    paused: Option<Pause>,
    simulated: bool,
    version: &'static str,
}

impl Health {
    pub(super) fn of(state: &MetricsState) -> Self {
        let waits = waits(state);
        let first = match (&state.waiting, &state.alarm) {
            (None, Some((alarm, since))) => Some((alarm.message.clone(), *since)),
            _ => waits.first().map(|(line, outage)| (line.clone(), outage.since)),
        };
        let (reason, since) = first.unzip();
        let status = if reason.is_some() { "trouble" } else { "ok" };
        Self {
            status,
            reason,
            since,
            waiting_for: waits.into_iter().map(|(_, outage)| outage).collect(),
            paused: state.pause.clone(),
            simulated: state.simulated,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.reason.is_none()
    }
}

/// What jobs wait for, the most important first, each with one line. Failed jobs and jobs held by a budget do not count.
pub(super) fn waits(state: &MetricsState) -> Vec<(String, Outage)> {
    let outage = |dependency, since, reason: &str| Outage { dependency, since, reason: reason.to_owned() };
    let mut waits: Vec<(String, Outage)> = Vec::new();
    let mut add = |line: String, outage: Outage| {
        if waits.iter().all(|(_, known)| known.dependency != outage.dependency) {
            waits.push((line, outage));
        }
    };
    if let Some(waiting) = &state.waiting {
        add(format!("waiting: {}", waiting.reason), waiting.clone());
        // Nothing else is known before the start.
        return waits;
    }
    for blocked in &state.blocked {
        add(format!("intake paused: {}", blocked.reason), blocked.clone());
    }
    match &state.store {
        None => {
            let reason = "waiting for the store";
            add(reason.to_owned(), outage(Dependency::Store, state.started, reason));
        }
        Some((ConnectionState::Disconnected { reason, .. }, since)) => {
            add(format!("store unreachable: {reason}"), outage(Dependency::Store, *since, reason));
        }
        Some((ConnectionState::Connected, _)) => {}
    }
    if let Some(temporal) = &state.temporal {
        if let ConnectionState::Disconnected { reason, since, .. } = &temporal.server {
            add(format!("Temporal unreachable: {reason}"), outage(Dependency::Temporal, *since, reason));
        } else if let Some(conflict) = &temporal.conflict {
            add(conflict.reason.clone(), outage(Dependency::Temporal, conflict.since, &conflict.reason));
        }
    }
    for each in &state.outages {
        add(each.line(), each.clone());
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Event, Intake, QueueConflict, StoreAlarm, TemporalStatus};

    fn outage(dependency: Dependency, reason: &str, since: DateTime<Utc>) -> Outage {
        Outage { dependency, since, reason: reason.to_owned() }
    }

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
        let blocked = |reason, at| Event::Intake(Intake::AccountBlocked(outage(Dependency::Key, reason, at)));
        state.record(&blocked("the key was refused", now), now);
        assert_eq!(reason(&state).as_deref(), Some("intake paused: the key was refused"));
        let later = now + chrono::Duration::minutes(3);
        state.record(&blocked("still", later), later);
        assert_eq!(Health::of(&state).since, Some(now), "the start of the outage is kept");
        state.record(&Event::Intake(Intake::Open), now);
        state.set_waiting(Some(outage(Dependency::Bucket, "no bucket", now)));
        assert_eq!(reason(&state).as_deref(), Some("waiting: no bucket"));
        state.set_waiting(None);
        state.record(
            &Event::Connection(ConnectionState::Disconnected {
                since: now,
                reason: "no route".to_owned(),
                retry_at: None,
            }),
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
    #[test]
    fn each_dependency_is_reported_once() {
        let at = |minutes| DateTime::UNIX_EPOCH + chrono::Duration::minutes(minutes);
        let mut state = MetricsState::new(false, at(0));
        state.record(&Event::Connection(ConnectionState::Connected), at(0));
        let both = vec![
            outage(Dependency::Bucket, "no route", at(1)),
            outage(Dependency::Provider, "HTTP 503: try later", at(2)),
        ];
        state.record(&Event::Outages(both.clone()), at(3));
        let health = Health::of(&state);
        assert_eq!(health.reason.as_deref(), Some("bucket unreachable: no route"));
        assert_eq!((health.since, &health.waiting_for), (Some(at(1)), &both));
        let blocked = outage(Dependency::Bucket, "images cannot be stored: no route", at(4));
        state.record(&Event::Intake(Intake::AccountBlocked(blocked.clone())), at(4));
        assert_eq!(Health::of(&state).waiting_for, [blocked, both[1].clone()]);
        // An account problem is not solved because the bucket is lost meanwhile.
        let vague = outage(Dependency::Account, "no credits", at(6));
        for blocked in [outage(Dependency::Credits, "no credits", at(5)), vague] {
            state.record(&Event::Intake(Intake::AccountBlocked(blocked)), at(6));
        }
        let names: Vec<&str> = Health::of(&state).waiting_for.iter().map(|outage| outage.dependency.as_str()).collect();
        assert_eq!(names, ["bucket", "credits", "provider"]);
        state.record(&Event::Intake(Intake::Open), at(5));
        state.record(&Event::Outages(Vec::new()), at(5));
        assert!(Health::of(&state).is_ok() && Health::of(&state).waiting_for.is_empty());
    }
}

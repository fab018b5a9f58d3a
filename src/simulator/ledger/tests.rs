//! The ledger: what is recorded survives, and is recorded once.

use std::str::FromStr;

use super::*;
use crate::jobs::ImageFormat;
use crate::simulator::faults::FaultPlan;
use crate::simulator::images::Subject;
use crate::time::SystemClock;

fn ticket(id: &str, now: DateTime<Utc>, cost: &str) -> Arc<Ticket> {
    let subject = Subject { prompt: "fox\0\u{1b}".into(), seed: -3, width: 64, height: 32, format: ImageFormat::Webp };
    let faults = FaultPlan::in_prompt("[sim:slow][sim:truncated*3]");
    let cost = Decimal::from_str(cost).unwrap();
    Arc::new(Ticket::new(id.into(), "flux-2-pro".into(), subject, (now, now), faults, cost))
}

fn open(directory: &Path) -> (Ledger, Opened) {
    Ledger::open(Some(directory), None, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn ledger_survives_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let now = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap();
    let (ledger, opened) = open(directory.path());
    assert!(opened.tickets.is_empty() && opened.billed.is_empty());
    ledger.record(ticket("a", now, "4.5"), Some(now)).await.unwrap();
    ledger.record(ticket("old", now - chrono::TimeDelta::hours(25), "0.1"), Some(now)).await.unwrap();
    ledger.record(ticket("free", now, "9"), None).await.unwrap();
    ledger.close().await;
    assert_eq!(ledger.bill().await, Err(LedgerError::Closed));

    let (ledger, again) = open(directory.path());
    assert_eq!(again.secret, opened.secret);
    assert_eq!(again.tickets.iter().map(|ticket| ticket.id.as_str()).collect::<Vec<_>>(), ["a", "free"]);
    let (loaded, recorded) = (&again.tickets[0], ticket("a", now, "4.5"));
    assert_eq!((&loaded.subject, &loaded.faults, loaded.cost), (&recorded.subject, &recorded.faults, recorded.cost));
    assert_eq!((loaded.accepted_at, loaded.ready_at), (now, now));
    assert_eq!(again.billed.iter().map(|(credits, _)| *credits).sum::<Decimal>(), Decimal::from_str("4.6").unwrap());
    let bill = ledger.bill().await.unwrap();
    assert_eq!(bill.iter().map(|entry| entry.ticket.as_str()).collect::<Vec<_>>(), ["a", "old"]);
    assert_eq!(Ledger::read(directory.path()).unwrap(), bill);
}

#[tokio::test]
async fn ticket_is_billed_at_most_once() {
    let (ledger, _) = Ledger::open(None, None, Arc::new(SystemClock)).unwrap();
    let now = Utc::now();
    ledger.record(ticket("a", now, "1"), Some(now)).await.unwrap();
    assert!(matches!(ledger.record(ticket("a", now, "1"), Some(now)).await, Err(LedgerError::Database(_))));
    ledger.record(ticket("later", now, "1"), Some(now + chrono::TimeDelta::hours(1))).await.unwrap();
    assert_eq!(ledger.bill().await.unwrap().len(), 1, "what is due later is not on the bill yet");
}

#[test]
fn newer_schema_and_missing_file_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Ledger::read(directory.path()).is_err());
    let file = directory.path().join(FILE);
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = Ledger::open(Some(directory.path()), None, Arc::new(SystemClock)).unwrap_err();
    assert_eq!(error, LedgerError::Newer(2));
}

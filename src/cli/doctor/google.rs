//! Checks of Google's services beyond connectivity: identity, permissions, indexes, clock.

use std::time::Duration;

use chrono::TimeDelta;
use url::Url;

use super::Check;
use super::probe::{emulator, server_time};
use crate::config::{BucketKind, Config, StoreKind};
use crate::wiring::{self, Identity};

/// A larger clock difference breaks claims, signed URLs and the order of documents.
const MAX_SKEW: TimeDelta = TimeDelta::seconds(5);

/// Timeout of a connection to an emulator.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Google's own service.
const STORAGE: &str = "https://storage.googleapis.com/";

/// The identity for Google's services; `None` where none of them is used.
pub(super) fn credentials(config: &Config) -> Option<Check> {
    const NAME: &str = "credentials";
    let google = &config.google;
    let documents = config.store == StoreKind::Firestore && google.firestore_emulator.is_none();
    let images = config.bucket == BucketKind::Gcs && google.storage_emulator.is_none();
    if !documents && !images {
        return None;
    }
    let check = match wiring::identity(config) {
        Err(error) => Check::problem(
            NAME,
            error.to_string(),
            "set it to the key file of a service account, or unset it and run `gcloud auth application-default login`",
        ),
        Ok(Identity::Default) => Check::ok(
            NAME,
            "GOOGLE_APPLICATION_CREDENTIALS is not set: gcloud's login or the machine's identity is used",
        ),
        Ok(Identity::File { kind, email, project }) => {
            let who = email.map_or(kind.clone(), |email| format!("{kind} {email}"));
            match (project, &google.project) {
                (Some(theirs), Some(ours)) if theirs != *ours => {
                    Check::ok(NAME, format!("{who} belongs to project {theirs}, not {ours}: it needs a role in {ours}"))
                }
                _ => Check::ok(NAME, who),
            }
        }
    };
    Some(check)
}

/// Permissions, indexes and clock of a shared store; empty for a local one.
pub(super) async fn store(config: &Config) -> Vec<Check> {
    let Some(health) = wiring::store_health(config).await else { return Vec::new() };
    let google = &config.google;
    // An emulator accepts every query.
    let unknown = if google.firestore_emulator.is_some() { " (an emulator needs none)" } else { "" };
    vec![
        match health.owner {
            Ok(line) => Check::ok("store owner", line),
            Err(why) => Check::problem("store owner", why, "no job runs here until then; reading works"),
        },
        match health.writes {
            Ok(()) => Check::ok("store writes", "documents can be created, changed and deleted"),
            Err(why) => Check::problem(
                "store writes",
                why,
                "writing needs datastore.entities.create, .update and .delete: the role Cloud Datastore User has them",
            ),
        },
        match health.indexes {
            Ok(()) => Check::ok("store indexes", format!("the indexes of lists and queues exist{unknown}")),
            Err(why) => Check::problem("store indexes", why, "lists by status need it"),
        },
        match health.skew {
            Ok(skew) => skewed("store clock", "Firestore", skew),
            Err(why) => {
                Check::problem("store clock", format!("Firestore's time is unknown: {why}"), "see the store check")
            }
        },
    ]
}

/// The clock difference to Cloud Storage, which matters for signed URLs; `None` where the store's clock was checked.
pub(super) async fn bucket_clock(config: &Config) -> Option<Check> {
    const NAME: &str = "bucket clock";
    if config.bucket != BucketKind::Gcs || config.store == StoreKind::Firestore {
        return None;
    }
    let host = config.google.storage_emulator.as_deref();
    let host = host.map(|host| if host.contains("://") { host.to_owned() } else { format!("http://{host}") });
    let time = match Url::parse(host.as_deref().unwrap_or(STORAGE)) {
        Ok(address) => server_time(&address).await,
        Err(error) => Err(error.to_string()),
    };
    Some(match time {
        // The header has a resolution of one second.
        Ok(server) => skewed(NAME, "Cloud Storage", chrono::Utc::now() - server),
        Err(why) => Check::problem(NAME, format!("Cloud Storage's time is unknown: {why}"), "see the bucket check"),
    })
}

/// Advice where nothing listens at an emulator's address; `None` where it listens or is not configured.
pub(super) async fn emulator_advice(emulator: Option<&String>, variable: &str) -> Option<String> {
    let host = emulator?;
    let host = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest).trim_end_matches('/');
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::TcpStream::connect(host)).await;
    if matches!(connected, Ok(Ok(_))) {
        return None;
    }
    Some(format!("connection refused: start the emulator (`darkroom dev`) or unset {variable}"))
}

/// The location of a shared store; empty for a local one.
pub(super) fn store_place(config: &Config) -> String {
    let google = &config.google;
    match (config.store, &google.project) {
        (StoreKind::Firestore, Some(project)) => {
            let at = emulator(google.firestore_emulator.as_ref());
            format!("Firestore{at}, project {project}, database {}: ", google.database)
        }
        _ => String::new(),
    }
}

fn skewed(name: &'static str, whose: &str, skew: TimeDelta) -> Check {
    let seconds = skew.as_seconds_f64();
    let line = format!("{:.1} s {} {whose}", seconds.abs(), if seconds < 0.0 { "behind" } else { "ahead of" });
    if skew.abs() <= MAX_SKEW {
        Check::ok(name, line)
    } else {
        Check::problem(name, line, "synchronize this machine's clock (NTP)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_skew_beyond_the_limit_is_a_problem() {
        let check = |millis| skewed("store clock", "Firestore", TimeDelta::milliseconds(millis));
        assert!(check(4_900).ok && check(-4_900).ok);
        let (ahead, behind) = (check(5_100), check(-3_600_000));
        assert!(!ahead.ok && ahead.message == "5.1 s ahead of Firestore", "{ahead:?}");
        assert!(!behind.ok && behind.message == "3600.0 s behind Firestore", "{behind:?}");
    }
}

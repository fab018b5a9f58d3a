//! Owns the checks of Google's services beyond "it answers": who we are there, what we may do, the indexes, the clock.

use std::time::Duration;

use chrono::TimeDelta;
use url::Url;

use super::Check;
use super::checks::{emulator, server_time};
use crate::config::{BucketKind, Config, StoreKind};
use crate::wiring::{self, Identity};

/// Claims, signed URLs and the order of documents are spoilt by a clock that is further off than this.
const MOST_SKEW: TimeDelta = TimeDelta::seconds(5);

/// How long an emulator may take to take a connection; it is near.
const PATIENCE: Duration = Duration::from_secs(3);

/// Google's storage, where no emulator stands for it.
const STORAGE: &str = "https://storage.googleapis.com/";

/// Who we are for Google, where somebody there asks.
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
            "name the key file of a service account, or unset it and run `gcloud auth application-default login`",
        ),
        Ok(Identity::Default) => {
            Check::ok(NAME, "no file is named: those of `gcloud auth application-default login`, or this machine's own")
        }
        Ok(Identity::File { kind, email, project }) => {
            let who = email.map_or(kind.clone(), |email| format!("{kind} {email}"));
            match (project, &google.project) {
                (Some(theirs), Some(ours)) if theirs != *ours => Check::ok(
                    NAME,
                    format!(
                        "{who} is of the project {theirs}, not of {ours}: it must have been given its rights there"
                    ),
                ),
                _ => Check::ok(NAME, who),
            }
        }
    };
    Some(check)
}

/// What a shared store lets us do beyond reading; nothing for one on this machine.
pub(super) async fn store(config: &Config) -> Vec<Check> {
    let Some(health) = wiring::store_health(config).await else { return Vec::new() };
    let google = &config.google;
    // An emulator takes every query.
    let unknown = if google.firestore_emulator.is_some() { " (an emulator asks for none)" } else { "" };
    vec![
        match health.writes {
            Ok(()) => Check::ok("store writes", "documents can be made, changed and deleted"),
            Err(why) => Check::problem(
                "store writes",
                why,
                "writing needs datastore.entities.create, .update and .delete: the role Cloud Datastore User has them",
            ),
        },
        match health.indexes {
            Ok(()) => Check::ok("store indexes", format!("the indexes that pages and queues need are there{unknown}")),
            Err(why) => Check::problem("store indexes", why, "lists by status do not work without it"),
        },
        match health.skew {
            Ok(skew) => skewed("store clock", "Firestore", skew),
            Err(why) => {
                Check::problem("store clock", format!("Firestore's time is not known: {why}"), "see the store's line")
            }
        },
    ]
}

/// The clock against Cloud Storage, which looks at it where URLs are signed; nothing where the store's was looked at.
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
        // The header has whole seconds.
        Ok(server) => skewed(NAME, "Cloud Storage", chrono::Utc::now() - server),
        Err(why) => Check::problem(NAME, format!("Cloud Storage's time is not known: {why}"), "see the bucket's line"),
    })
}

/// What to do where nobody listens at an emulator's address; nothing where somebody does, or none is named.
pub(super) async fn silent(emulator: Option<&String>, variable: &str) -> Option<String> {
    let host = emulator?;
    let host = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest).trim_end_matches('/');
    let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(host)).await;
    if matches!(connected, Ok(Ok(_))) {
        return None;
    }
    Some(format!("nobody listens there: start it (`darkroom dev`), or unset {variable}"))
}

/// Where a shared store is; nothing for one on this machine.
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
    let line = format!("{:.1} s {} {whose}'s", seconds.abs(), if seconds < 0.0 { "behind" } else { "before" });
    if skew.abs() <= MOST_SKEW {
        Check::ok(name, line)
    } else {
        Check::problem(name, line, "set this machine's clock (NTP)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_some_seconds_off_is_a_problem() {
        let check = |millis| skewed("store clock", "Firestore", TimeDelta::milliseconds(millis));
        assert!(check(4_900).ok && check(-4_900).ok);
        let (before, behind) = (check(5_100), check(-3_600_000));
        assert!(!before.ok && before.message == "5.1 s before Firestore's", "{before:?}");
        assert!(!behind.ok && behind.message == "3600.0 s behind Firestore's", "{behind:?}");
    }
}

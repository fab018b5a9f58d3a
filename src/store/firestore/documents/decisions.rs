//! The decisions of the shared schema, as a table: what the one reader makes of each document, in the store and in a file.
//!
//! Before, a file and the store were read by two readers. Where they differed, `before` says how: the file's result, then the store's.
//! Money is strict, times are lenient, and results that a status does not need are ignored where they have the wrong type.

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use serde_json::{Value as Json, json};

use super::{Defaults, json as codec, parse, value};
use crate::jobs::Job;
use crate::store::firestore::ledger::entries::parse_entry;
use crate::store::schema::{CostEntry, Defaults as FileDefaults, Fields, JobEntry};

/// When the documents without a time of their own were written.
fn written() -> DateTime<Utc> {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn fields(json: &Json) -> Fields {
    json.as_object().unwrap().clone()
}

fn stored(json: &Json) -> Document {
    let at = Some(value::timestamp(written()));
    let fields = codec::from_json(&fields(json));
    Document { name: "p/documents/x/a".to_owned(), fields, create_time: at, update_time: at }
}

fn from_store(json: &Json) -> Result<Job, String> {
    let defaults =
        Defaults { model: "flux-dev".to_owned(), output_format: None, simulated: false, hold_external: false };
    let content = parse(&stored(json), &defaults).unwrap().content;
    content.map(|loaded| Job { revision: 0, ..loaded.job })
}

fn from_file(json: &Json) -> Result<Job, String> {
    let defaults = FileDefaults { model: "flux-dev".to_owned(), now: written() };
    JobEntry::read(Some("a"), codec::to_json(&stored(json).fields), &defaults).map(|entry| entry.job)
}

/// A pending document with one more field.
fn pending(name: &str, value: Json) -> Json {
    let mut document = json!({"status": "pending_art_generation", "prompt": "a fox"});
    document[name] = value;
    document
}

/// A failed document with one more field.
fn failed(name: &str, value: Json) -> Json {
    let mut document = json!({"status": "error", "prompt": "a fox"});
    document[name] = value;
    document
}

fn reviewed(name: &str, value: Json) -> Json {
    let mut document =
        json!({"status": "pending_review", "prompt": "a fox", "generatedImageUrl": "https://x.example/y.png"});
    document[name] = value;
    document
}

#[test]
fn created_at_is_read_in_every_common_form() {
    let noon = "2026-11-22T12:00:00Z";
    // Before: a file was read as today; the store rejected numbers and maps, and texts with a zone name, or a date alone.
    for (value, expected) in [
        (json!({"$timestamp": noon}), noon),
        (json!(noon), noon),
        (json!("2026-11-22T13:00:00.000+01:00"), noon),
        (json!("2026-11-22 12:00:00"), noon),
        (json!("2026-11-22 12:00:00 UTC"), noon),
        (json!("2026-11-22"), "2026-11-22T00:00:00Z"),
        (json!(1_795_348_800), noon),
        (json!(1_795_348_800.0), noon),
        (json!(1_795_348_800_000_i64), noon),
        (json!("1795348800"), noon),
        (json!({"_seconds": 1_795_348_800, "_nanoseconds": 0}), noon),
    ] {
        let document = pending("createdAt", value);
        let expected: DateTime<Utc> = expected.parse().unwrap();
        assert_eq!(from_store(&document).unwrap().created_at, expected, "{document}");
        assert_eq!(from_file(&document).unwrap().created_at, expected, "{document}");
    }
}

#[test]
fn unusable_created_at_falls_back_in_the_store() {
    // Before: the store rejected all but the absent ones. A file's author can correct the file.
    for (value, file) in [
        (json!(null), true),
        (json!("soon"), false),
        (json!(true), false),
        (json!({"a": 1}), false),
        (json!([1]), false),
        (json!(-5), false),
        (json!({"$timestamp": "0001-01-01T00:00:00Z"}), false),
    ] {
        let document = pending("createdAt", value);
        assert_eq!(from_store(&document).unwrap().created_at, written(), "{document}");
        assert_eq!(from_file(&document).is_ok(), file, "{document}");
    }
}

/// A document, and its result: `Ok` with what is checked of the job, or `Err` with a part of the reason.
type Case = (Json, Result<Json, &'static str>);

fn check(cases: Vec<Case>) {
    for (document, expected) in cases {
        let (store, file) = (from_store(&document), from_file(&document));
        match expected {
            Ok(expected) => {
                let seen = |job: Job| {
                    let cost = job.cost().map(|cost| cost.to_string());
                    let image = job.image().map(|image| image.bytes);
                    json!({"stage": job.stage_name().as_str(), "cost": cost, "bytes": image, "seed": job.spec.parameters["seed"]})
                };
                for read in [store, file] {
                    let seen = seen(read.unwrap_or_else(|why| panic!("{document}: {why}")));
                    for (name, value) in expected.as_object().unwrap() {
                        assert_eq!(&seen[name], value, "{name} of {document}");
                    }
                }
            }
            Err(expected) => {
                for read in [store, file] {
                    let why = read.expect_err(&document.to_string());
                    assert!(why.contains(expected), "{document}: '{why}' lacks '{expected}'");
                }
            }
        }
    }
}

#[test]
fn requests_are_lenient_where_unambiguous() {
    check(vec![
        (pending("seed", json!("7")), Ok(json!({"seed": 7}))),
        (pending("seed", json!(7.0)), Ok(json!({"seed": 7}))),
        // Before: rejected by both readers.
        (pending("seed", json!(42.5)), Ok(json!({"seed": 43}))),
        (pending("seed", json!("42.4")), Ok(json!({"seed": 42}))),
        (pending("steps", json!("many")), Err("steps is 'many'; expected a whole number")),
        (pending("steps", json!([28])), Err("steps is a list; expected a whole number")),
        (pending("prompt", json!(7)), Err("prompt is 7; expected text")),
        (pending("prompt", json!(null)), Err("without a prompt")),
        (pending("status", json!(null)), Err("has no status")),
        (
            pending("status", json!("dreaming")),
            Err("status 'dreaming' is not known; one of: pending_art_generation, processing"),
        ),
        (pending("darkroom", json!("mine")), Err("darkroom is text; expected a map")),
    ]);
}

#[test]
fn unneeded_results_of_wrong_type_are_ignored() {
    check(vec![
        (reviewed("image_size_bytes", json!(99)), Ok(json!({"stage": "done", "bytes": 99}))),
        // Before: 99 and unknown.
        (reviewed("image_size_bytes", json!("99")), Ok(json!({"stage": "done", "bytes": 99}))),
        // Before: rejected and ignored, and so for the next four.
        (reviewed("image_size_bytes", json!([99])), Ok(json!({"stage": "done", "bytes": 0}))),
        (failed("errorMessage", json!(5)), Ok(json!({"stage": "failed"}))),
        (failed("bfl_model", json!(5)), Ok(json!({"stage": "failed"}))),
        (failed("generatedImageUrl", json!(5)), Ok(json!({"stage": "failed", "bytes": null}))),
        (reviewed("generatedImageUrl", json!(5)), Err("generatedImageUrl is not a URL")),
        (reviewed("generatedImageUrl", json!(null)), Err("generatedImageUrl is not a URL")),
    ]);
}

#[test]
fn money_on_jobs_is_strict() {
    check(vec![
        (failed("bfl_cost_usd", json!(0.05)), Ok(json!({"cost": "0.05"}))),
        (failed("bfl_cost_usd", json!("0.05")), Ok(json!({"cost": "0.05"}))),
        // Before: the file was rejected, the store accepted each of them.
        (failed("bfl_cost_usd", json!(-0.05)), Err("bfl_cost_usd is -0.05; a charge cannot be negative")),
        (failed("bfl_cost_usd", json!(1_000_000.01)), Err("exceeds the limit of 1000000 dollars")),
        // Before: the file was rejected, the store had no amount.
        (failed("bfl_cost_usd", json!({"$double": "inf"})), Err("is not finite")),
        (failed("bfl_cost_usd", json!([1])), Err("expected a number of dollars")),
        // Before: the file was rejected, the store exact. Sums keep 24 decimals.
        (
            failed("storage_cost_usd", json!(1.234_567_890_123_456_7e-12)),
            Ok(json!({"cost": "0.000000000001234567890123"})),
        ),
    ]);
}

/// An entry with one field replaced.
fn entry(name: &str, value: Json) -> Json {
    let at = json!({"$timestamp": "2026-11-22T12:00:00Z"});
    let mut entry = json!({"job_id": "a", "service": "bfl_api", "cost_usd": 0.025, "timestamp": at});
    entry[name] = value;
    entry
}

#[test]
fn entries_have_one_reader() {
    let noon = json!("2026-11-22T12:00:00.000000Z");
    let cases: Vec<Case> = vec![
        (entry("details", json!({"success": true})), Ok(json!({"usd": "0.025", "cause": "picture", "attempt": 0}))),
        // Before: the store did not know the cause.
        (entry("details", json!({"success": false})), Ok(json!({"cause": "failed"}))),
        // Before: the store believed the attempt under another program's id.
        (entry("details", json!({"attempt": 7})), Ok(json!({"attempt": 0, "cause": "recorded"}))),
        // Before: the store rejected it.
        (entry("timestamp", json!(1_795_348_800)), Ok(json!({"at": noon}))),
        (entry("timestamp", json!("2026-11-22 12:00:00")), Ok(json!({"at": noon}))),
        (entry("cost_usd", json!("0.025")), Ok(json!({"usd": "0.025"}))),
        (entry("cost_usd", json!(1.234_567_890_123_456_7e-12)), Ok(json!({"usd": "0.000000000001234567890123"}))),
        // Before: the store added up each of these.
        (entry("cost_usd", json!(-5)), Err("cost_usd is -5; a charge cannot be negative")),
        (entry("cost_usd", json!(1_000_001)), Err("exceeds the limit")),
        (entry("cost_usd", json!({"$double": "NaN"})), Err("is not finite")),
        (entry("details", json!({"amount": "0.03"})), Err("cost_usd is 0.025, but details.amount is 0.03")),
        (entry("details", json!("x")), Err("details is text; expected a map")),
        (entry("details", json!({"steps": "28"})), Err("details.steps")),
        (entry("job_id", json!(null)), Err("job_id is missing")),
        (entry("service", json!("openai")), Err("service is 'openai'")),
        (entry("timestamp", json!(null)), Err("timestamp is missing")),
        (entry("timestamp", json!("soon")), Err("timestamp is 'soon'")),
    ];
    for (document, expected) in cases {
        let in_store = parse_entry(&stored(&document)).map(|(_, row)| row);
        let in_file = CostEntry::read(Some("a"), codec::to_json(&stored(&document).fields)).map(|entry| entry.row());
        assert_eq!(in_store, in_file, "{document}");
        match (in_store, expected) {
            (Ok(row), Ok(expected)) => {
                let at = crate::store::schema::format_time(row.at);
                let usd = row.amount.map(|amount| amount.to_string());
                let seen = json!({"usd": usd, "cause": row.cause, "attempt": row.attempt, "at": at});
                for (name, value) in expected.as_object().unwrap() {
                    assert_eq!(&seen[name], value, "{name} of {document}");
                }
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{document}: '{why}' lacks '{expected}'"),
            (read, _) => panic!("{document}: {read:?}"),
        }
    }
    // Without an amount it is a charge that is no cost yet: in the store's open charges only.
    let open = entry("cost_usd", json!(null));
    assert_eq!(parse_entry(&stored(&open)).unwrap().1.amount, None);
    assert!(CostEntry::read(Some("a"), codec::to_json(&stored(&open).fields)).is_err());
}

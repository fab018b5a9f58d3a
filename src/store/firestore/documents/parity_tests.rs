//! That what this adapter reads and writes and what files carry are one contract: both tell the same jobs and the same entries.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::Document;
use serde_json::{Value as Json, json};

use crate::store::schema;
use crate::store::schema::{costs_of, entry_id, job_fields, Defaults as FileDefaults, JobEntry};
use crate::store::firestore::documents;
use crate::store::firestore::documents::{Defaults, DocumentWrite};
use crate::store::firestore::ledger::entries;
use crate::store::firestore::documents::{json, value};
use crate::costs::{Basis, Charge, Service};
use crate::jobs::{ImageFormat, Job, JobId, ObjectName, Outcome, Spec, Stage, StoredImage};

const SAMPLES: &str = include_str!("../../../../tests/samples/old-backend-jobs.json");

fn wishes() -> Vec<Json> {
    let at = "2026-11-22T12:00:00.000000Z";
    vec![
        json!({"id": "a", "status": "pending_art_generation", "prompt": "a", "createdAt": at}),
        json!({"id": "a", "status": "pending_art_generation", "prompt": "a", "createdAt": at, "model": "flux_dev", "steps": 30.0,
               "guidance": 3.5, "seed": "7", "safetyTolerance": 6, "promptUpsampling": "TRUE", "aspectRatio": "9:16"}),
        json!({"id": "a", "status": "processing", "prompt": "a", "createdAt": at, "model": "flux-kontext-pro", "aspectRatio": "1:1"}),
        json!({"id": "a", "status": "error", "prompt": "a", "createdAt": at, "model": "unknown", "bfl_cost_usd": 0.05}),
        json!({"id": "a", "status": "approved", "createdAt": at, "generatedImageUrl": "https://x.example/generated-art/y.webp?z",
               "bfl_model": "flux-2-pro", "storage_cost_usd": 5e-6}),
        json!({"id": "a", "status": "pending_art_generation", "prompt": "a", "createdAt": at, "bfl_cost_usd": 1}),
    ]
}

#[test]
fn a_document_of_another_program_is_the_same_job_in_a_file_and_in_the_store() {
    let samples: Vec<Json> = serde_json::from_str(SAMPLES).unwrap();
    for sample in samples.into_iter().chain(wishes()) {
        let mut fields = sample.as_object().unwrap().clone();
        let id = fields.remove("id").unwrap().as_str().unwrap().to_owned();
        let now = chrono::DateTime::UNIX_EPOCH;
        let file = FileDefaults { model: "flux-dev".to_owned(), now };
        let entry = JobEntry::read(Some(&id), fields, &file).unwrap();
        let written = Some(value::timestamp(entry.job.created_at));
        let stored = Document {
            name: format!("p/documents/jobs/{id}"),
            fields: json::from_json(&entry.fields),
            create_time: written,
            update_time: written,
        };
        let defaults = Defaults { model: "flux-dev".to_owned(), simulated: false };
        let read = documents::read(&stored, &defaults).unwrap().content.unwrap();
        assert_eq!(Job { revision: 0, ..read.job }, entry.job, "{sample}");
    }
}

#[test]
fn a_job_and_its_entries_are_told_to_a_file_as_they_are_written_to_the_store() {
    let now = "2026-11-22T12:00:00.123456Z".parse().unwrap();
    let spec = Spec::new("flux-dev", "a fox").with("steps", 28).with("guidance", 3.5).with("disable_pup", true);
    let mut done = Job::new(JobId::new("job 1/".replace('/', "_")).unwrap(), spec, true, now);
    let charge = |service, amount: &str, basis| Charge {
        service,
        amount: Some(amount.parse().unwrap()),
        basis,
        model: "flux-dev".to_owned(),
        at: now,
        simulated: true,
    };
    done.attempts[0].charge = Some(charge(Service::BflApi, "0.025", Basis::Settled));
    done.attempts[0].storage_charge =
        Some(charge(Service::GoogleStorage, "0.000005000345210234324611", Basis::Estimated));
    let object = ObjectName::for_attempt(&done.id, 1, ImageFormat::Png);
    let (url, sha256) = ("https://x.example/y.png".to_owned(), String::new());
    let image = StoredImage { object, url, format: ImageFormat::Png, width: 1, height: 1, bytes: 99, sha256 };
    let failed = Job { stage: Stage::Cancelled, ..done.clone() };
    done.attempts[0].outcome = Some(Outcome::Done { image: image.clone() });
    done.stage = Stage::Approved { image };
    for job in [done, failed] {
        let mut written = DocumentWrite::new(&job).unwrap().fields;
        written.remove("darkroom");
        assert_eq!(json::to_json(&written), job_fields(&job));
        let told: HashMap<String, schema::Fields> =
            costs_of(&job).into_iter().map(|entry| (entry.id, entry.fields)).collect();
        let rows = entries::rows_of(&job);
        assert_eq!(told.len(), rows.len());
        for row in rows {
            let (fields, _) = entries::entry_fields(&job, &row);
            assert_eq!(told[&entry_id(job.id.as_str(), row.attempt, row.service)], json::to_json(&fields));
        }
    }
}

#[test]
fn list_differences() {
    let all: Json = serde_json::from_str(include_str!("spec_documents.json")).unwrap();
    let now = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    for (name, fields) in all["jobs"].as_object().unwrap() {
        let fields = fields.as_object().unwrap().clone();
        let stored = json::from_json(&fields);
        let file = FileDefaults { model: "flux-dev".to_owned(), now };
        let entry = JobEntry::read(Some("a"), json::to_json(&stored), &file).map(|entry| entry.job);
        let at = Some(value::timestamp(now));
        let document = Document { name: "p/documents/jobs/a".into(), fields: stored, create_time: at, update_time: at };
        let read = documents::read(&document, &Defaults { model: "flux-dev".to_owned(), simulated: false }).unwrap();
        let read = read.content.map(|known| Job { revision: 0, ..known.job });
        if entry == read {
            continue;
        }
        println!("JOB {name}\n   file  {entry:?}\n   store {read:?}");
    }
    for (name, fields) in all["costs"].as_object().unwrap() {
        let fields = fields.as_object().unwrap().clone();
        let stored = json::from_json(&fields);
        let entry = schema::CostEntry::read(Some("other"), json::to_json(&stored));
        let entry = entry.map(|e| format!("{:?} {} {:?} {} {} {:?} {}", e.service, e.amount, e.basis, e.at, e.model, e.attempt, e.cause));
        let document = Document { name: "p/documents/costs/other".into(), fields: stored, ..Default::default() };
        let read = entries::read_entry(&document);
        let read = read.map(|(_, e)| format!("{:?} {:?} {:?} {} {} {:?} {}", e.service, e.amount.map(|x|x.to_string()), e.basis, e.at, e.model, e.attempt, e.cause));
        println!("COST {name}\n   file  {entry:?}\n   store {read:?}");
    }
}

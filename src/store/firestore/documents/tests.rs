//! The mapping against documents as other programs write them.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::prost::Message;
use serde_json::{Value as Json, json};

use super::value::{self, Fields};
use super::{BaseVersion, Defaults, DocumentWrite, LoadedJob, json as codec, parse};
use crate::costs::{Basis, Charge, Credits, Service};
use crate::jobs::{
    BillingStatus, Claim, Failure, FailureCode, Hold, ImageFormat, Job, JobId, ObjectName, Outcome, Receipt, Spec,
    Stage, StageName, StepName, StoredImage, Ticket, WorkerId,
};
use crate::store::charges::charges_of;

const SAMPLES: &str = include_str!("../../../../tests/samples/old-backend-jobs.json");

fn defaults() -> Defaults {
    Defaults { model: "flux-dev".to_owned(), output_format: None, simulated: false, hold_external: false }
}

fn fields(json: &Json) -> Fields {
    codec::from_json(json.as_object().unwrap())
}

fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    match value::content(&document.fields, name)? {
        ValueType::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A document that was written at second 1,000.
fn document(id: &str, fields: Fields) -> Document {
    let at = value::from_nanoseconds(1_000_000_001_000);
    Document { name: format!("p/documents/jobs/{id}"), fields, create_time: Some(at), update_time: Some(at) }
}

fn loaded(document: &Document) -> LoadedJob {
    *parse(document, &defaults()).unwrap().content.unwrap()
}

fn external(json: &Json) -> Result<Job, String> {
    parse(&document("a", fields(json)), &defaults()).unwrap().content.map(|known| known.job)
}

/// The document after a save.
fn apply(document: &mut Document, write: DocumentWrite) {
    let mut new = write.fields;
    for path in write.mask {
        let Some((_, inner)) = path.split_once('.') else {
            match new.remove(&path) {
                Some(value) => _ = document.fields.insert(path, value),
                None => _ = document.fields.remove(&path),
            }
            continue;
        };
        let ours = value::map_of(&new, "darkroom").unwrap().get(inner).cloned();
        let map = document.fields.entry("darkroom".to_owned()).or_insert_with(|| value::map(HashMap::new()));
        let Some(ValueType::MapValue(map)) = map.value_type.as_mut() else { panic!() };
        match ours {
            Some(value) => _ = map.fields.insert(inner.to_owned(), value),
            None => _ = map.fields.remove(inner),
        }
    }
}

fn now() -> chrono::DateTime<chrono::Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

#[test]
fn sample_documents_of_an_old_backend_are_read() {
    let samples: Vec<Json> = serde_json::from_str(SAMPLES).unwrap();
    assert_eq!(samples.len(), 60);
    for sample in &samples {
        let mut request = fields(sample);
        let id = sample["id"].as_str().unwrap().to_owned();
        request.remove("id");
        let job = loaded(&document(&id, request)).job;
        let stage = if sample["status"] == "error" { StageName::Failed } else { StageName::Done };
        assert_eq!((job.id.as_str(), job.stage_name()), (id.as_str(), stage));
        assert_eq!(job.spec.model, "flux-dev", "flux_dev is an older spelling");
        assert!(job.spec.from_shared_store && !job.simulated);
        assert_eq!(
            (job.spec.parameters["width"].as_u64(), job.spec.parameters["height"].as_u64()),
            (Some(1344), Some(768))
        );
        assert_eq!(job.spec.parameters["seed"], sample["seed"]);
        assert_eq!(crate::catalog::Catalog::builtin().validate(&job.spec), []);
        // Errors that have an image all the same.
        assert_eq!(job.image().map(|image| image.url.as_str()), sample["generatedImageUrl"].as_str(), "{id}");
        let noted: f64 = ["bfl_cost_usd", "storage_cost_usd"].iter().filter_map(|name| sample[name].as_f64()).sum();
        let cost: f64 = job.cost().unwrap().to_string().parse().unwrap();
        assert!((cost - noted).abs() < 1e-12);
        assert_eq!(charges_of(&job), [], "another backend recorded its charges");
        if let Stage::Failed { failure } = &job.stage {
            assert_eq!(failure.message, sample["errorMessage"].as_str().unwrap());
        }
    }
}

#[test]
fn external_requests_are_held_by_simulators() {
    let holding = Defaults { hold_external: true, ..defaults() };
    let read = |document: &Document, defaults: &Defaults| parse(document, defaults).unwrap().content.unwrap().job;
    let mut page = document("a", fields(&json!({"status": "pending_art_generation", "prompt": "a fox"})));
    let held = read(&page, &holding);
    assert_eq!((held.hold(), held.external, held.simulated), (Some(&Hold::External), true, false));
    assert_eq!(read(&page, &defaults()).hold(), None, "the hold depends on the process");
    // An operator retried it: the document has a map of darkroom's own, and is still a request of the page.
    let base = loaded(&page).base;
    apply(&mut page, DocumentWrite::update(&held, &base).unwrap());
    assert_eq!(read(&page, &holding).hold(), Some(&Hold::External));
    assert_eq!(read(&page, &defaults()).hold(), None, "a stored hold of this kind has no effect");
    let own = Job::new(JobId::new("b").unwrap(), Spec::new("flux-dev", "a fox"), true, now());
    let mut document = document("b", Fields::new());
    apply(&mut document, DocumentWrite::new(&own).unwrap());
    let own = read(&document, &holding);
    assert_eq!((own.hold(), own.external, own.simulated), (None, false, true));
}

#[test]
fn only_backends_move_jobs_like_that() {
    let moved = |document: &Document| parse(document, &defaults()).unwrap().moved_by_backend.is_some();
    let url = "https://x.example/y.png";
    let statuses = ["pending_art_generation", "processing", "pending_review", "approved", "error"];
    for status in statuses {
        let document = document("a", fields(&json!({"status": status, "prompt": "a fox", "generatedImageUrl": url})));
        assert_eq!(moved(&document), status == "processing", "a document without darkroom's map: {status}");
    }
    let queued = Job::new(JobId::new("b").unwrap(), Spec::new("flux-dev", "a fox"), true, now());
    let mut submitting = queued.clone();
    let claim = Claim { worker: WorkerId::new("worker"), until: now() };
    submitting.begin_submit(claim, None, now()).unwrap();
    let mut cancelled = queued.clone();
    cancelled.cancel(now()).unwrap();
    for (job, suspicious) in [
        (queued, vec!["processing", "pending_review"]),
        (submitting, vec!["pending_review", "error"]),
        (cancelled, vec!["processing"]),
    ] {
        let mut document = document("b", Fields::new());
        apply(&mut document, DocumentWrite::new(&job).unwrap());
        assert!(!moved(&document), "as darkroom wrote it: {:?}", job.stage);
        for status in statuses {
            document.fields.insert("status".to_owned(), value::text(status));
            assert_eq!(moved(&document), suspicious.contains(&status), "{:?}, then {status}", job.stage);
        }
    }
}

#[test]
fn request_fields_are_read_leniently() {
    let job = external(&json!({
        "status": "pending_art_generation", "prompt": "a\u{1b}[2Jfox", "steps": "30", "guidance": "2.5", "seed": 7.0,
        "aspectRatio": "1:1", "promptUpsampling": "true", "safetyTolerance": 6.0, "createdAt": "2026-11-22T12:00:00Z",
        "model": "flux_dev", "extra": {"of": ["a", "page"]},
    }))
    .unwrap();
    let wanted = Spec { from_shared_store: true, ..Spec::new("flux-dev", "a\u{1b}[2Jfox") }
        .with("steps", 30)
        .with("guidance", 2.5)
        .with("seed", 7)
        .with("width", 1024)
        .with("height", 1024)
        .with("prompt_upsampling", true)
        .with("safety_tolerance", 6);
    assert_eq!(job.spec, wanted);
    assert_eq!((job.created_at, job.stage_name(), job.attempts.len()), (now(), StageName::Queued, 1));

    let bare = external(&json!({"status": "pending_art_generation", "prompt": "a fox"})).unwrap();
    let wanted = Spec { from_shared_store: true, ..Spec::new("flux-dev", "a fox") }
        .with("steps", 28)
        .with("guidance", 3)
        .with("seed", 42)
        .with("safety_tolerance", 2);
    assert_eq!(bare.spec, wanted, "the contract's own defaults");
    assert_eq!(bare.created_at.timestamp(), 1_000, "the document's own age");

    let pro = external(&json!({
        "status": "pending_art_generation", "prompt": "a fox", "model": "flux-2-pro", "promptUpsampling": false,
        "safetyTolerance": 6, "steps": 28, "guidance": 3.0, "aspectRatio": "9:16",
    }))
    .unwrap();
    let ignored = [("steps".to_owned(), json!(28)), ("guidance".to_owned(), json!(3))].into();
    let wanted = Spec { from_shared_store: true, ignored, ..Spec::new("flux-2-pro", "a fox") }
        .with("seed", 42)
        .with("width", 768)
        .with("height", 1344)
        .with("disable_pup", true)
        .with("safety_tolerance", 5);
    assert_eq!(pro.spec, wanted, "a model gets what it has");
}

/// A job of a web page that was run here, failed, and was saved; and its document.
fn finished() -> (Job, Document) {
    let mut document = document(
        "a",
        fields(&json!({"status": "pending_art_generation", "prompt": "a fox", "seed": 1, "pageField": {"kept": [1]}})),
    );
    let LoadedJob { mut job, base } = loaded(&document);
    job.reject(Failure::new(FailureCode::InvalidRequest, "no", BillingStatus::No, now()), now()).unwrap();
    apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
    (job, document)
}

#[test]
fn save_round_trips_and_keeps_other_fields() {
    let (job, document) = finished();
    assert_eq!(text(&document, "status"), Some("error"));
    assert_eq!(text(&document, "errorMessage"), Some("no"));
    assert_eq!(text(&document, "prompt"), Some("a fox"));
    assert_eq!(codec::to_json(&document.fields)["pageField"], json!({"kept": [1]}));
    assert_eq!(loaded(&document).job, job);
}

#[test]
fn repeated_request_becomes_a_new_attempt() {
    let (job, mut document) = finished();
    document.fields.insert("status".into(), value::text("pending_art_generation"));
    let again = loaded(&document).job;
    assert_eq!((again.stage_name(), again.attempt_number()), (StageName::Queued, 2));
    assert_eq!(again.spec, job.spec);
    document.fields.insert("seed".into(), value::double(2.0));
    let LoadedJob { job: mut changed, base } = loaded(&document);
    assert_eq!(changed.spec.parameters["seed"], 2);
    assert_eq!(changed.spec_of(&changed.attempts[0]).parameters["seed"], 1);
    // After a save the job follows the request.
    changed.not_before = Some(now());
    apply(&mut document, DocumentWrite::update(&changed, &base).unwrap());
    assert_eq!(loaded(&document).job, changed);
    assert!(value::content(&document.fields, "errorMessage").is_none());
}

#[test]
fn change_during_a_run_applies_to_the_next() {
    let request = fields(&json!({"status": "pending_art_generation", "prompt": "a fox", "seed": 1}));
    let mut document = document("a", request);
    let LoadedJob { mut job, base } = loaded(&document);
    let claim = Claim { worker: WorkerId::new("w"), until: now() };
    job.begin_submit(claim, None, now()).unwrap();
    apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
    document.fields.insert("seed".into(), value::integer(2));
    let LoadedJob { mut job, base } = loaded(&document);
    assert_eq!((job.stage_name(), &job.spec.parameters["seed"]), (StageName::Submitting, &json!(1)));
    job.reject_by_provider(Failure::new(FailureCode::InvalidRequest, "no", BillingStatus::No, now()), now()).unwrap();
    apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
    assert_eq!(loaded(&document).job.spec.parameters["seed"], 1);
    document.fields.insert("status".into(), value::text("pending_art_generation"));
    let again = loaded(&document).job;
    assert_eq!((again.attempt_number(), &again.spec.parameters["seed"]), (2, &json!(2)));
}

#[test]
fn running_job_is_read_under_any_status() {
    let mut document = document("a", fields(&json!({"status": "pending_art_generation", "prompt": "a fox"})));
    let LoadedJob { mut job, base } = loaded(&document);
    job.begin_submit(Claim { worker: WorkerId::new("w"), until: now() }, None, now()).unwrap();
    apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
    for status in [value::text("archived"), value::integer(3), value::text("approved"), value::text("error")] {
        document.fields.insert("status".into(), status);
        assert_eq!(loaded(&document).job, job);
    }
    document.fields.remove("status");
    assert_eq!(loaded(&document).job, job);
}

#[test]
fn request_with_an_open_charge_is_not_rejected() {
    let bad = |receipt: bool| {
        let json = json!({"status": "pending_art_generation", "prompt": "a fox"});
        let mut document = document("a", fields(&json));
        let LoadedJob { mut job, base } = loaded(&document);
        if receipt {
            job.attempts[0].charge = Some(Charge {
                service: Service::BflApi,
                amount: Some("0.03".parse().unwrap()),
                basis: Basis::Quoted,
                model: "flux-dev".to_owned(),
                at: now(),
                simulated: false,
            });
        }
        apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
        document.fields.insert("prompt".into(), value::integer(7));
        parse(&document, &defaults()).unwrap()
    };
    for paid in [true, false] {
        let parsed = bad(paid);
        assert!(parsed.content.is_err());
        assert_eq!(parsed.is_bad_request, !paid);
    }
}

#[test]
fn external_status_changes_are_followed() {
    let json = json!({
        "status": "pending_review", "prompt": "a", "generatedImageUrl": "https://x/generated-art/b.png", "generationCount": 1,
    });
    let mut document = document("a", fields(&json));
    let LoadedJob { job, base } = loaded(&document);
    apply(&mut document, DocumentWrite::update(&job, &base).unwrap());
    assert_eq!(loaded(&document).job.stage_name(), StageName::Done);
    document.fields.insert("status".into(), value::text("approved"));
    assert_eq!(loaded(&document).job.stage_name(), StageName::Approved);
    document.fields.insert("status".into(), value::text("processing"));
    let taken = loaded(&document).job;
    assert_eq!((taken.stage_name(), taken.attempt_number()), (StageName::Submitting, 2));
    assert!(taken.is_claimed(value::instant(&value::from_nanoseconds(1_000_000_001_000)).unwrap()));
}

#[test]
fn image_is_counted_once() {
    let mut document = document("a", fields(&json!({"status": "pending_art_generation", "prompt": "a fox"})));
    let LoadedJob { mut job, base } = loaded(&document);
    job.cancel(now()).unwrap();
    let write = DocumentWrite::update(&job, &base).unwrap();
    assert_eq!(write.transforms, []);
    apply(&mut document, write);
    assert_eq!(text(&document, "status"), Some("error"));
    assert_eq!(text(&document, "errorMessage"), Some("cancelled"));
    assert_eq!(loaded(&document).job.stage_name(), StageName::Cancelled);
    assert_eq!(
        value::time_of(&document.fields, "createdAt"),
        Some(job.created_at),
        "an undated document gets its date"
    );

    let image = external(&json!({"status": "pending_review", "generatedImageUrl": "https://x/b.webp"}))
        .unwrap()
        .image()
        .cloned();
    let mut job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-dev", "a"), true, now());
    job.stage = Stage::Done { image: image.clone().unwrap() };
    job.attempts[0].outcome = Some(Outcome::Done { image: image.unwrap() });
    let before = BaseVersion { images: 0, ..base };
    assert_eq!(DocumentWrite::update(&job, &before).unwrap().transforms.len(), 1);
    let after = BaseVersion { images: 1, ..before };
    assert_eq!(DocumentWrite::update(&job, &after).unwrap().transforms, []);
}

#[test]
fn long_prompt_is_stored_once() {
    let job = |length: usize| {
        let spec = Spec::new("flux-dev", "\u{1}x".repeat(length / 2)).with("seed", 1);
        Job::new(JobId::new("a").unwrap(), spec, true, now())
    };
    let long = job(500_000);
    let mut written = document("a", Fields::new());
    apply(&mut written, DocumentWrite::new(&long).unwrap());
    assert_eq!(Job { revision: 0, ..loaded(&written).job }, Job { revision: 0, ..long });
    assert!(DocumentWrite::new(&job(1_000_000)).is_err());
}

#[test]
fn darkroom_map_is_small_for_one_attempt() {
    let at = |second: i64| now() + chrono::TimeDelta::microseconds(second * 1_234_567);
    let id = "0193b2c4-7c1e-7d52-9d0e-5b8f3a6c2e11";
    let prompt = "A sailor reading a letter by the light of an oil lamp, rain on the window, shot on 35 mm film";
    let spec = Spec::new("flux-2-pro", prompt).with("width", 1344).with("height", 768).with("seed", 42);
    let mut job = Job::new(JobId::new(id).unwrap(), spec.with("safety_tolerance", 2), false, now());
    job.tags = vec!["campaign".to_owned()];
    let claim = Claim { worker: WorkerId::new("worker-12345-0f9a"), until: at(60) };
    job.begin_submit(claim.clone(), Some("0.03".parse().unwrap()), at(1)).unwrap();
    let receipt = Receipt {
        ticket: Ticket {
            id: "5d0c1a52-93f7-4f0e-8a53-0c9f3a6b7d21".to_owned(),
            polling_url: "https://api.us1.bfl.ai/v1/get_result?id=5d0c1a52-93f7-4f0e-8a53-0c9f3a6b7d21".to_owned(),
        },
        cost: Some(Credits::new("3".parse().unwrap())),
        input_megapixels: Some("0".parse().unwrap()),
        output_megapixels: Some("1.032".parse().unwrap()),
        accepted_at: at(2),
    };
    job.accept(receipt, None, at(2)).unwrap();
    job.claim = Some(claim);
    let attempt = &mut job.attempts[0];
    for (step, second) in StepName::ALL.into_iter().zip(0..) {
        attempt.begin(step, at(second));
        attempt.finish(step, at(second + 1));
    }
    let object = ObjectName::for_attempt(&job.id, 1, ImageFormat::Png);
    let url = format!("https://storage.googleapis.com/studio-images-prod/{object}");
    let sha256 = crate::jobs::sha256_hex(b"an image");
    let image =
        StoredImage { object, url, format: ImageFormat::Png, width: 1344, height: 768, bytes: 1_234_567, sha256 };
    let storage = Charge {
        service: Service::GoogleStorage,
        amount: Some("0.000005".parse().unwrap()),
        basis: Basis::Estimated,
        model: "flux-2-pro".to_owned(),
        at: at(9),
        simulated: false,
    };
    job.complete(image, Some(Credits::new("3".parse().unwrap())), Some(storage), at(9)).unwrap();
    let text = serde_json::to_string(&job).unwrap();
    let mut written = document(id, Fields::new());
    apply(&mut written, DocumentWrite::new(&job).unwrap());
    assert_eq!(loaded(&written).job.attempts, job.attempts);
    let size = written.fields["darkroom"].encoded_len() + "darkroom".len();
    assert!(text.len() > 2_000, "{} bytes of JSON are not a whole job", text.len());
    assert!(size < 1_500, "darkroom adds {size} bytes for {} bytes of JSON", text.len());
}

//! The mapping against documents as others write them.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, Document, MapValue, value::ValueType};
use serde_json::{Value as Json, json};

use super::super::value::{self, Fields, Value};
use super::{Base, Defaults, Draft, Known, read};
use crate::jobs::{BillingStatus, Failure, FailureCode, Job, JobId, Outcome, Spec, Stage, StageName};

const SAMPLES: &str = include_str!("../../../../tests/samples/old-backend-jobs.json");

fn defaults() -> Defaults {
    Defaults { model: "flux-dev".to_owned(), simulated: false }
}

fn typed(json: &Json) -> Value {
    let of = match json {
        Json::Null => ValueType::NullValue(0),
        Json::Bool(yes) => ValueType::BooleanValue(*yes),
        Json::Number(number) if number.is_i64() => ValueType::IntegerValue(number.as_i64().unwrap()),
        Json::Number(number) => ValueType::DoubleValue(number.as_f64().unwrap()),
        Json::String(text) => ValueType::StringValue(text.clone()),
        Json::Array(items) => ValueType::ArrayValue(ArrayValue { values: items.iter().map(typed).collect() }),
        Json::Object(_) => ValueType::MapValue(MapValue { fields: fields(json) }),
    };
    Value { value_type: Some(of) }
}

fn fields(json: &Json) -> Fields {
    json.as_object().unwrap().iter().map(|(name, json)| (name.clone(), typed(json))).collect()
}

/// A document that was written at second 1,000.
fn document(id: &str, fields: Fields) -> Document {
    let at = value::of_nanoseconds(1_000_000_001_000);
    Document { name: format!("p/documents/jobs/{id}"), fields, create_time: Some(at), update_time: Some(at) }
}

fn known(document: &Document) -> Known {
    *read(document, &defaults()).unwrap().content.unwrap()
}

fn foreign(json: &Json) -> Result<Job, String> {
    read(&document("a", fields(json)), &defaults()).unwrap().content.map(|known| known.job)
}

/// The document after a save.
fn apply(document: &mut Document, draft: Draft) {
    let mut new = draft.fields;
    for path in draft.mask {
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
fn all_that_an_old_backend_left_is_read_as_it_is() {
    let samples: Vec<Json> = serde_json::from_str(SAMPLES).unwrap();
    assert_eq!(samples.len(), 60);
    for sample in &samples {
        let mut wish = fields(sample);
        let id = value::text_of(&wish, "id").unwrap().to_owned();
        wish.remove("id");
        let job = known(&document(&id, wish)).job;
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
        assert_eq!(super::ledger::rows_of(&job), [], "its charges are booked already");
        if let Stage::Failed { failure } = &job.stage {
            assert_eq!(failure.message, sample["errorMessage"].as_str().unwrap());
        }
    }
}

#[test]
fn what_is_certain_is_read_leniently() {
    let job = foreign(&json!({
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

    let bare = foreign(&json!({"status": "pending_art_generation", "prompt": "a fox"})).unwrap();
    let wanted = Spec { from_shared_store: true, ..Spec::new("flux-dev", "a fox") }
        .with("steps", 28)
        .with("guidance", 3)
        .with("seed", 42)
        .with("safety_tolerance", 2);
    assert_eq!(bare.spec, wanted, "the contract's own defaults");
    assert_eq!(bare.created_at.timestamp(), 1_000, "the document's own age");

    let pro = foreign(&json!({
        "status": "pending_art_generation", "prompt": "a fox", "model": "flux-2-pro", "promptUpsampling": false,
        "safetyTolerance": 6, "steps": 28, "guidance": 3.0, "aspectRatio": "9:16",
    }))
    .unwrap();
    let wanted = Spec { from_shared_store: true, ..Spec::new("flux-2-pro", "a fox") }
        .with("seed", 42)
        .with("width", 768)
        .with("height", 1344)
        .with("disable_pup", true)
        .with("safety_tolerance", 5);
    assert_eq!(pro.spec, wanted, "a model gets what it has");
}

#[test]
fn what_is_not_certain_is_an_error_with_the_reason() {
    for (wish, why) in [
        (json!({}), "it has no status"),
        (json!({"status": 5}), "status is a number"),
        (json!({"status": "dreaming\u{7}"}), "'dreaming' is no status"),
        (json!({"status": "pending_art_generation"}), "without a prompt"),
        (json!({"status": "pending_art_generation", "prompt": ["a"]}), "prompt is a list"),
        (json!({"status": "pending_art_generation", "prompt": "a", "steps": "many"}), "steps is 'many'"),
        (json!({"status": "pending_art_generation", "prompt": "a", "steps": 28.5}), "steps is 28.5"),
        (json!({"status": "pending_art_generation", "prompt": "a", "aspectRatio": "wide"}), "aspectRatio 'wide'"),
        (json!({"status": "pending_art_generation", "prompt": "a", "createdAt": "soon"}), "createdAt is 'soon'"),
        (json!({"status": "pending_review", "prompt": "a"}), "generatedImageUrl"),
        (json!({"status": "pending_review", "darkroom": "mine"}), "darkroom is text"),
        (json!({"status": "pending_review", "darkroom": {"job": "{"}}), "darkroom.job"),
    ] {
        let found = foreign(&wish).unwrap_err();
        assert!(found.contains(why), "'{found}' does not say '{why}'");
    }
}

/// A job of a web page that was run here, failed, and was saved; and its document.
fn finished() -> (Job, Document) {
    let mut document = document(
        "a",
        fields(&json!({"status": "pending_art_generation", "prompt": "a fox", "seed": 1, "pageField": {"kept": [1]}})),
    );
    let Known { mut job, base } = known(&document);
    job.reject(Failure::new(FailureCode::InvalidRequest, "no", BillingStatus::No, now()), now()).unwrap();
    apply(&mut document, Draft::update(&job, &base).unwrap());
    (job, document)
}

#[test]
fn a_save_comes_back_and_touches_nothing_else() {
    let (job, document) = finished();
    assert_eq!(value::text_of(&document.fields, "status"), Some("error"));
    assert_eq!(value::text_of(&document.fields, "errorMessage"), Some("no"));
    assert_eq!(value::text_of(&document.fields, "prompt"), Some("a fox"));
    assert_eq!(value::to_json(&document.fields["pageField"]), json!({"kept": [1]}));
    assert_eq!(known(&document).job, job);
}

#[test]
fn a_page_that_asks_again_gets_a_new_attempt_with_what_it_asks_for() {
    let (job, mut document) = finished();
    document.fields.insert("status".into(), value::text("pending_art_generation"));
    let again = known(&document).job;
    assert_eq!((again.stage_name(), again.attempt_number()), (StageName::Queued, 2));
    assert_eq!(again.spec, job.spec);
    document.fields.insert("seed".into(), value::double(2.0));
    let Known { job: mut changed, base } = known(&document);
    assert_eq!(changed.spec.parameters["seed"], 2);
    assert_eq!(changed.spec_of(&changed.attempts[0]).parameters["seed"], 1);
    // Once it is taken up, the wish is no news any more.
    changed.not_before = Some(now());
    apply(&mut document, Draft::update(&changed, &base).unwrap());
    assert_eq!(known(&document).job, changed);
    assert!(value::content(&document.fields, "errorMessage").is_none());
}

#[test]
fn a_wish_changed_under_way_is_followed_when_somebody_asks_again() {
    let wish = fields(&json!({"status": "pending_art_generation", "prompt": "a fox", "seed": 1}));
    let mut document = document("a", wish);
    let Known { mut job, base } = known(&document);
    let claim = crate::jobs::Claim { worker: crate::jobs::WorkerId::new("w"), until: now() };
    job.begin_submit(claim, None, now()).unwrap();
    apply(&mut document, Draft::update(&job, &base).unwrap());
    document.fields.insert("seed".into(), value::integer(2));
    let Known { mut job, base } = known(&document);
    assert_eq!((job.stage_name(), &job.spec.parameters["seed"]), (StageName::Submitting, &json!(1)));
    job.reject_by_provider(Failure::new(FailureCode::InvalidRequest, "no", BillingStatus::No, now()), now()).unwrap();
    apply(&mut document, Draft::update(&job, &base).unwrap());
    assert_eq!(known(&document).job.spec.parameters["seed"], 1);
    document.fields.insert("status".into(), value::text("pending_art_generation"));
    let again = known(&document).job;
    assert_eq!((again.attempt_number(), &again.spec.parameters["seed"]), (2, &json!(2)));
}

#[test]
fn a_reviewer_and_another_backend_are_followed() {
    let json = json!({
        "status": "pending_review", "prompt": "a", "generatedImageUrl": "https://x/generated-art/b.png", "generationCount": 1,
    });
    let mut document = document("a", fields(&json));
    let Known { job, base } = known(&document);
    apply(&mut document, Draft::update(&job, &base).unwrap());
    assert_eq!(known(&document).job.stage_name(), StageName::Done);
    document.fields.insert("status".into(), value::text("approved"));
    assert_eq!(known(&document).job.stage_name(), StageName::Approved);
    document.fields.insert("status".into(), value::text("processing"));
    let taken = known(&document).job;
    assert_eq!((taken.stage_name(), taken.attempt_number()), (StageName::Submitting, 2));
    assert!(taken.is_claimed(value::instant(&value::of_nanoseconds(1_000_000_001_000)).unwrap()));
}

#[test]
fn an_image_counts_once_and_cancelled_is_an_error_for_others() {
    let mut document = document("a", fields(&json!({"status": "pending_art_generation", "prompt": "a fox"})));
    let Known { mut job, base } = known(&document);
    job.cancel(now()).unwrap();
    let draft = Draft::update(&job, &base).unwrap();
    assert_eq!(draft.transforms, []);
    apply(&mut document, draft);
    assert_eq!(value::text_of(&document.fields, "status"), Some("error"));
    assert_eq!(value::text_of(&document.fields, "errorMessage"), Some("cancelled"));
    assert_eq!(known(&document).job.stage_name(), StageName::Cancelled);
    assert_eq!(
        value::time_of(&document.fields, "createdAt"),
        Some(job.created_at),
        "an undated document gets its date"
    );

    let image = foreign(&json!({"status": "pending_review", "generatedImageUrl": "https://x/b.webp"}))
        .unwrap()
        .image()
        .cloned();
    let mut job = Job::new(JobId::new("a").unwrap(), Spec::new("flux-dev", "a"), true, now());
    job.stage = Stage::Done { image: image.clone().unwrap() };
    job.attempts[0].outcome = Some(Outcome::Done { image: image.unwrap() });
    let before = Base { images: 0, ..base };
    assert_eq!(Draft::update(&job, &before).unwrap().transforms.len(), 1);
    let after = Base { images: 1, ..before };
    assert_eq!(Draft::update(&job, &after).unwrap().transforms, []);
}

#[test]
fn a_prompt_too_long_to_stand_twice_comes_back_and_a_document_too_large_is_refused() {
    let job = |length: usize| {
        let spec = Spec::new("flux-dev", "\u{1}x".repeat(length / 2)).with("seed", 1);
        Job::new(JobId::new("a").unwrap(), spec, true, now())
    };
    let long = job(500_000);
    let mut written = document("a", Fields::new());
    apply(&mut written, Draft::new(&long).unwrap());
    assert_eq!(Job { revision: 0, ..known(&written).job }, Job { revision: 0, ..long });
    assert!(Draft::new(&job(1_000_000)).is_err());
}

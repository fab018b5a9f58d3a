//! Every model of the catalog makes an image with as little as it takes, and its booked cost is its bill to the cent's part.

use std::collections::BTreeMap;

use darkroom::catalog::{Catalog, Model, ParameterKind};
use darkroom::simulator::Ledger;
use serde_json::{Value, json};

use super::harness::small_image;
use crate::support::{TestEnv, ledger_check, path_text, text};

/// The least that the model takes: a prompt unless it takes none, and what is required.
fn least(model: &Model, image: &str) -> Value {
    let mut line = json!({"model": model.name});
    if model.prompt.is_some() {
        line["prompt"] = json!(format!("an image by {}", model.name));
    }
    for parameter in model.parameters.iter().filter(|parameter| parameter.required) {
        line[&parameter.name] = match &parameter.kind {
            ParameterKind::Image => json!(image),
            ParameterKind::Images { .. } => json!([image]),
            ParameterKind::Integer { .. } => json!(512),
            ParameterKind::Text { .. } => json!("org/style"),
            other => panic!("{}: {} is required and a {other:?}", model.name, parameter.name),
        };
    }
    line
}

#[test]
fn every_model_costs_what_the_bill_says() {
    let env = TestEnv::new();
    let image = small_image(&env.path("in.png"));
    let models = &Catalog::builtin().models;
    assert!(models.len() >= 20, "the catalog lost models");
    // An editing model without an image is rejected before anything is sent.
    let mut lines: Vec<String> = models.iter().map(|model| least(model, &image).to_string()).collect();
    // References beside the prompt cost more: one job with two of them.
    let references =
        json!({"model": "flux-2-pro", "prompt": "references", "input_image": image, "input_image_2": image});
    lines.push(references.to_string());
    let file = env.file("models.jsonl", &lines.join("\n"));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
    let output = env.run(&["worker", "--until-idle"]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let mut billed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in Ledger::read(&env.data()).unwrap() {
        billed.entry(entry.model).or_default().push(entry.credits.to_usd().to_string());
    }
    let mut booked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for job in env.jobs() {
        assert_eq!((&job["status"], &job["error"]), (&"done".into(), &Value::Null), "{job}");
        assert!(matches!(job["cost_basis"].as_str(), Some("quoted" | "settled")), "{job}");
        let (width, height) = (job["image"]["width"].as_u64().unwrap(), job["image"]["height"].as_u64().unwrap());
        assert!(width >= 64 && height >= 64, "{job}");
        let file = url::Url::parse(job["image_url"].as_str().unwrap()).unwrap().to_file_path().unwrap();
        let decoded = image::load_from_memory(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!((u64::from(decoded.width()), u64::from(decoded.height())), (width, height), "{job}");
        let model = job["model"].as_str().unwrap().to_owned();
        booked.entry(model).or_default().push(job["cost_usd"].as_str().unwrap().to_owned());
    }
    for amounts in billed.values_mut().chain(booked.values_mut()) {
        amounts.sort();
    }
    assert_eq!(booked, billed);
    assert_eq!(booked.len(), models.len());
    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), ledger_check::total(&ledger_check::bill(&env)));
    assert_eq!((&costs["unknown_usd"], &costs["unpriced_count"]), (&"0".into(), &0.into()));
}

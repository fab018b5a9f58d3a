//! The whole program on Firestore and Cloud Storage: what a web page writes becomes an image that it can show, and the costs that
//! its scripts sum are what was billed. Strangers are played by plain REST requests.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::external_client::ExternalClient;
use crate::support::firestore_emulator;
use crate::support::{House, books, gcs_server, text};

/// The sum of the charges of a service, in dollars.
async fn spent(client: &ExternalClient, service: &str) -> Decimal {
    let entries = client.all("costs").await;
    let of_service = entries.values().filter(|entry| entry["fields"]["service"]["stringValue"] == service);
    of_service.map(|entry| number(&entry["fields"]["cost_usd"])).sum()
}

/// A number of a document as the decimal that its text is.
fn number(value: &Value) -> Decimal {
    match (&value["doubleValue"], value["integerValue"].as_str()) {
        (Value::Number(number), _) => number.to_string().parse().unwrap(),
        (_, Some(integer)) => integer.parse().unwrap(),
        _ => panic!("{value} is no number"),
    }
}

async fn house_with_google() -> Option<(House, ExternalClient)> {
    let emulator = tokio::task::spawn_blocking(firestore_emulator::shared).await.unwrap()?;
    let bucket = gcs_server::fresh_bucket().await?;
    let project = firestore_emulator::fresh_project();
    let mut house = House::new();
    house.set("DARKROOM_STORE", "firestore");
    house.set("DARKROOM_BUCKET", "gcs");
    house.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    house.set("STORAGE_EMULATOR_HOST", &bucket.emulator.unwrap());
    // As the teams have it: some names in the environment, some in `.env`.
    house.file(".env", &format!("GOOGLE_CLOUD_PROJECT={project}\nFIREBASE_STORAGE_BUCKET={}\n", bucket.bucket));
    let client = ExternalClient::new(emulator, &project);
    Some((house, client))
}

/// Runs the program without holding up the test's own connections.
async fn run(house: House, arguments: &'static [&'static str]) -> (House, String) {
    tokio::task::spawn_blocking(move || {
        let output = house.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        (house, text(&output.stdout))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_a_web_page_asks_for_becomes_an_image_that_it_can_show_and_costs_that_its_scripts_sum() {
    let Some((house, client)) = house_with_google().await else { return };
    let mut asked = Vec::new();
    for prompt in ["a fox in the snow", "a lighthouse", "a bowl of plums"] {
        asked.push(client.request_image(prompt).await);
    }
    let (house, _) = run(house, &["worker", "--until-idle"]).await;
    for id in &asked {
        let job = client.fields(&format!("jobs/{id}")).await;
        assert_eq!(job["status"]["stringValue"], "pending_review", "{job}");
        assert_eq!(number(&job["generationCount"]), Decimal::ONE, "{job}");
        assert_eq!(job["pageState"]["mapValue"]["fields"]["tab"]["integerValue"], "3", "what is not ours stays: {job}");
        // The page's browser knows nothing of darkroom or Google: a plain GET.
        let url = job["generatedImageUrl"]["stringValue"].as_str().unwrap();
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        let image = answer.bytes().await.unwrap();
        assert_eq!(number(&job["image_size_bytes"]), Decimal::from(image.len()), "{job}");
        image::load_from_memory(&image).expect("the image is whole");
    }
    let bill = books::bill(&house);
    assert_eq!(bill.values().map(|(times, _)| times).sum::<usize>(), asked.len(), "each is ordered once: {bill:?}");
    assert!(books::total(&bill) > Decimal::ZERO);
    assert_eq!(spent(&client, "bfl_api").await, books::total(&bill));
    let (_, costs) = run(house, &["costs", "--json", "--days", "2", "--by", "service"]).await;
    let costs: Value = serde_json::from_str(&costs).unwrap();
    let both = spent(&client, "bfl_api").await + spent(&client, "google_storage").await;
    assert_eq!(books::dollars(&costs["total_usd"]), both, "darkroom's own report says the same: {costs}");
}

#[tokio::test]
async fn doctor_sees_both_and_says_what_is_missing() {
    let Some((mut house, _)) = house_with_google().await else { return };
    let (returned, diagnosis) = run(house, &["doctor", "--json"]).await;
    house = returned;
    let diagnosis: Value = serde_json::from_str(&diagnosis).unwrap();
    let message = |name: &str| {
        let checks = diagnosis["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert!(message("store").contains("Firestore (emulator at") && message("store").contains("0 jobs"), "{diagnosis}");
    assert!(message("bucket").contains("images can be stored"), "{diagnosis}");
    house.set("FIREBASE_STORAGE_BUCKET", "nobody-has-this-one");
    let output = tokio::task::spawn_blocking(move || house.run(&["doctor"])).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("nobody-has-this-one"), "{}", text(&output.stdout));
}

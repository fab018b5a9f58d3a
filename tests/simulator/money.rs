//! The bill, the balance, and when either moves.

use darkroom::simulator::{BillAt, Ledger};
use rust_decimal::Decimal;

use super::*;

#[tokio::test]
async fn bill_matches_the_price_list() {
    let (running, api) = Api::of(instant()).await;
    let sized = |width: u32, height: u32| json!({"prompt": "a", "width": width, "height": height});
    let mut expected = Vec::new();
    for (model, body, credits) in [
        ("flux-2-pro", sized(1024, 1024), "3"),
        ("flux-2-pro", sized(1920, 1088), "4.5"),
        ("flux-2-pro", sized(1440, 2048), "6"),
        ("flux-2-max", sized(2048, 2048), "16"),
        ("flux-2-flex", sized(1440, 2048), "15"),
        ("flux-2-klein-4b", sized(64, 64), "1.4"),
        ("flux-2-klein-9b", sized(2048, 2048), "2.1"),
        ("flux-kontext-pro", json!({"prompt": "a"}), "4"),
        ("flux-kontext-max", json!({"prompt": "a"}), "8"),
        ("flux-pro-1.1", json!({"prompt": "a"}), "4"),
        ("flux-pro-1.1-ultra", json!({"prompt": "a"}), "6"),
        ("flux-dev", json!({"prompt": "a"}), "2.5"),
        ("flux-3-image", json!({"prompt": "a", "resolution": "4k"}), "60.7"),
        ("flux-3-image", json!({"prompt": "a", "resolution": "1.5k"}), "7"),
    ] {
        let accepted = body_of(api.submit(model, &body).await, StatusCode::OK).await;
        let settled = api.poll(&accepted).await["cost"].clone();
        assert_eq!(settled, json!(credits.parse::<f64>().unwrap()), "{model}");
        if !accepted["cost"].is_null() {
            assert_eq!(accepted["cost"], settled, "{model}");
        }
        expected.push((accepted["id"].clone(), model.to_owned(), credits.to_owned()));
    }
    let bill = api.bill().await;
    let found: Vec<(Value, String, String)> = bill["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["ticket"].clone(), text(entry, "model"), text(entry, "credits")))
        .collect();
    assert_eq!(found, expected);
    assert_eq!((&bill["total_credits"], &bill["count"]), (&json!("140.2"), &json!(14)));
    assert_eq!(api.credits().await, json!(1_000_000.0 - 140.2));
    let entries = running.ledger().bill().await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.credits.decimal()).sum::<Decimal>().to_string(), "140.2");
    let short = body_of(api.get("simulator/bill").await, StatusCode::OK).await;
    assert_eq!(short, json!({"total_credits": "140.2", "count": 14}));
}

fn text(entry: &Value, name: &str) -> String {
    entry[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn empty_account_is_rejected() {
    let (_running, api) = Api::of(SimulatorOptions { credits: Decimal::from(7), ..instant() }).await;
    api.accepted("one").await;
    api.accepted("two").await;
    let refused = body_of(api.submit("flux-2-pro", &small("three")).await, StatusCode::PAYMENT_REQUIRED).await;
    assert_eq!(refused, json!({"detail": "Insufficient credits"}));
    assert_eq!((api.credits().await, &api.bill().await["count"]), (json!(1.0), &json!(2)));
}

#[tokio::test]
async fn billing_at_ready_skips_moderated_tickets() {
    let (clock, directory) = (HandClock::new(), tempfile::tempdir().unwrap());
    let options = || SimulatorOptions {
        clock: clock.clone(),
        bill_at: BillAt::Ready,
        directory: Some(directory.path().to_owned()),
        credits: Decimal::from(10),
        ..SimulatorOptions::default()
    };
    let (running, api) = Api::of(options()).await;
    api.accepted("a fox").await;
    api.accepted("[sim:moderated]").await;
    assert_eq!((api.credits().await, &api.bill().await["count"]), (json!(10.0), &json!(0)));
    running.shutdown().await;
    let (_running, api) = Api::of(options()).await;
    assert_eq!(api.credits().await, json!(10.0));
    clock.advance(15);
    assert_eq!((api.credits().await, &api.bill().await["count"]), (json!(7.0), &json!(1)));
}

#[tokio::test]
async fn concurrent_submits_are_billed_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = SimulatorOptions { directory: Some(directory.path().to_owned()), ..instant() };
    let (running, api) = Api::of(options).await;
    let (api, mut submits) = (Arc::new(api), tokio::task::JoinSet::new());
    for number in 0..200 {
        let api = Arc::clone(&api);
        submits.spawn(async move { api.accepted(&format!("fox {number}")).await["id"].as_str().unwrap().to_owned() });
    }
    let accepted: BTreeSet<String> = submits.join_all().await.into_iter().collect();
    running.shutdown().await;
    let billed = Ledger::read(directory.path()).unwrap();
    assert_eq!(billed.len(), 200);
    assert_eq!(billed.into_iter().map(|entry| entry.ticket).collect::<BTreeSet<_>>(), accepted);
}

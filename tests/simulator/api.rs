//! Statuses and bodies of every route.

use super::*;

#[tokio::test]
async fn flux_2_submit_reply_has_api_shape() {
    let (running, api) = Api::of(instant()).await;
    let body = json!({"prompt": "a fox", "width": 1920, "height": 1088});
    let accepted = body_of(api.submit("flux-2-pro", &body).await, StatusCode::OK).await;
    assert_eq!(names(&accepted), BTreeSet::from(["cost", "id", "input_mp", "output_mp", "polling_url"]));
    assert_eq!(
        (&accepted["cost"], &accepted["input_mp"], &accepted["output_mp"]),
        (&json!(4.5), &json!(0.0), &json!(1.99))
    );
    let id = accepted["id"].as_str().unwrap();
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
    let polling = Url::parse(accepted["polling_url"].as_str().unwrap()).unwrap();
    assert_eq!(polling.as_str(), running.cluster_url().join(&format!("v1/get_result?id={id}")).unwrap().as_str());
    assert_ne!(polling.port(), running.api_url().port());
}

#[tokio::test]
async fn flux_1_reply_has_no_cost_until_ready() {
    let (_running, api) = Api::of(instant()).await;
    let body = json!({"prompt": "a fox", "width": 256, "height": 256});
    let accepted = body_of(api.submit("flux-dev", &body).await, StatusCode::OK).await;
    for field in ["cost", "input_mp", "output_mp"] {
        assert_eq!(accepted.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(api.poll(&accepted).await["cost"], json!(2.5));
}

#[tokio::test]
async fn ticket_becomes_ready() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..SimulatorOptions::default() }).await;
    let accepted = api.accepted("a fox").await;
    let first = api.poll(&accepted).await;
    assert_eq!(names(&first), BTreeSet::from(["details", "id", "preview", "progress", "result", "status"]));
    assert_eq!(
        (&first["status"], &first["progress"], &first["result"]),
        (&json!("Pending"), &json!(0.1), &Value::Null)
    );
    clock.advance(9);
    assert_eq!(api.poll(&accepted).await["status"], "Generating");
    clock.advance(6);
    let ready = api.poll(&accepted).await;
    assert_eq!((&ready["status"], &ready["cost"], &ready["id"]), (&json!("Ready"), &json!(3.0), &accepted["id"]));
    let result = &ready["result"];
    assert_eq!(names(result), BTreeSet::from(["duration", "end_time", "prompt", "sample", "seed", "start_time"]));
    assert_eq!((&result["prompt"], &result["seed"]), (&json!("a fox"), &json!(1)));
    let number = |name: &str| result[name].as_f64().unwrap();
    assert_eq!(result["start_time"], json!(1_800_000_000.0));
    assert!((12.0..=14.0).contains(&number("duration")));
    assert!((number("end_time") - number("start_time") - number("duration")).abs() < 1e-5);
}

#[tokio::test]
async fn flux_3_reports_reasoning_and_no_seed() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..SimulatorOptions::default() }).await;
    let accepted = body_of(api.submit("flux-3-image", &json!({"prompt": "a fox"})).await, StatusCode::OK).await;
    assert_eq!(accepted["cost"], json!(4.8));
    let mut seen = Vec::new();
    for _ in 0..42 {
        let body = api.poll(&accepted).await;
        if seen.last() != Some(&body["status"]) {
            seen.push(body["status"].clone());
        }
        clock.advance(1);
    }
    assert_eq!(seen, ["Pending", "Reasoning", "Generating", "Ready"]);
    assert_eq!(api.poll(&accepted).await["result"].get("seed"), None);
}

#[tokio::test]
async fn only_cluster_host_knows_tickets() {
    let (running, api) = Api::of(instant()).await;
    let accepted = api.accepted("a fox").await;
    let id = accepted["id"].as_str().unwrap();
    let wrong = api.get(&format!("v1/get_result?id={id}")).await;
    assert_eq!(body_of(wrong, StatusCode::NOT_FOUND).await, json!({"detail": "Task not found"}));
    let unknown = running.cluster_url().join("v1/get_result?id=missing").unwrap();
    let unknown = body_of(api.get(unknown.as_str()).await, StatusCode::OK).await;
    assert_eq!((&unknown["status"], &unknown["id"]), (&json!("Task not found"), &json!("missing")));
    let nothing = running.cluster_url().join("v1/get_result").unwrap();
    let nothing = body_of(api.get(nothing.as_str()).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(nothing["detail"][0]["loc"], json!(["query", "id"]));
}

#[tokio::test]
async fn keys_are_checked_before_bodies() {
    let (running, api) = Api::of(instant()).await;
    for path in ["v1/flux-2-pro", "v1/flux-tools/erase-v1", "v1/credits"] {
        for (key, status, detail) in [
            (None, StatusCode::FORBIDDEN, "Not authenticated"),
            (Some("bad"), StatusCode::FORBIDDEN, "Not authenticated - Invalid Authentication"),
            (Some("a b"), StatusCode::UNPROCESSABLE_ENTITY, "Invalid API key format"),
        ] {
            let url = running.api_url().join(path).unwrap();
            let request = if path == "v1/credits" { api.client.get(url) } else { api.client.post(url).body("{}") };
            let request = key.into_iter().fold(request, |request, key| request.header("x-key", key));
            let body = body_of(request.send().await.unwrap(), status).await;
            assert_eq!(body, json!({"detail": detail}), "{path} {key:?}");
        }
    }
    let accepted = api.accepted("a fox").await;
    let keyless = api.client.get(accepted["polling_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(keyless.status(), StatusCode::OK, "polling needs no key");

    let (open, _) = Api::of(SimulatorOptions { key_required: false, ..instant() }).await;
    let url = open.api_url().join("v1/credits").unwrap();
    assert_eq!(api.client.get(url).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn invalid_requests_get_api_errors() {
    let (running, api) = Api::of(instant()).await;
    let probe = body_of(api.submit("flux-2-pro", &json!({})).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(
        probe,
        json!({"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]}),
        "the free probe of a key"
    );
    let narrow = json!({"prompt": "a", "width": 32, "nonsense": true});
    let narrow = body_of(api.submit("flux-2-pro", &narrow).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    let kinds: Vec<&Value> = narrow["detail"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(kinds, ["extra_forbidden", "greater_than_equal"]);
    for (method, path, status, detail) in [
        ("POST", "v1/flux-pro-1.1-raw", StatusCode::NOT_FOUND, "Not Found"),
        ("GET", "v1/models", StatusCode::NOT_FOUND, "Not Found"),
        ("GET", "v1/flux-2-pro", StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
    ] {
        let url = running.api_url().join(path).unwrap();
        let reply = api.client.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(body_of(reply, status).await, json!({"detail": detail}), "{method} {path}");
    }
    assert_eq!(api.bill().await["count"], 0);
}

#[tokio::test]
async fn input_images_are_measured_and_priced() {
    use base64::Engine as _;
    let (_running, api) = Api::of(instant()).await;
    // Every byte another: nothing that a PNG could make small.
    let noise: Vec<u8> = (0..512 * 512 * 3_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let image = image::RgbImage::from_raw(512, 512, noise).unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(file.into_inner());
    assert!(encoded.len() > 500_000);
    let mut body = small("a fox beside this one");
    body["input_image"] = json!(encoded);
    let accepted = body_of(api.submit("flux-2-pro", &body).await, StatusCode::OK).await;
    assert_eq!((&accepted["cost"], &accepted["input_mp"]), (&json!(4.5), &json!(0.25)));
    body["input_image"] = json!("cat.png");
    let refused = body_of(api.submit("flux-2-pro", &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "input_image"]));
}

#[tokio::test]
async fn every_catalog_route_exists() {
    let (_running, api) = Api::of(instant()).await;
    for model in &darkroom::catalog::Catalog::builtin().models {
        let reply = api.submit(&model.route, &json!({"prompt": 3})).await;
        assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY, "{}", model.route);
    }
}

#[tokio::test]
async fn unfinished_tickets_are_limited() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..SimulatorOptions::default() }).await;
    for number in 0..24 {
        api.accepted(&format!("fox {number}")).await;
    }
    let refused = body_of(api.submit("flux-2-pro", &small("one more")).await, StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(refused, json!({"detail": "too many active tasks"}));
    assert_eq!(api.bill().await["count"], 24, "what was refused is not billed");
    clock.advance(14);
    api.accepted("one more").await;
}

#[tokio::test]
async fn model_limits_apply_when_enabled() {
    let clock = HandClock::new();
    let options = SimulatorOptions { clock, model_limits: true, ..SimulatorOptions::default() };
    let (_running, api) = Api::of(options).await;
    for number in 0..7 {
        let reply = api.submit("flux-kontext-max", &json!({"prompt": format!("fox {number}")})).await;
        let expected = if number < 6 { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(reply.status(), expected, "{number}");
    }
}

#[tokio::test]
async fn restart_keeps_tickets_links_and_bill() {
    let directory = tempfile::tempdir().unwrap();
    let options = || SimulatorOptions { directory: Some(directory.path().to_owned()), ..instant() };
    let (running, api) = Api::of(options()).await;
    let busy = Simulator::serve(options()).await.unwrap_err().to_string();
    assert!(busy.contains("another simulator"), "{busy}");
    let accepted = api.accepted("a fox").await;
    let link = Url::parse(&api.sample(&accepted).await).unwrap();
    let image = api.get(link.as_str()).await.bytes().await.unwrap();
    let bill = api.bill().await;
    running.shutdown().await;

    let (running, api) = Api::of(options()).await;
    let mut poll = running.cluster_url().join("v1/get_result").unwrap();
    poll.set_query(Some(&format!("id={}", accepted["id"].as_str().unwrap())));
    let again = api.poll(&json!({"polling_url": poll.as_str()})).await;
    let again = Url::parse(again["result"]["sample"].as_str().unwrap()).unwrap();
    assert_eq!((again.path(), again.query()), (link.path(), link.query()));
    assert_eq!(api.get(again.as_str()).await.bytes().await.unwrap(), image);
    assert_eq!(api.bill().await, bill);
    assert_eq!(api.credits().await, json!(999_997.0));
}

#[tokio::test]
async fn health_names_the_simulator() {
    let directory = tempfile::tempdir().unwrap();
    let (_running, api) = Api::of(SimulatorOptions { directory: Some(directory.path().to_owned()), ..instant() }).await;
    let health = body_of(api.get("simulator/health").await, StatusCode::OK).await;
    assert_eq!(health["simulator"], "darkroom");
    let digest = health["directory"].as_str().unwrap();
    assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    let (_other, memory) = Api::of(instant()).await;
    assert_eq!(body_of(memory.get("simulator/health").await, StatusCode::OK).await["directory"], Value::Null);
}

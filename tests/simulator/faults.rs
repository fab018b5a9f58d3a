//! Everything that goes wrong on request.

use darkroom::simulator::{FaultKind, Faults};

use super::*;

#[tokio::test]
async fn submit_faults_strike_as_counted() {
    let (_running, api) = Api::of(instant()).await;
    for (prompt, status, detail, times) in [
        ("[sim:429]", StatusCode::TOO_MANY_REQUESTS, "too many active tasks", 1),
        ("[sim:503*2]", StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable", 2),
        ("[sim:500*3]", StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", 3),
        ("[sim:402*1]", StatusCode::PAYMENT_REQUIRED, "Insufficient credits", 1),
        ("[sim:403*1]", StatusCode::FORBIDDEN, "Not authenticated - Invalid Authentication", 1),
    ] {
        for _ in 0..times {
            let reply = api.submit("flux-2-pro", &small(prompt)).await;
            let retry_after = reply.headers().get("retry-after").cloned();
            assert_eq!(retry_after.is_some(), status == StatusCode::SERVICE_UNAVAILABLE, "{prompt}");
            assert_eq!(body_of(reply, status).await, json!({"detail": detail}), "{prompt}");
        }
        api.accepted(prompt).await;
    }
    assert_eq!(api.bill().await["count"], 5, "only what was accepted");
    for prompt in ["[sim:402]", "[sim:403]", "[sim:500]"] {
        for _ in 0..3 {
            assert_ne!(api.submit("flux-2-pro", &small(prompt)).await.status(), StatusCode::OK, "{prompt} is for good");
        }
    }
}

#[tokio::test]
async fn unknown_directive_is_rejected() {
    let (_running, api) = Api::of(instant()).await;
    for (prompt, part) in [
        ("a fox [sim:bogus]", "unknown fault 'bogus'; use one of: 429, "),
        ("a fox [sim:503*often]", "'[sim:503*often]' is not a directive"),
    ] {
        let refused = body_of(api.submit("flux-2-pro", &small(prompt)).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        let detail = &refused["detail"][0];
        assert_eq!(detail["loc"], json!(["body", "prompt"]), "{refused}");
        assert!(detail["msg"].as_str().unwrap().contains(part), "{refused}");
    }
    assert_eq!(api.bill().await["count"], 0);
}

#[tokio::test]
async fn lost_reply_is_billed_dropped_request_is_not() {
    let (_running, api) = Api::of(instant()).await;
    for (prompt, billed) in [("[sim:request-dropped]", 0), ("[sim:reply-lost]", 1)] {
        let error = api.request("flux-2-pro", &small(prompt)).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && error.status().is_none(), "{prompt}: {error:?}");
        assert_eq!(api.bill().await["count"], billed, "{prompt}");
    }
}

#[tokio::test]
async fn tickets_end_without_an_image() {
    let (_running, api) = Api::of(instant()).await;
    for (prompt, code, status, details) in [
        ("[sim:moderated]", 200, "Request Moderated", json!({"Moderation Reasons": ["Derivative Works Filter"]})),
        ("[sim:content-moderated]", 200, "Content Moderated", json!({"Moderation Reasons": ["Sexual Content"]})),
        ("[sim:error]", 200, "Error", json!({"error": "Internal error in the model"})),
        ("[sim:error-422]", 422, "Error", json!({"error": "Internal error in the model"})),
        ("[sim:error-503]", 503, "Error", json!({"error": "Internal error in the model"})),
        ("[sim:task-not-found]", 200, "Task not found", Value::Null),
        ("[sim:stuck]", 200, "Pending", Value::Null),
    ] {
        let accepted = api.accepted(prompt).await;
        for _ in 0..2 {
            let reply = api.get(accepted["polling_url"].as_str().unwrap()).await;
            let body = body_of(reply, StatusCode::from_u16(code).unwrap()).await;
            assert_eq!((&body["status"], &body["details"]), (&json!(status), &details), "{prompt}");
            assert_eq!((&body["result"], body.get("cost")), (&Value::Null, None), "{prompt}");
        }
    }
    assert_eq!(api.bill().await["count"], 7, "all were accepted, so all are billed");
}

#[tokio::test]
async fn poll_faults_pass() {
    let (_running, api) = Api::of(instant()).await;
    let accepted = api.accepted("[sim:poll-500*2][sim:poll-503][sim:poll-429]").await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(api.get(accepted["polling_url"].as_str().unwrap()).await.status().as_u16());
    }
    assert_eq!(seen, [500, 500, 503, 429, 200]);
}

#[tokio::test]
async fn slow_ticket_takes_ten_times_longer() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..SimulatorOptions::default() }).await;
    let (slow, usual) = (api.accepted("[sim:slow]").await, api.accepted("a fox").await);
    clock.advance(119);
    assert_eq!(
        (&api.poll(&slow).await["status"], &api.poll(&usual).await["status"]),
        (&json!("Generating"), &json!("Ready"))
    );
    clock.advance(21);
    assert_eq!(api.poll(&slow).await["status"], "Ready");
}

#[tokio::test]
async fn download_faults_strike() {
    let (_running, api) = Api::of(instant()).await;
    let whole = async |link: &str| api.get(link).await.bytes().await;
    let link = api.sample(&api.accepted("[sim:truncated]").await).await;
    assert!(whole(&link).await.is_err(), "the first download breaks off");
    let bytes = whole(&link).await.unwrap();
    assert!(image::load_from_memory(&bytes).is_ok(), "the second is whole");

    let link = api.sample(&api.accepted("[sim:corrupt]").await).await;
    let bytes = whole(&link).await.unwrap();
    assert!(image::guess_format(&bytes).is_ok() && image::load_from_memory(&bytes).is_err());

    let link = api.sample(&api.accepted("[sim:html]").await).await;
    let reply = api.get(&link).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(reply.headers()["content-type"].to_str().unwrap().starts_with("text/html"));

    let link = api.sample(&api.accepted("[sim:expired]").await).await;
    assert_eq!(api.get(&link).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn untrusted_hosts_are_reported() {
    let (_running, api) = Api::of(instant()).await;
    let accepted = api.accepted("[sim:untrusted-host]").await;
    let polling = Url::parse(accepted["polling_url"].as_str().unwrap()).unwrap();
    assert_eq!(polling.host_str(), Some("api.bfl.ai.attacker.example"));
    let link = api.sample(&api.accepted("[sim:untrusted-sample]").await).await;
    assert_eq!(Url::parse(&link).unwrap().host_str(), Some("delivery.bfl.ai.attacker.example"));
}

#[tokio::test]
async fn random_faults_are_reproducible() {
    let faults = Faults::default().with(FaultKind::Unavailable, 0.5).with(FaultKind::Moderated, 0.5);
    let run = async || {
        let (_running, api) = Api::of(SimulatorOptions { faults: faults.clone(), ..instant() }).await;
        let mut seen = Vec::new();
        for number in 0..20 {
            let reply = api.submit("flux-2-pro", &small(&format!("fox {number}"))).await;
            if reply.status() == StatusCode::OK {
                let accepted = reply.json().await.unwrap();
                seen.push(api.poll(&accepted).await["status"].as_str().unwrap().to_owned());
            } else {
                seen.push(reply.status().as_str().to_owned());
            }
        }
        seen
    };
    let seen = run().await;
    assert_eq!(seen, run().await);
    for expected in ["503", "Ready", "Request Moderated"] {
        assert!(seen.iter().any(|status| status == expected), "{expected}: {seen:?}");
    }
}

#[tokio::test]
async fn random_passing_fault_allows_retry() {
    let faults = Faults::default().with(FaultKind::Unavailable, 0.5);
    let (_running, api) = Api::of(SimulatorOptions { faults, ..instant() }).await;
    for number in 0..10 {
        let order = small(&format!("fox {number}"));
        let mut tries = 0;
        while api.submit("flux-2-pro", &order).await.status() != StatusCode::OK {
            tries += 1;
            assert!(tries < 30, "fox {number} never passes");
        }
    }
}

//! Images and the links to them.

use super::*;

#[tokio::test]
async fn images_match_request_in_every_format() {
    let (running, api) = Api::of(instant()).await;
    for (format, content_type, expected) in [
        ("png", "image/png", image::ImageFormat::Png),
        ("jpeg", "image/jpeg", image::ImageFormat::Jpeg),
        ("webp", "image/webp", image::ImageFormat::WebP),
    ] {
        let order = json!({"prompt": "a fox", "width": 96, "height": 64, "seed": 3, "output_format": format});
        let mut files = Vec::new();
        for _ in 0..2 {
            let accepted = body_of(api.submit("flux-2-pro", &order).await, StatusCode::OK).await;
            let link = api.sample(&accepted).await;
            assert!(link.starts_with(running.cluster_url().join("delivery/").unwrap().as_str()), "{link}");
            // The link needs no key.
            let reply = api.client.get(&link).send().await.unwrap();
            assert_eq!(reply.headers()["content-type"], content_type);
            assert_eq!(reply.headers().get("access-control-allow-origin"), None);
            files.push(reply.bytes().await.unwrap());
        }
        assert_eq!(files[0], files[1], "the same order is the same image");
        assert_eq!(image::guess_format(&files[0]).unwrap(), expected);
        let image = image::load_from_memory(&files[0]).unwrap();
        assert_eq!((image.width(), image.height()), (96, 64));
    }
}

#[tokio::test]
async fn images_without_seed_differ() {
    let (_running, api) = Api::of(instant()).await;
    let mut files = BTreeSet::new();
    for _ in 0..3 {
        let order = json!({"prompt": "a fox", "width": 64, "height": 64});
        let accepted = body_of(api.submit("flux-2-pro", &order).await, StatusCode::OK).await;
        let link = api.sample(&accepted).await;
        files.insert(api.get(&link).await.bytes().await.unwrap());
    }
    assert_eq!(files.len(), 3);
}

#[tokio::test]
async fn links_last_ten_minutes() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..instant() }).await;
    let accepted = api.accepted("a fox").await;
    let link = api.sample(&accepted).await;
    let url = Url::parse(&link).unwrap();
    let parts: std::collections::BTreeMap<_, _> = url.query_pairs().collect();
    assert_eq!(parts["se"], "2027-01-15T08:10:00Z", "ten minutes after it was ready");
    assert_eq!((&*parts["sp"], &*parts["rsct"]), ("r", "image/png"));
    clock.advance(600);
    assert_eq!(api.get(&link).await.status(), StatusCode::OK);
    clock.advance(1);
    let late = api.get(&link).await;
    assert_eq!(
        (late.status(), &late.headers()["content-type"]),
        (StatusCode::FORBIDDEN, &"application/xml".parse().unwrap())
    );
    assert!(late.text().await.unwrap().contains("<Code>AuthenticationFailed</Code>"));
    assert_eq!(api.sample(&accepted).await, link, "a new look gives the same link");
}

#[tokio::test]
async fn changed_link_and_old_ticket_are_refused() {
    let clock = HandClock::new();
    let (_running, api) = Api::of(SimulatorOptions { clock: clock.clone(), ..instant() }).await;
    let accepted = api.accepted("a fox").await;
    let link = api.sample(&accepted).await;
    for changed in [link.replace("2027", "2037"), link.split("&sig").next().unwrap().to_owned()] {
        assert_eq!(api.get(&changed).await.status(), StatusCode::FORBIDDEN, "{changed}");
    }
    clock.advance(24 * 3600);
    assert_eq!(api.poll(&accepted).await["status"], "Task not found");
}

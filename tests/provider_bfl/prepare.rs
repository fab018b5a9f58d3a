//! Orders from specs: input images are loaded and checked before anything is sent.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use darkroom::jobs::{FailureCode, Spec};
use darkroom::provider::bfl::FluxClient;
use darkroom::provider::{Provider as _, SubmitError};
use image::{DynamicImage, GrayImage, ImageFormat as Codec};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageLuma8(GrayImage::new(width, height)).write_to(&mut bytes, Codec::Png).unwrap();
    bytes.into_inner()
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A client of a server that must receive no request.
fn idle_client() -> FluxClient {
    client("http://127.0.0.1:9")
}

async fn prepare(client: &FluxClient, spec: &Spec) -> Result<Value, (FailureCode, String)> {
    match client.prepare(spec).await {
        Ok(order) => Ok(order.body),
        Err(SubmitError::Rejected { code, message }) => Err((code, message)),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn prepare_loads_files_as_base64() {
    let client = idle_client();
    let folder = TempDir::new().unwrap();
    let bytes = png(300, 300);
    let base64 = STANDARD.encode(&bytes);
    let path = text(&file(&folder, "a b.png", &bytes));
    let url = "https://example.org/a.png?x=1";
    for (spec, expected) in [
        (Spec::new("flux-2-pro", "a"), json!({"prompt": "a"})),
        (
            Spec::new("flux-2-pro", "a").with("input_image", path.clone()).with("input_image_2", url).with("seed", 7.0),
            json!({"prompt": "a", "input_image": base64, "input_image_2": url, "seed": 7}),
        ),
        (
            Spec::new("flux-3-image", "a").with("images", json!([path, base64, url])),
            json!({"prompt": "a", "images": [base64, base64, url]}),
        ),
        (
            Spec::new("erase-v1", "")
                .with("image", format!("data:image/png;base64,{base64}"))
                .with("mask", path.clone()),
            json!({"image": base64, "mask": base64}),
        ),
    ] {
        assert_eq!(prepare(&client, &spec).await, Ok(expected));
    }
    let order = client.prepare(&Spec::new("deblur-v1", "").with("image", path)).await.unwrap();
    assert_eq!(order.route, "flux-tools/deblur-v1");
}

#[tokio::test]
async fn prepare_rejects_invalid_specs_and_images() {
    let client = idle_client();
    let folder = TempDir::new().unwrap();
    let good = text(&file(&folder, "good.png", &png(300, 300)));
    let small = text(&file(&folder, "small.png", &png(255, 300)));
    let wide = text(&file(&folder, "wide.png", &png(16_000, 1_300)));
    let page = text(&file(&folder, "page.png", b"<html>"));
    let empty = text(&file(&folder, "empty.png", b""));
    let large = text(&file(&folder, "large.png", &vec![0; 20_000_001]));
    let missing = text(&folder.path().join("missing.png"));
    let directory = text(folder.path());
    let input = |image: &str| Spec::new("flux-2-pro", "a").with("input_image", image);
    let shared = |spec: Spec| Spec { from_shared_store: true, ..spec };
    let gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7".to_owned();
    for (spec, code, part) in [
        (Spec::new("nonsense", "a"), FailureCode::InvalidRequest, "not a known model"),
        (Spec::new("flux-2-pro", ""), FailureCode::InvalidRequest, "needs one"),
        (Spec::new("flux-2-pro", "a").with("width", 65), FailureCode::InvalidRequest, "near: 64, 80"),
        (Spec::new("deblur-v1", ""), FailureCode::InvalidInput, "is missing"),
        (input(&missing), FailureCode::InvalidInput, "cannot be read"),
        (input(&directory), FailureCode::InvalidInput, "is not a file"),
        (input(&empty), FailureCode::InvalidInput, "not a JPEG, PNG or WebP"),
        (input(&page), FailureCode::InvalidInput, "not a JPEG, PNG or WebP"),
        (input(&large), FailureCode::InvalidInput, "larger than 20 MB"),
        (input(&wide), FailureCode::InvalidInput, "more than 20 million"),
        (input(&gif), FailureCode::InvalidInput, "not a JPEG, PNG or WebP"),
        (input("http://example.org/a.png"), FailureCode::InvalidInput, "only https"),
        (Spec::new("flux-pro-1.0-fill", "a").with("image", small.clone()), FailureCode::InvalidInput, "at least 256"),
        (
            Spec::new("flux-3-image", "a").with("images", json!([good, small])),
            FailureCode::InvalidInput,
            "at least 256",
        ),
        (shared(input(&good)), FailureCode::InvalidInput, "no files"),
        (shared(input("/etc/passwd")), FailureCode::InvalidInput, "no files"),
        (shared(input("https://localhost/a.png")), FailureCode::InvalidInput, "public"),
        (shared(input("https://[::1]/a.png")), FailureCode::InvalidInput, "public"),
        (shared(input("https://example.org:8443/a.png")), FailureCode::InvalidInput, "public"),
    ] {
        let (found, message) = prepare(&client, &spec).await.unwrap_err();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn shared_store_may_use_urls_and_base64() {
    let client = idle_client();
    let base64 = STANDARD.encode(png(64, 64));
    for image in ["https://example.org/a.png", base64.as_str()] {
        let spec = Spec { from_shared_store: true, ..Spec::new("flux-2-pro", "a").with("input_image", image) };
        assert_eq!(prepare(&client, &spec).await, Ok(json!({"prompt": "a", "input_image": image})));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn device_is_rejected_as_input() {
    let client = idle_client();
    let spec = Spec::new("flux-2-pro", "a").with("input_image", "/dev/zero");
    let (code, message) = prepare(&client, &spec).await.unwrap_err();
    assert_eq!(code, FailureCode::InvalidInput);
    assert!(message.contains("is not a file"), "{message}");
}

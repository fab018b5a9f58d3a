//! Orders: sizes, formats, prices, and rejections in the words of the API.

use std::str::FromStr;

use super::*;

fn request(model: &str, body: &Value) -> Result<ImageRequest, Rejection> {
    read(Catalog::builtin().model(model).unwrap(), body.to_string().as_bytes(), 77)
}

fn png(width: u32, height: u32) -> String {
    use base64::Engine as _;
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_luma8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    base64::engine::general_purpose::STANDARD.encode(bytes.into_inner())
}

#[test]
fn image_size_follows_request() {
    for (model, body, size) in [
        ("flux-2-pro", json!({"prompt": "a"}), (1024, 1024)),
        ("flux-2-pro", json!({"prompt": "a", "width": 0, "height": null}), (1024, 1024)),
        ("flux-2-pro", json!({"prompt": "a", "width": 64, "height": 128}), (64, 128)),
        ("flux-pro-1.1", json!({"prompt": "a"}), (1024, 768)),
        ("flux-pro-1.1-ultra", json!({"prompt": "a"}), (2720, 1536)),
        ("flux-kontext-pro", json!({"prompt": "a"}), (1024, 1024)),
        ("flux-kontext-pro", json!({"prompt": "a", "aspect_ratio": "16:9"}), (1344, 768)),
        ("flux-kontext-pro", json!({"prompt": "a", "input_image": png(300, 600)}), (704, 1440)),
        ("flux-3-image", json!({"prompt": "a"}), (1024, 1024)),
        ("flux-3-image", json!({"prompt": "a", "aspect_ratio": "2:1", "resolution": "768sq"}), (1056, 512)),
        ("flux-3-image", json!({"prompt": "a", "resolution": "4k"}), (4096, 4096)),
        ("flux-pro-1.0-expand", json!({"image": png(256, 300), "left": 10, "right": 20, "top": 1}), (286, 301)),
        ("erase-v1", json!({"image": png(40, 30), "mask": png(40, 30)}), (40, 30)),
        ("deblur-v1", json!({"image": "https://example.org/a.png"}), (1024, 1024)),
    ] {
        let shown = body.to_string();
        let subject = request(model, &body).unwrap().subject;
        assert_eq!((subject.width, subject.height), size, "{model} {shown}");
    }
}

#[test]
fn format_and_seed_default_to_the_model() {
    let subject = |model, body: Value| request(model, &body).unwrap().subject;
    assert_eq!(subject("flux-2-pro", json!({"prompt": "a"})).format, ImageFormat::Jpeg);
    assert_eq!(subject("flux-kontext-pro", json!({"prompt": "a"})).format, ImageFormat::Png);
    assert_eq!(subject("flux-2-pro", json!({"prompt": "a", "output_format": "webp"})).format, ImageFormat::Webp);
    assert_eq!(subject("flux-2-pro", json!({"prompt": "a", "seed": 5})).seed, 5);
    assert_eq!(subject("flux-2-pro", json!({"prompt": "a", "seed": null})).seed, 77);
}

#[test]
fn every_model_has_a_price_published_or_invented() {
    for (model, body, credits) in [
        ("flux-2-pro", json!({"prompt": "a"}), "3"),
        ("flux-2-pro", json!({"prompt": "a", "width": 1920, "height": 1088}), "4.5"),
        ("flux-2-klein-4b", json!({"prompt": "a"}), "1.4"),
        ("flux-2-max", json!({"prompt": "a", "width": 2048, "height": 2048}), "16"),
        ("flux-2-pro", json!({"prompt": "a", "input_image": png(64, 64)}), "4.5"),
        ("flux-2-pro", json!({"prompt": "a", "input_image": png(1500, 1500), "input_image_2": png(9, 9)}), "9"),
        ("flux-2-pro", json!({"prompt": "a", "input_image": "https://a.example/b.png"}), "9"),
        ("erase-v1", json!({"image": png(1500, 1500), "mask": png(1500, 1500)}), "3.8"),
        ("flux-dev", json!({"prompt": "a"}), "2.5"),
        ("flux-pro-1.1-ultra", json!({"prompt": "a"}), "6"),
        ("flux-3-image", json!({"prompt": "a"}), "4.8"),
        ("flux-3-image", json!({"prompt": "a", "resolution": "1.5k"}), "7"),
        ("flux-3-image", json!({"prompt": "a", "images": png(300, 300)}), "5.8"),
        ("vto-v2", json!({"prompt": "a", "person": png(9, 9), "garment": png(9, 9)}), "4.75"),
        ("outpainting-v1", json!({"input_image": png(9, 9), "width": 64, "height": 64, "mode": "fast"}), "4.5"),
        ("deblur-v1", json!({"image": png(9, 9)}), "3"),
    ] {
        let shown = body.to_string();
        assert_eq!(request(model, &body).unwrap().cost, Decimal::from_str(credits).unwrap(), "{model} {shown:.80}");
    }
}

#[test]
fn megapixels_have_two_decimals() {
    let images = json!({"prompt": "a", "width": 1920, "height": 1088, "input_image": png(512, 512), "input_image_2": "https://a.example/b"});
    let request = request("flux-2-pro", &images).unwrap();
    assert_eq!((json!(request.output_mp), json!(request.input_mp)), (json!(1.99), json!(1.25)));
}

#[test]
fn only_strict_models_reject_unknown_fields() {
    assert!(request("flux-dev", &json!({"prompt": "a", "nonsense": 1, "user": "u"})).is_ok());
    let refused = request("flux-2-pro", &json!({"prompt": "a", "nonsense": 1, "user": "u"})).unwrap_err();
    assert_eq!(refused.detail[0]["type"], "extra_forbidden");
    assert_eq!(refused.detail[0]["msg"], "Extra inputs are not permitted");
}

#[test]
fn rejections_match_the_api() {
    for (model, body, field, kind, message) in [
        ("flux-2-pro", json!({}), "prompt", "missing", "Field required"),
        ("flux-2-pro", json!({"prompt": 3}), "prompt", "string_type", "valid string"),
        ("flux-2-pro", json!({"prompt": " "}), "prompt", "value_error", "needs one"),
        ("flux-2-pro", json!({"prompt": "a", "width": 32}), "width", "greater_than_equal", "or equal to 64"),
        ("flux-2-pro", json!({"prompt": "a", "width": 65}), "width", "multiple_of", "multiple of 16"),
        ("flux-2-pro", json!({"prompt": "a", "width": "w"}), "width", "int_type", "valid integer"),
        ("flux-2-pro", json!({"prompt": "a", "width": 64.5}), "width", "int_from_float", "fractional"),
        ("flux-2-pro", json!({"prompt": "a", "width": 4096, "height": 4096}), "width", "value_error", "4 MP"),
        (
            "flux-2-pro",
            json!({"prompt": "a", "safety_tolerance": 6}),
            "safety_tolerance",
            "less_than_equal",
            "equal to 5",
        ),
        (
            "flux-2-pro",
            json!({"prompt": "a", "output_format": "gif"}),
            "output_format",
            "enum",
            "'jpeg', 'png' or 'webp'",
        ),
        ("flux-2-pro", json!({"prompt": "a", "disable_pup": "x"}), "disable_pup", "bool_type", "valid boolean"),
        (
            "flux-2-pro",
            json!({"prompt": "a", "input_image": "/etc/passwd"}),
            "input_image",
            "value_error",
            "neither a URL",
        ),
        ("flux-2-pro", json!({"prompt": "a", "input_image": 3}), "input_image", "value_error", "is a number"),
        (
            "flux-2-pro",
            json!({"prompt": "a", "webhook_url": "https://a.example"}),
            "webhook_url",
            "value_error",
            "no webhooks",
        ),
        ("flux-dev", json!({"prompt": "a", "guidance": 9}), "guidance", "less_than_equal", "equal to 5"),
        (
            "flux-kontext-pro",
            json!({"prompt": "a", "aspect_ratio": "9:1"}),
            "aspect_ratio",
            "value_error",
            "out of range",
        ),
        ("flux-pro-1.0-fill", json!({"image": png(64, 300)}), "image", "value_error", "at least 256"),
        (
            "flux-pro-1.0-fill",
            json!({"image": png(300, 300), "mask": png(300, 301)}),
            "mask",
            "value_error",
            "same size",
        ),
        ("deblur-v1", json!({"image": png(9, 9)[..40].to_owned()}), "image", "value_error", "image"),
    ] {
        let shown = body.to_string();
        let refused = request(model, &body).unwrap_err();
        let entry = &refused.detail[0];
        assert_eq!(
            (refused.status, &entry["loc"], &entry["type"]),
            (422, &json!(["body", field]), &json!(kind)),
            "{shown}"
        );
        assert!(entry["msg"].as_str().unwrap().contains(message), "{shown}: {entry}");
    }
}

#[test]
fn body_must_be_an_object() {
    let model = Catalog::builtin().model("flux-2-pro").unwrap();
    assert_eq!(read(model, b"{nonsense", 0).unwrap_err().detail[0]["type"], "json_invalid");
    assert_eq!(read(model, b"[]", 0).unwrap_err().detail[0]["type"], "model_attributes_type");
}

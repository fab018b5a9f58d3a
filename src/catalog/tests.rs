//! The catalog that ships, and the judgement over specs.

use serde_json::{Value, json};

use super::*;

fn catalog() -> &'static Catalog {
    Catalog::builtin()
}

#[test]
fn builtin_catalog_is_valid() {
    let read = Catalog::parse(include_str!("../../assets/models.toml")).unwrap();
    let names = |catalog: &Catalog| catalog.models.iter().map(|model| model.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&read), names(catalog()));
    assert_eq!(read.models[0].name, "flux-2-pro");
    assert_eq!(read.models.len(), 22);
    for model in &read.models {
        assert_eq!(catalog().model_by_route(&model.route).map(|found| &found.name), Some(&model.name));
        for parameter in &model.parameters {
            assert!(!parameter.range().is_empty() && parameter.help.len() < 90, "{} {}", model.name, parameter.name);
            for never in ["webhook_url", "webhook_secret", "user"] {
                assert_ne!(parameter.name, never);
            }
        }
    }
}

#[test]
fn deprecated_models_say_so_in_their_title() {
    for model in &catalog().models {
        assert_eq!(model.title.ends_with("(deprecated)"), model.deprecated, "{}", model.name);
    }
    let deprecated: Vec<&str> =
        catalog().models.iter().filter(|model| model.deprecated).map(|model| model.name.as_str()).collect();
    assert_eq!(deprecated, ["flux-kontext-pro", "flux-kontext-max"]);
}

#[test]
fn models_have_the_documented_parameters() {
    for (model, present, absent) in [
        ("flux-2-pro", "disable_pup input_image_8 width", "prompt_upsampling steps guidance aspect_ratio"),
        ("flux-2-flex", "prompt_upsampling guidance steps input_image_8", "disable_pup"),
        ("flux-2-klein-4b", "input_image_4 width seed", "input_image_5 disable_pup prompt_upsampling steps"),
        ("flux-kontext-max", "aspect_ratio input_image_4 prompt_upsampling", "width height input_image_5"),
        ("flux-pro-1.1", "width image_prompt", "steps guidance aspect_ratio"),
        ("flux-dev", "steps guidance image_prompt", "raw"),
        ("flux-pro-1.1-ultra", "raw image_prompt_strength aspect_ratio", "width"),
        ("flux-pro-1.0-fill", "image mask steps", "width"),
        ("flux-pro-1.0-expand", "image top bottom left right", "mask"),
        ("outpainting-v1", "input_image mode reference_offset_x disable_pup", "seed"),
        ("erase-v1", "image mask dilate_pixels", "prompt"),
        ("vto-v2", "person garment seed", "image"),
        ("deblur-v1", "image", "mask"),
        ("flux-3-image", "images aspect_ratio resolution grounding", "seed width output_format mask"),
    ] {
        let model = catalog().model(model).unwrap();
        for name in present.split(' ') {
            assert!(model.parameter(name).is_some(), "{} lacks {name}", model.name);
        }
        for name in absent.split(' ') {
            assert!(model.parameter(name).is_none(), "{} must not have {name}", model.name);
        }
    }
}

#[test]
fn model_defaults_and_ranges_are_documented() {
    for (model, parameter, default, range) in [
        ("flux-2-pro", "width", Value::Null, "64..4096 step 16, 0 = automatic"),
        ("flux-2-pro", "safety_tolerance", json!(2), "0..5"),
        ("flux-pro-1.1", "safety_tolerance", json!(2), "0..6"),
        ("flux-3-image", "safety_tolerance", json!(2), "0..4"),
        ("flux-pro-1.1", "height", json!(768), "256..1440 step 32"),
        ("flux-dev", "steps", json!(28), "1..50"),
        ("flux-dev", "guidance", json!(3), "1.5..5"),
        ("flux-2-flex", "guidance", json!(5), "1.5..10"),
        ("flux-2-flex", "prompt_upsampling", json!(true), "true|false"),
        ("flux-pro-1.0-fill", "guidance", json!(60), "1.5..100"),
        ("flux-pro-1.0-fill", "steps", json!(50), "15..50"),
        ("flux-pro-1.1-ultra", "aspect_ratio", json!("16:9"), "9:21..21:9"),
        ("flux-2-pro", "output_format", json!("jpeg"), "jpeg|png|webp"),
        ("flux-kontext-pro", "output_format", json!("png"), "jpeg|png|webp"),
        ("erase-v1", "output_format", json!("png"), "jpeg|png|webp"),
        ("vto-v1", "output_format", json!("jpeg"), "jpeg|png|webp"),
        ("outpainting-v1", "output_format", json!("png"), "jpeg|png|webp"),
    ] {
        let found = catalog().model(model).unwrap().parameter(parameter).unwrap();
        assert_eq!(found.default.clone().unwrap_or(Value::Null), default, "{model} {parameter}");
        assert_eq!(found.range(), range, "{model} {parameter}");
    }
}

#[test]
fn valid_spec_becomes_request_body() {
    for (spec, body) in [
        (Spec::new("flux-2-pro", "a cat"), json!({"prompt": "a cat"})),
        (
            Spec::new("flux-2-pro", "a").with("width", 1344.0).with("height", 768),
            json!({"prompt": "a", "width": 1344, "height": 768}),
        ),
        (
            Spec::new("flux-2-pro", "a").with("width", 0).with("height", 0),
            json!({"prompt": "a", "width": 0, "height": 0}),
        ),
        (
            Spec::new("flux-2-pro", "a").with("width", 2048).with("height", 2048),
            json!({"prompt": "a", "width": 2048, "height": 2048}),
        ),
        (Spec::new("flux-2-pro", "a").with("seed", Value::Null), json!({"prompt": "a"})),
        (
            Spec::new("flux-2-pro", "a").with("seed", 1_752_478_609_715_i64),
            json!({"prompt": "a", "seed": 1_752_478_609_715_i64}),
        ),
        (
            Spec::new("flux-dev", "a").with("steps", 28.0).with("guidance", 3),
            json!({"prompt": "a", "steps": 28, "guidance": 3}),
        ),
        (Spec::new("flux-dev", "").with("image_prompt", "a.png"), json!({"image_prompt": "a.png"})),
        (
            Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "21:9"),
            json!({"prompt": "a", "aspect_ratio": "21:9"}),
        ),
        (
            Spec::new("flux-3-image", "a").with("images", "https://a.example.org/b.png"),
            json!({"prompt": "a", "images": ["https://a.example.org/b.png"]}),
        ),
        (Spec::new("deblur-v1", "").with("image", "a.png"), json!({"image": "a.png"})),
        (Spec::new("flux-2-pro", "a\u{0}\u{1b}[2J"), json!({"prompt": "a\u{0}\u{1b}[2J"})),
    ] {
        assert_eq!(catalog().request_body(&spec).map(Value::Object), Ok(body), "{spec:?}");
    }
}

#[test]
fn invalid_spec_error_names_valid_values() {
    let pro = || Spec::new("flux-2-pro", "a");
    let shared = |spec: Spec| Spec { from_shared_store: true, ..spec };
    for (spec, parameter, part) in [
        (Spec::new("flux-2-por", "a"), "model", "did you mean flux-2-pro"),
        (Spec::new("dall-e", "a"), "model", "one of: flux-2-pro, "),
        (Spec::new("\u{1b}[2J", "a"), "model", "'[2J'"),
        (Spec::new("flux-2-pro", " \n"), "prompt", "needs one"),
        (Spec::new("flux-dev", ""), "prompt", "prompt or image_prompt"),
        (Spec::new("deblur-v1", "a").with("image", "a.png"), "prompt", "takes no prompt"),
        (Spec::new("flux-2-pro", "x".repeat(131_073)), "prompt", "at most 131072"),
        (pro().with("wdith", 64), "wdith", "did you mean width?"),
        (pro().with("negative_prompt", "x"), "negative_prompt", "it takes width"),
        (pro().with("width", "64"), "width", "is text; it must be a whole number"),
        (pro().with("width", 64.5), "width", "not a whole number"),
        (pro().with("width", 65), "width", "near: 64, 80"),
        (pro().with("width", 32), "width", "64..4096 step 16"),
        (pro().with("width", -16), "width", "out of range"),
        (pro().with("width", u64::MAX), "width", "out of range"),
        (pro().with("width", 1e300), "width", "not a whole number"),
        (pro().with("width", 4096).with("height", 4096), "width", "at most 4194304"),
        (pro().with("safety_tolerance", 6), "safety_tolerance", "0..5"),
        (pro().with("seed", -1), "seed", "out of range"),
        (pro().with("disable_pup", "true"), "disable_pup", "true or false"),
        (pro().with("output_format", "gif"), "output_format", "jpeg, png, webp"),
        (pro().with("output_format", json!({"a": 1})), "output_format", "is an object"),
        (pro().with("input_image", 3), "input_image", "is a number"),
        (pro().with("input_image", "http://example.org/a.png"), "input_image", "only https"),
        (shared(pro().with("input_image", "/etc/passwd")), "input_image", "no files"),
        (shared(pro().with("input_image", "https://169.254.169.254/")), "input_image", "public"),
        (Spec::new("flux-pro-1.1", "a").with("width", 1456), "width", "256..1440 step 32"),
        (Spec::new("flux-dev", "a").with("guidance", 5.1), "guidance", "1.5..5"),
        (Spec::new("flux-dev", "a").with("guidance", "x"), "guidance", "a number"),
        (Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "22:9"), "aspect_ratio", "9:21..21:9"),
        (Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "1:4"), "aspect_ratio", "9:21..21:9"),
        (Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "16/9"), "aspect_ratio", "such as 16:9"),
        (Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "0:9"), "aspect_ratio", "such as 16:9"),
        (Spec::new("flux-kontext-pro", "a").with("aspect_ratio", "+1:1"), "aspect_ratio", "such as 16:9"),
        (Spec::new("flux-pro-1.0-fill", "a"), "image", "is missing"),
        (Spec::new("vto-v1", "a").with("person", "a.png"), "garment", "is missing"),
        (Spec::new("outpainting-v1", "").with("input_image", "a.png").with("width", 64), "height", "is missing"),
        (Spec::new("flux-3-image", "a").with("images", json!([])), "images", "1 to 10"),
        (Spec::new("flux-3-image", "a").with("images", json!(vec!["a.png"; 11])), "images", "1 to 10"),
        (Spec::new("flux-3-image", "a").with("images", json!(["a.png", 3])), "images", "is a number"),
        (Spec::new("flux-3-image", "a").with("seed", 3), "seed", "no such parameter"),
    ] {
        let problems = catalog().validate(&spec);
        let [problem] = problems.as_slice() else { panic!("{spec:?}: {problems:?}") };
        assert_eq!(problem.parameter, parameter, "{problem}");
        assert!(problem.message.contains(part), "{problem}");
        assert!(!problem.message.contains(['\n', '\u{1b}']), "{problem}");
    }
}

#[test]
fn validate_reports_every_error() {
    let spec = Spec::new("flux-2-pro", "").with("width", 3).with("seed", "x").with("nonsense", 1);
    let names: Vec<String> = catalog().validate(&spec).into_iter().map(|problem| problem.parameter).collect();
    assert_eq!(names, ["prompt", "nonsense", "seed", "width"]);
}

#[test]
fn text_is_parsed_to_parameter_values() {
    for (model, name, text, expected) in [
        ("flux-2-pro", "width", " 1344 ", Some(json!(1344))),
        ("flux-2-pro", "width", "1344.0", Some(json!(1344))),
        ("flux-2-pro", "width", "1345", None),
        ("flux-2-pro", "width", "wide", None),
        ("flux-2-pro", "width", "", None),
        ("flux-dev", "guidance", "3.5", Some(json!(3.5))),
        ("flux-dev", "guidance", "3", Some(json!(3))),
        ("flux-dev", "guidance", "NaN", None),
        ("flux-dev", "guidance", "inf", None),
        ("flux-2-pro", "disable_pup", "Yes", Some(json!(true))),
        ("flux-2-pro", "disable_pup", "off", Some(json!(false))),
        ("flux-2-pro", "disable_pup", "maybe", None),
        ("flux-2-pro", "output_format", "webp", Some(json!("webp"))),
        ("flux-2-pro", "output_format", "bmp", None),
        ("flux-kontext-pro", "aspect_ratio", "16:9", Some(json!("16:9"))),
        ("flux-3-image", "images", "a.png, b.png", Some(json!(["a.png", "b.png"]))),
        ("flux-3-image", "images", "a.png", Some(json!(["a.png"]))),
        ("flux-3-image", "images", ",", None),
    ] {
        let parameter = catalog().model(model).unwrap().parameter(name).unwrap();
        assert_eq!(parameter.parse(text).ok(), expected, "{model} {name} {text}");
    }
}

#[test]
fn ratio_becomes_valid_size() {
    let pro = catalog().model("flux-2-pro").unwrap();
    for (ratio, size) in [
        ("16:9", (1344, 768)),
        ("1:1", (1024, 1024)),
        ("9:16", (768, 1344)),
        ("4:3", (1152, 832)),
        ("3:2", (1216, 832)),
    ] {
        assert_eq!(pro.size_for_ratio(ratio), Some(size), "{ratio}");
    }
    for model in &catalog().models {
        for ratio in ["16:9", "21:9", "9:21", "1:1", "2:3", "8:1", "1:8"] {
            let Some((width, height)) = model.size_for_ratio(ratio) else { continue };
            let mut spec = Spec::new(&model.name, "a").with("width", width).with("height", height);
            if model.name == "outpainting-v1" {
                spec = spec.with("input_image", "a.png");
            }
            assert_eq!(catalog().validate(&spec), [], "{} {ratio}", model.name);
        }
    }
    assert_eq!(pro.size_for_ratio("9:1"), None);
    assert_eq!(pro.size_for_ratio("wide"), None);
    assert_eq!(catalog().model("flux-kontext-pro").unwrap().size_for_ratio("1:1"), None);
}

#[test]
fn estimate_uses_size_images_and_options() {
    for (spec, expected) in [
        (Spec::new("flux-2-pro", "a"), "0.03"),
        (Spec::new("flux-2-pro", "a").with("width", 0).with("height", 0), "0.03"),
        (Spec::new("flux-2-pro", "a").with("width", 1440.0).with("height", 2048), "0.06"),
        (Spec::new("flux-2-pro", "a").with("width", 2048), "0.045"),
        (Spec::new("flux-2-pro", "a").with("input_image", "a.png").with("input_image_3", Value::Null), "0.045"),
        (Spec::new("flux-3-image", "a"), "0.048"),
        (Spec::new("flux-3-image", "a").with("resolution", "4k"), "0.607"),
        (Spec::new("flux-3-image", "a").with("resolution", "1.5k"), "unknown"),
        (Spec::new("flux-3-image", "a").with("images", json!(["a.png"])), "unknown"),
        (Spec::new("flux-dev", "a"), "0.025"),
        (Spec::new("deblur-v1", "").with("image", "a.png"), "unknown"),
        (Spec::new("no-such-model", "a"), "unknown"),
        (Spec::new("erase-v1", "").with("image", "a.png").with("mask", "b.png"), "0.03"),
    ] {
        let amount = catalog().estimate(&spec).amount.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string());
        assert_eq!(amount, expected, "{spec:?}");
    }
}

#[test]
fn estimate_uses_known_input_sizes() {
    let sizes = |entries: &[(&str, (u32, u32))]| -> InputSizes {
        entries.iter().map(|(name, size)| ((*name).to_owned(), vec![Some(*size)])).collect()
    };
    let shown = |amount: Option<Usd>| amount.map(|usd| usd.to_string());
    let square = |spec: Spec| spec.with("width", 1024).with("height", 1024);
    for (spec, sizes, amount, at_most) in [
        (square(Spec::new("flux-2-pro", "a").with("input_image", "a")), sizes(&[]), "0.045", "0.33"),
        (
            square(Spec::new("flux-2-pro", "a").with("input_image", "a")),
            sizes(&[("input_image", (4000, 4000))]),
            "0.27",
            "0.27",
        ),
        (Spec::new("flux-2-pro", "a"), sizes(&[]), "0.03", "0.075"),
        (
            Spec::new("erase-v1", "").with("image", "a").with("mask", "b"),
            sizes(&[("image", (1500, 1500))]),
            "0.038",
            "0.038",
        ),
        (Spec::new("erase-v1", "").with("image", "a").with("mask", "b"), sizes(&[]), "0.03", "0.106"),
        (Spec::new("flux-dev", "a").with("image_prompt", "a"), sizes(&[]), "0.025", "0.025"),
    ] {
        let estimate = catalog().estimate_sized(&spec, &sizes);
        assert_eq!(
            (shown(estimate.amount).as_deref(), shown(estimate.at_most).as_deref()),
            (Some(amount), Some(at_most)),
            "{spec:?}"
        );
    }
}

#[test]
fn priced_models_are_in_the_catalog() {
    for name in PriceTable::builtin().models() {
        assert!(catalog().model(name).is_some(), "{name}");
    }
}

#[test]
fn invalid_catalog_is_an_error() {
    let model = |parameters: &str| {
        format!(
            "[parameters.seed]\ntype = \"integer\"\nmin = 0\nmax = 9\nhelp = \"x\"\n[groups]\na = [\"@a\"]\n[[models]]\n\
             name = \"m\"\ntitle = \"M\"\ntypical_seconds = [1, 2]\nstrict = true\nprompt = \"none\"\nparameters = [{parameters}]"
        )
    };
    assert!(Catalog::parse(&model("\"seed\"")).is_ok());
    for (parameters, part) in [
        ("\"sed\"", "no parameter sed"),
        ("\"@b\"", "no group @b"),
        ("\"@a\"", "cycle"),
        ("\"seed\", \"seed\"", "twice"),
        ("{ use = \"seed\", default = 10 }", "default"),
        ("{ use = \"seed\", min = 10 }", "empty range"),
        ("{ name = \"x\", type = \"colour\", help = \"x\" }", "colour"),
        ("{ name = \"x\", type = \"choice\", help = \"x\" }", "choices"),
    ] {
        let error = Catalog::parse(&model(parameters)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn one_sided_size_is_bounded_by_the_largest() {
    let sizes = [(64, 64), (512, 512), (512, 2048), (512, 4096), (1024, 1024), (1440, 1440), (2048, 2048)];
    let mut checked = 0;
    for model in catalog().models.iter().filter(|model| model.parameter("width").is_some()) {
        let spec = |width: Option<u32>, height: Option<u32>| {
            let given = [("width", width), ("height", height)];
            given.into_iter().fold(Spec::new(model.name.clone(), "a"), |spec, (name, side)| match side {
                Some(side) => spec.with(name, side),
                None => spec,
            })
        };
        let Some(none) = catalog().estimate(&spec(None, None)).at_most else { continue };
        for (width, height) in sizes {
            let both = spec(Some(width), Some(height));
            if !catalog().validate(&both).is_empty() {
                continue;
            }
            let bound = catalog().estimate(&both).at_most.unwrap();
            for one in [spec(Some(width), None), spec(None, Some(height))] {
                assert!(catalog().estimate(&one).at_most.unwrap() >= bound, "{one:?} against {width}x{height}");
            }
            assert!(none >= bound, "{} without a size against {width}x{height}", model.name);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

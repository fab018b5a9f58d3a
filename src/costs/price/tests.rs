//! The price table against the published figures and recorded charges.

use super::*;

fn estimate(model: &str, output: Option<(u32, u32)>, inputs: &[Size], options: &[(&'static str, &str)]) -> Estimate {
    let options = options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    PriceTable::builtin().estimate(&PricedRequest {
        model,
        output: (output.map(|size| size.0), output.map(|size| size.1)),
        max_output_pixels: Some(4_194_304),
        input_images: inputs.to_vec(),
        max_input_pixels: 20_000_000,
        options,
    })
}

type Size = Option<(u32, u32)>;

fn shown(amount: Option<Usd>) -> String {
    amount.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string())
}

fn dollars(model: &str, output: Option<(u32, u32)>, inputs: &[Size], options: &[(&'static str, &str)]) -> String {
    shown(estimate(model, output, inputs, options).amount)
}

#[test]
fn builtin_prices_name_their_source() {
    let table = PriceTable::parse(include_str!("../../../assets/prices.toml")).unwrap();
    assert_eq!(table.models().count(), PriceTable::builtin().models().count());
    assert!(table.models().count() >= 19);
    for (model, price) in &table.models {
        assert!(price.date.starts_with("2026"), "{model}");
        assert!(price.source.len() > 5, "{model}");
    }
}

#[test]
fn megapixel_prices_match_documented_examples() {
    let models = ["flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-klein-4b", "flux-2-klein-9b"];
    for (size, credits) in [
        ((1024, 1024), ["0.03", "0.07", "0.05", "0.014", "0.015"]),
        ((1920, 1080), ["0.045", "0.1", "0.1", "0.015", "0.017"]),
        ((1440, 2048), ["0.06", "0.13", "0.15", "0.016", "0.019"]),
        ((2048, 2048), ["0.075", "0.16", "0.2", "0.017", "0.021"]),
        ((64, 64), ["0.03", "0.07", "0.05", "0.014", "0.015"]),
        ((1024, 1040), ["0.045", "0.1", "0.1", "0.015", "0.017"]),
    ] {
        for (model, expected) in models.iter().zip(credits) {
            assert_eq!(dollars(model, Some(size), &[], &[]), expected, "{model} {size:?}");
        }
    }
}

#[test]
fn reference_images_are_priced_by_size() {
    let (small, one, large, url) = (Some((64, 64)), Some((1024, 1024)), Some((4000, 4000)), None);
    for (model, inputs, expected, at_most) in [
        ("flux-2-pro", [one].as_slice(), "0.045", "0.045"),
        ("flux-2-pro", &[small; 8], "0.15", "0.15"),
        ("flux-2-pro", &[large], "0.27", "0.27"),
        ("flux-2-max", &[one, Some((1025, 1024))], "0.16", "0.16"),
        ("flux-2-flex", &[url], "0.1", "1.05"),
        ("flux-2-klein-9b", &[one, url], "0.019", "0.057"),
        ("vto-v2", &[small, small], "0.0475", "0.0475"),
        ("erase-v1", &[large, large], "0.03", "0.03"),
    ] {
        let estimate = estimate(model, Some((1024, 1024)), inputs, &[]);
        assert_eq!(
            (shown(estimate.amount), shown(estimate.at_most)),
            (expected.into(), at_most.into()),
            "{model} {inputs:?}"
        );
    }
    let note = estimate("flux-2-pro", Some((1024, 1024)), &[url], &[]).note;
    assert!(note.contains("about 1 MP") && note.contains("a cap reserves up to $0.33"), "{note}");
}

#[test]
fn server_chosen_size_is_priced_by_upper_bound() {
    let estimate = estimate("flux-2-pro", None, &[], &[]);
    assert_eq!((shown(estimate.amount), shown(estimate.at_most)), ("0.03".into(), "0.075".into()));
    assert!(estimate.note.contains("the server chooses"), "{}", estimate.note);
    let one_side = PricedRequest {
        model: "flux-2-pro",
        output: (Some(2048), None),
        max_output_pixels: Some(4_194_304),
        ..PricedRequest::default()
    };
    let estimate = PriceTable::builtin().estimate(&one_side);
    assert_eq!((shown(estimate.amount), shown(estimate.at_most)), ("0.045".into(), "0.075".into()));
}

#[test]
fn assumed_price_is_bounded_by_dearer_model() {
    for (model, expected, at_most) in [
        ("flux-2-pro-preview", "0.03", "0.07"),
        ("flux-2-klein-9b-preview", "0.015", "0.03"),
        ("flux-2-pro", "0.03", "0.03"),
    ] {
        let estimate = estimate(model, Some((1024, 1024)), &[], &[]);
        assert_eq!((shown(estimate.amount), shown(estimate.at_most)), (expected.into(), at_most.into()), "{model}");
    }
    assert_eq!(PriceTable::builtin().highest().to_string(), "0.607");
    let text = "[models.a]\nform = \"flat\"\ncredits = \"4\"\nat_most_as = \"b\"\nsource = \"x\"\ndate = \"2026\"";
    assert!(PriceTable::parse(text).unwrap_err().to_string().contains("at_most_as names b"));
}

#[test]
fn flat_and_option_prices_match_the_table() {
    for (model, images, options, expected) in [
        ("flux-kontext-pro", 0, [].as_slice(), "0.04"),
        ("flux-kontext-max", 4, &[], "0.08"),
        ("flux-pro-1.1", 0, &[], "0.04"),
        ("flux-pro-1.1-ultra", 1, &[], "0.06"),
        ("flux-pro-1.0-fill", 2, &[], "0.05"),
        ("flux-pro-1.0-expand", 1, &[], "0.05"),
        ("flux-pro-1.0-fill-finetuned", 2, &[], "0.06"),
        ("flux-pro-1.1-ultra-finetuned", 1, &[], "0.07"),
        ("flux-dev", 0, &[], "0.025"),
        ("flux-3-image", 0, &[("resolution", "768sq")], "0.041"),
        ("flux-3-image", 0, &[("resolution", "1k")], "0.048"),
        ("flux-3-image", 0, &[("mode", "x"), ("resolution", "2k")], "0.1"),
        ("flux-3-image", 0, &[("resolution", "4k")], "0.607"),
    ] {
        assert_eq!(dollars(model, None, &vec![None; images], options), expected, "{model} {options:?}");
    }
}

#[test]
fn unpublished_price_is_unknown() {
    for (model, images, options) in [
        ("flux-3-image", 0, [("resolution", "1.5k")].as_slice()),
        ("flux-3-image", 1, &[("resolution", "1k")]),
        ("flux-3-image", 0, &[]),
        ("deblur-v1", 1, &[]),
        ("outpainting-v1", 1, &[("mode", "fast")]),
        ("flux-pro", 0, &[]),
        ("", 0, &[]),
    ] {
        let estimate = estimate(model, Some((1024, 1024)), &vec![None; images], options);
        assert_eq!((estimate.amount, estimate.at_most), (None, None), "{model}");
        assert!(estimate.note.len() > 15, "{model}: {}", estimate.note);
    }
}

#[test]
fn invalid_price_table_error_names_the_model() {
    for (text, part) in [
        ("[models.a]\nform = \"flat\"\ncredits = \"4\"\ndate = \"2026\"", "no source"),
        ("[models.a]\nform = \"flat\"\ncredits = \"4\"\nsource = \"x\"", "no date"),
        ("[models.a]\nform = \"flat\"\ncredits = \"0\"\nsource = \"x\"\ndate = \"2026\"", "above zero"),
        ("[models.a]\nform = \"flat\"\ncredits = 4.5\nsource = \"x\"\ndate = \"2026\"", "a: "),
        ("[models.a]\nform = \"guess\"\nsource = \"x\"\ndate = \"2026\"", "guess"),
        ("models = 3", "models"),
    ] {
        let error = PriceTable::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

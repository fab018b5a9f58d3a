//! The price table against the published figures and recorded charges.

use super::*;

fn estimate(model: &str, output: Option<(u32, u32)>, input_images: u32, options: &[(&'static str, &str)]) -> Estimate {
    let options = options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    PriceTable::builtin().estimate(&PricedRequest { model, output, input_images, options })
}

fn dollars(model: &str, output: Option<(u32, u32)>, input_images: u32, options: &[(&'static str, &str)]) -> String {
    estimate(model, output, input_images, options).amount.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string())
}

#[test]
fn builtin_table_is_valid_and_has_sources() {
    let table = PriceTable::parse(include_str!("../../../assets/prices.toml")).unwrap();
    assert_eq!(table.models().count(), PriceTable::builtin().models().count());
    assert!(table.models().count() >= 19);
    for (model, price) in &table.models {
        assert!(price.date.starts_with("2026"), "{model}");
        assert!(price.source.len() > 5, "{model}");
    }
}

#[test]
fn megapixel_prices_follow_the_derived_examples() {
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
            assert_eq!(dollars(model, Some(size), 0, &[]), expected, "{model} {size:?}");
        }
    }
}

#[test]
fn reference_images_count_one_megapixel_each() {
    for (model, images, expected) in [
        ("flux-2-pro", 1, "0.045"),
        ("flux-2-pro", 8, "0.15"),
        ("flux-2-max", 3, "0.16"),
        ("flux-2-flex", 1, "0.1"),
        ("flux-2-klein-9b", 2, "0.019"),
    ] {
        let estimate = estimate(model, Some((1024, 1024)), images, &[]);
        assert_eq!(estimate.amount.unwrap().to_string(), expected, "{model} {images}");
        assert!(estimate.note.contains("about 1 MP"), "{}", estimate.note);
    }
}

#[test]
fn automatic_size_is_priced_as_documented() {
    let estimate = estimate("flux-2-pro", None, 0, &[]);
    assert_eq!(estimate.amount.unwrap().to_string(), "0.03");
    assert!(estimate.note.contains("the server chooses"), "{}", estimate.note);
}

#[test]
fn flat_and_option_prices() {
    for (model, images, options, expected) in [
        ("flux-kontext-pro", 0, [].as_slice(), "0.04"),
        ("flux-kontext-max", 4, &[], "0.08"),
        ("flux-pro-1.1", 0, &[], "0.04"),
        ("flux-pro-1.1-ultra", 1, &[], "0.06"),
        ("flux-pro-1.0-fill", 2, &[], "0.05"),
        ("flux-pro-1.0-expand", 1, &[], "0.05"),
        ("flux-dev", 0, &[], "0.025"),
        ("flux-3-image", 0, &[("resolution", "768sq")], "0.041"),
        ("flux-3-image", 0, &[("resolution", "1k")], "0.048"),
        ("flux-3-image", 0, &[("mode", "x"), ("resolution", "2k")], "0.1"),
        ("flux-3-image", 0, &[("resolution", "4k")], "0.607"),
    ] {
        assert_eq!(dollars(model, None, images, options), expected, "{model} {options:?}");
    }
}

#[test]
fn unpublished_price_is_unknown_not_zero() {
    for (model, images, options) in [
        ("flux-3-image", 0, [("resolution", "1.5k")].as_slice()),
        ("flux-3-image", 1, &[("resolution", "1k")]),
        ("flux-3-image", 0, &[]),
        ("erase-v1", 2, &[]),
        ("deblur-v1", 1, &[]),
        ("vto-v1", 2, &[]),
        ("vto-v2", 2, &[]),
        ("outpainting-v1", 1, &[("mode", "fast")]),
        ("flux-pro", 0, &[]),
        ("", 0, &[]),
    ] {
        let estimate = estimate(model, Some((1024, 1024)), images, options);
        assert_eq!(estimate.amount, None, "{model}");
        assert!(estimate.note.len() > 15, "{model}: {}", estimate.note);
    }
}

#[test]
fn price_table_error_names_the_model() {
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

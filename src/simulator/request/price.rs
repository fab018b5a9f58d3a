//! Owns what the simulator charges: the price table's amount, or an invented one where no price is published.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::jobs::Spec;

/// Credits for this request.
///
/// Where the table knows no price, the amount is invented, so that there is something to keep books about: what was seen once
/// for the tools (erase and deblur 3, try-on 4.75, outpainting 4.5 fast and 20 high), 7 for FLUX 3 at 1.5k and 1 for each of its
/// reference images, 5 for anything else.
pub(super) fn credits(spec: &Spec) -> Decimal {
    match Catalog::builtin().estimate(spec).amount {
        Some(amount) => (amount.decimal() * Decimal::ONE_HUNDRED).normalize(),
        None => invented(spec),
    }
}

fn invented(spec: &Spec) -> Decimal {
    let text = |name: &str| spec.parameters.get(name).and_then(Value::as_str);
    match spec.model.as_str() {
        "erase-v1" | "deblur-v1" => Decimal::from(3),
        "vto-v1" | "vto-v2" => Decimal::new(475, 2),
        "outpainting-v1" if text("mode") == Some("fast") => Decimal::new(45, 1),
        "outpainting-v1" => Decimal::from(20),
        "flux-3-image" => {
            let images = match spec.parameters.get("images") {
                Some(Value::Array(images)) => images.len(),
                Some(_) => 1,
                None => 0,
            };
            let mut bare = spec.clone();
            bare.parameters.remove("images");
            let known = Catalog::builtin().estimate(&bare).amount;
            known.map_or(Decimal::from(7), |amount| amount.decimal() * Decimal::ONE_HUNDRED) + Decimal::from(images)
        }
        _ => Decimal::from(5),
    }
}

//! Owns the strict reading of money from files: exact or refused. Must not round.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::costs::Usd;
use crate::text::sanitize_line;

/// Digits behind the point that every sum keeps exactly.
const DECIMALS: i32 = 24;

/// More digits than a decimal holds exactly.
const DIGITS: usize = 28;

/// A single charge above this is a mistake, and a few of them would overflow the sums.
pub(super) const LARGEST: u32 = 1_000_000;

/// The amount of a field. Errors: why it is none, without the field's name.
pub(super) fn amount_of(value: &Value) -> Result<Usd, String> {
    match value {
        // The shortest decimal of a double is what was written.
        Value::Number(number) => exact(&number.to_string()),
        Value::String(text) => exact(text),
        other => Err(format!("is {}; it must be a number of dollars", kind(other))),
    }
}

/// The exact amount. Errors: why it is none.
fn exact(text: &str) -> Result<Usd, String> {
    let text = text.trim();
    let shown = || sanitize_line(text, 40);
    if text.starts_with('-') {
        return Err(format!("is {}; money that was spent is not negative", shown()));
    }
    let no_amount = || format!("is '{}', which is no amount of dollars such as 0.025", shown());
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| no_amount())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) || text.len() > 400 {
        return Err(no_amount());
    }
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return Ok(Usd::ZERO);
    }
    let trailing = all.len() - all.trim_end_matches('0').len();
    let scale = i32::try_from(fraction.len()).unwrap_or(i32::MAX) - i32::try_from(trailing).unwrap_or(0);
    let scale = scale.saturating_sub(exponent);
    if scale > DECIMALS || digits.len() > DIGITS {
        return Err(format!("is {}; that is finer than the {DECIMALS} decimals that are kept exactly", shown()));
    }
    let too_large = || format!("is {}; one charge of more than {LARGEST} dollars is not believed", shown());
    if scale < -8 {
        return Err(too_large());
    }
    let number: i128 = digits.parse().map_err(|_| no_amount())?;
    let amount = if scale >= 0 {
        Decimal::try_from_i128_with_scale(number, scale.unsigned_abs()).map_err(|_| no_amount())?
    } else {
        let shifted = number.checked_mul(10_i128.pow(scale.unsigned_abs())).ok_or_else(too_large)?;
        Decimal::try_from_i128_with_scale(shifted, 0).map_err(|_| too_large())?
    };
    if amount > Decimal::from(LARGEST) {
        return Err(too_large());
    }
    Ok(Usd::new(amount))
}

/// What a value is, for a person who has to mend a line.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exact_is_taken() {
        for (text, expected) in [
            ("0.025", "0.025"),
            ("5e-06", "0.000005"),
            ("5.0003452102343246e-06", "0.0000050003452102343246"),
            ("1", "1"),
            ("+1.50", "1.5"),
            ("0.000000000000000000000001", "0.000000000000000000000001"),
            ("0.0000000000000000000000010000", "0.000000000000000000000001"),
            ("1e3", "1000"),
            ("0e999", "0"),
            ("0", "0"),
            (".5", "0.5"),
            (" 2. ", "2"),
        ] {
            assert_eq!(exact(text).map(|amount| amount.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            ".",
            "-",
            "-0.01",
            "-0",
            "NaN",
            "nan",
            "inf",
            "Infinity",
            "1e400",
            "1e2147483648",
            "$1",
            "1,5",
            "1_0",
            "0x1",
            "1e",
            "1e+-2",
            "0.0000000000000000000000001",
            "1e-25",
            "123456789.123456789012345678901",
            "1000000.01",
            "9223372036854775808",
            "1e9",
            "1 2",
            "१",
        ] {
            assert!(exact(text).is_err(), "{text}: {:?}", exact(text));
        }
        for value in [Value::Null, Value::Bool(true), Value::Array(vec![]), Value::from(-0.5), Value::from(-1)] {
            assert!(amount_of(&value).is_err(), "{value}");
        }
    }
}

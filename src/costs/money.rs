//! Exact decimal amounts. No float: an amount in a JSON number is parsed from its digits.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Text or a number that is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an amount of money")]
pub struct ParseMoneyError(pub String);

/// United States dollars, exact to the last digit that was ever given. Serialised as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(#[serde(with = "rust_decimal::serde::str")] Decimal);

impl Usd {
    /// No money at all.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount from an exact decimal.
    pub fn new(amount: Decimal) -> Self {
        Self(amount.normalize())
    }

    /// The exact amount.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// For people: at least two decimals, at most four, a dollar sign. `$0.04`, `$0.0475`, `$12.00`.
    ///
    /// Amounts below the fourth decimal read `<$0.0001`, never `$0.00`: a cent that exists is shown.
    pub fn display(self) -> String {
        if self.0.is_sign_negative() && !self.0.is_zero() {
            return format!("-{}", Self(-self.0).display());
        }
        let rounded = self.0.round_dp(4).normalize();
        if rounded.is_zero() && !self.0.is_zero() {
            return "<$0.0001".to_owned();
        }
        let scale = rounded.scale().max(2) as usize;
        format!("${rounded:.scale$}")
    }
}

impl fmt::Display for Usd {
    /// The plain decimal with its full precision, as `--json` and the database carry it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl FromStr for Usd {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_decimal(text).map(Self::new)
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.0.saturating_add(other.0))
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for Usd {
    type Output = Self;
    /// Saturates, far beyond any bill.
    fn mul(self, count: u64) -> Self {
        Self::new(self.0.saturating_mul(Decimal::from(count)))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// The provider's unit: one credit is one cent ($0.01), fractions allowed (FLUX pricing page: 1 credit = $0.01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credits(#[serde(with = "rust_decimal::serde::str")] Decimal);

impl Credits {
    /// Credits from an exact decimal.
    pub fn new(amount: Decimal) -> Self {
        Self(amount.normalize())
    }

    /// Credits from the digits of a JSON number, without a detour through a binary fraction.
    pub fn from_json(number: &serde_json::Number) -> Result<Self, ParseMoneyError> {
        parse_decimal(&number.to_string()).map(Self::new)
    }

    /// The exact number of credits.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// What they cost.
    pub fn to_usd(self) -> Usd {
        Usd::new(self.0.saturating_mul(Decimal::new(1, 2)))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

fn parse_decimal(text: &str) -> Result<Decimal, ParseMoneyError> {
    let text = text.trim();
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .map_err(|_| ParseMoneyError(text.chars().take(40).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn usd_sums_are_exact() {
        let total: Usd = std::iter::repeat_n(usd("0.1"), 3).sum();
        assert_eq!(total, usd("0.3"));
        assert_eq!(total.to_string(), "0.3");
    }

    #[test]
    fn credits_convert_to_cents() {
        let number: serde_json::Number = serde_json::from_str("4.5").unwrap();
        assert_eq!(Credits::from_json(&number).unwrap().to_usd(), usd("0.045"));
        let tiny: serde_json::Number = serde_json::from_str("5e-7").unwrap();
        assert_eq!(Credits::from_json(&tiny).unwrap().to_usd(), usd("0.000000005"));
    }

    #[test]
    fn display_keeps_two_decimals_and_small_amounts() {
        for (amount, shown) in [
            ("0", "$0.00"),
            ("0.04", "$0.04"),
            ("0.0475", "$0.0475"),
            ("12", "$12.00"),
            ("0.000005", "<$0.0001"),
            ("-1.5", "-$1.50"),
        ] {
            assert_eq!(usd(amount).display(), shown);
        }
    }

    #[test]
    fn invalid_amount_is_an_error() {
        for text in ["", "NaN", "1e999", "$3", "1,5"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }
}

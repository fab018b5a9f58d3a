use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use crate::costs::Usd;

/// Bytes of one gigabyte on Google's bill: 2^30.
const GIGABYTE: u64 = 1 << 30;

/// Decimals of a dollar in the `costs` entries that pipelines already have; with more, old and new entries would not add up
/// alike.
const DECIMALS: u32 = 6;

/// The published prices of keeping images in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoragePrice {
    /// Dollars for one upload.
    pub operation: Usd,
    /// Dollars for 2^30 bytes, kept for a month.
    pub gigabyte_month: Usd,
    /// Who published it.
    pub source: String,
    /// When.
    pub date: String,
}

impl StoragePrice {
    /// Dollars for one object of `bytes` bytes: its upload and its first month, rounded to millionths of a dollar.
    ///
    /// That is how the backends that darkroom replaces reckoned each of their `google_storage` entries.
    pub fn cost(&self, bytes: u64) -> Usd {
        let month = self.gigabyte_month.decimal().saturating_mul(Decimal::from(bytes)) / Decimal::from(GIGABYTE);
        let total = self.operation.decimal().saturating_add(month);
        Usd::new(total.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointNearestEven))
    }
}

#[cfg(test)]
mod tests {
    use super::super::PriceTable;

    fn dollars(bytes: u64) -> String {
        PriceTable::builtin().storage().unwrap().cost(bytes).to_string()
    }

    #[test]
    fn storage_cost_matches_recorded_entries() {
        // Sizes of `google_storage` entries that such a backend left; each was booked with 5e-06 dollars.
        for bytes in [55, 551, 571, 584] {
            assert_eq!(dollars(bytes), "0.000005", "{bytes}");
        }
    }

    #[test]
    fn storage_cost_is_upload_plus_one_month() {
        assert_eq!(dollars(1 << 30), "0.020005");
        assert_eq!(dollars(1_500_000), "0.000033");
        assert_eq!(dollars(20 * 1024 * 1024), "0.000396");
        assert_eq!(dollars(0), "0.000005");
    }

    #[test]
    fn invalid_storage_price_is_an_error() {
        let table = |storage: &str| format!("[models]\n[storage]\n{storage}");
        let good = "operation = \"0.000005\"\ngigabyte_month = \"0.020\"\nsource = \"a page\"\ndate = \"2026-11\"\n";
        assert!(PriceTable::parse(&table(good)).unwrap().storage().is_some());
        for bad in [
            good.replace("a page", ""),
            good.replace("2026-11", ""),
            good.replace("0.020", "-0.020"),
            good.replace("operation", "operatoin"),
        ] {
            assert!(PriceTable::parse(&table(&bad)).is_err(), "{bad}");
        }
        assert!(PriceTable::parse("[models]\n").unwrap().storage().is_none());
    }
}

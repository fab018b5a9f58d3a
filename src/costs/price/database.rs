use rust_decimal::Decimal;
use serde::Deserialize;

use crate::costs::Usd;

/// How many documents a price is for.
const DOCUMENTS: u64 = 100_000;

/// The published prices of documents that are read and written in a shared store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabasePrice {
    /// Dollars for 100,000 documents read.
    pub reads: Usd,
    /// Dollars for 100,000 documents written.
    pub writes: Usd,
    /// Who published it.
    pub source: String,
    /// When.
    pub date: String,
}

impl DatabasePrice {
    /// Dollars for so many documents, without the free quota of a day.
    pub fn cost(&self, reads: u64, writes: u64) -> Usd {
        let part =
            |price: Usd, count: u64| price.decimal().saturating_mul(Decimal::from(count)) / Decimal::from(DOCUMENTS);
        Usd::new(part(self.reads, reads).saturating_add(part(self.writes, writes)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::PriceTable;

    #[test]
    fn documents_are_billed_by_the_hundred_thousand() {
        let price = PriceTable::builtin().database().unwrap();
        assert_eq!(price.cost(100_000, 0).to_string(), "0.06");
        assert_eq!(price.cost(50_000, 200_000).to_string(), "0.39");
        assert_eq!(price.cost(0, 0).to_string(), "0");
    }
}

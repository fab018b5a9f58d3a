//! Money: exact amounts, charges, prices, budgets and reports.
//!
//! Pure: no async, no input or output, no clock. Nothing here knows what a job is.

mod account;
mod budget;
mod charge;
mod grouping;
mod money;
mod outlook;
mod price;
mod report;
mod rows;

pub use account::{AccountCheck, BalanceHistory, BalanceReading};
pub use budget::{
    Budget, BudgetEdit, BudgetExceeded, BudgetPeriod, BudgetRecord, BudgetSettings, DEFAULT_SOFT_PERCENT,
};
pub use charge::{Basis, Charge, MAX_CHARGE_USD, Service};
pub use grouping::CostGrouping;
#[cfg(feature = "firestore")]
pub(crate) use grouping::status_of;
pub(crate) use grouping::{CAUSE_IMAGE, CAUSE_IN_PROGRESS, CAUSE_UNKNOWN};
pub use money::{Credits, ParseMoneyError, Usd};
pub use outlook::{Outlook, RATE_DAYS};
pub use price::{Estimate, PriceError, PriceTable, PricedRequest, StoragePrice};
pub use report::{CostLine, CostReport, CostTable};
pub(crate) use report::{NO_MODEL, NO_TAG};
pub use rows::{CostRow, TagRow};

//! Money: exact amounts, charges, prices, budgets and reports.
//!
//! Pure: no async, no input or output, no clock. Nothing here knows what a job is.

mod budget;
mod charge;
mod money;
mod price;
mod report;

pub use budget::{Budget, BudgetEdit, BudgetExceeded, BudgetPeriod, BudgetRecord, BudgetSettings};
pub use charge::{Basis, Charge, MAX_CHARGE_USD, Service};
pub use money::{Credits, ParseMoneyError, Usd};
pub use price::{Estimate, PriceError, PriceTable, PricedRequest, StoragePrice};
pub use report::{CostGrouping, CostLine, CostReport, CostRow, CostTable, Outlook, TagRow};
pub(crate) use report::{CAUSE_IMAGE, CAUSE_IN_PROGRESS, CAUSE_UNKNOWN, NO_MODEL, NO_TAG};
#[cfg(feature = "firestore")]
pub(crate) use report::status_of;

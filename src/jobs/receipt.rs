//! The provider's acceptance of a submit, and what is needed to collect the image later.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::costs::Credits;

/// How to collect the image later. The API's own word is "task", which means something else in this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The provider's id.
    pub id: String,
    /// The address that answers for this ticket; empty where the reply named none.
    pub polling_url: String,
}

impl Ticket {
    /// Whether the provider can be polled for it: a ticket without an address may be known by its id.
    pub fn is_collectable(&self) -> bool {
        !self.polling_url.is_empty() || !self.id.is_empty()
    }
}

/// The provider's acceptance of one submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// How to collect the image.
    pub ticket: Ticket,
    /// The price, where the reply named one.
    pub cost: Option<Credits>,
    /// Megapixels of input, where the reply named them.
    pub input_megapixels: Option<Decimal>,
    /// Megapixels of output, where the reply named them.
    pub output_megapixels: Option<Decimal>,
    /// When the reply arrived.
    pub accepted_at: DateTime<Utc>,
}

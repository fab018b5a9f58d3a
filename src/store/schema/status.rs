//! The five values of a job document's `status`.

use serde_json::Value;

use super::Fields;
use super::money::kind;
use crate::jobs::StageName;
use crate::text::sanitize_line;

/// What other programs see of a job's stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// An image is requested.
    Pending,
    /// A backend works on it.
    Processing,
    /// The image waits for a reviewer.
    Review,
    /// A reviewer approved the image.
    Approved,
    /// No image, and `errorMessage` says why.
    Error,
}

impl Status {
    const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Review, Self::Approved, Self::Error];

    /// The text in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending_art_generation",
            Self::Processing => "processing",
            Self::Review => "pending_review",
            Self::Approved => "approved",
            Self::Error => "error",
        }
    }

    /// The status of a document. Errors: one line.
    pub fn of(fields: &Fields) -> Result<Self, String> {
        match fields.get("status") {
            None | Some(Value::Null) => Err("the document has no status".to_owned()),
            Some(Value::String(text)) => {
                Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
                    let known = Self::ALL.map(Self::as_str).join(", ");
                    format!("status '{}' is not known; one of: {known}", sanitize_line(text, 40))
                })
            }
            Some(other) => Err(format!("status is {}; expected text", kind(other))),
        }
    }

    /// The status of a job in that stage. A cancelled job is an error with the message `cancelled`.
    pub fn of_stage(stage: StageName) -> Self {
        match stage {
            StageName::Queued => Self::Pending,
            StageName::Submitting | StageName::Generating => Self::Processing,
            StageName::Done => Self::Review,
            StageName::Approved => Self::Approved,
            StageName::Failed | StageName::Cancelled => Self::Error,
        }
    }
}

//! What the lines of a report are grouped by.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc, Weekday};

use super::CostRow;
use crate::time::{midnight, month_key};

/// The cause of a charge whose job alone knows what became of the money. The text is in stored rollups.
pub(crate) const CAUSE_UNKNOWN: &str = "recorded";

/// The cause of a charge that paid for a stored image. The text is in stored rollups and reports.
pub(crate) const CAUSE_IMAGE: &str = "picture";

/// The cause of a charge of an attempt that still runs.
pub(crate) const CAUSE_IN_PROGRESS: &str = "in_progress";

/// The cause of a charge of a cancelled attempt.
const CAUSE_CANCELLED: &str = "cancelled";

/// What the lines of a report are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum CostGrouping {
    /// The requested model.
    Model,
    /// The UTC day of the charge.
    Day,
    /// The ISO week of the charge, from Monday on: `2026-W48`.
    Week,
    /// The UTC month of the charge: `2026-11`.
    Month,
    /// The service that bills it.
    Service,
    /// What became of the attempt: done, running, failed, cancelled, or recorded (only its job knows).
    Status,
    /// The tags of the job; a charge with several tags counts for each.
    Tag,
    /// What the money was spent on: an image, an attempt in progress, or a failure's code.
    Cause,
}

impl CostGrouping {
    /// Whether the lines are spans of time.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }

    /// The line that the charges of a row belong to; rows have no tags.
    pub(super) fn key_of(self, row: &CostRow) -> String {
        match self {
            Self::Model => row.model.clone(),
            Self::Day => row.day.to_string(),
            Self::Week => {
                let week = row.day.iso_week();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => month_key(row.day),
            Self::Service => row.service.clone(),
            Self::Status => status_of(&row.cause).to_owned(),
            Self::Cause => row.cause.clone(),
            Self::Tag => String::new(),
        }
    }

    /// The span of a line that is a span of time; `None` where the key is not one.
    pub fn span_of(self, key: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let first = match self {
            Self::Day => key.parse::<NaiveDate>().ok()?,
            Self::Week => {
                let (year, week) = key.split_once("-W")?;
                NaiveDate::from_isoywd_opt(year.parse().ok()?, week.parse().ok()?, Weekday::Mon)?
            }
            Self::Month => format!("{key}-01").parse::<NaiveDate>().ok()?,
            _ => return None,
        };
        let next = match self {
            Self::Day => first.checked_add_days(Days::new(1))?,
            Self::Week => first.checked_add_days(Days::new(7))?,
            _ => first.checked_add_months(Months::new(1))?,
        };
        Some((midnight(first), midnight(next)))
    }
}

/// The status of the attempt that a charge paid for.
pub(crate) fn status_of(cause: &str) -> &'static str {
    match cause {
        CAUSE_IMAGE => "done",
        CAUSE_IN_PROGRESS => "running",
        CAUSE_CANCELLED => "cancelled",
        CAUSE_UNKNOWN => "recorded",
        _ => "failed",
    }
}

/// Whether a charge with that cause paid for no image.
pub(super) fn is_waste(cause: &str) -> bool {
    matches!(status_of(cause), "failed" | "cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_keys_name_their_span() {
        for (grouping, key, from, to) in [
            (CostGrouping::Day, "2026-12-31", "2026-12-31", "2027-01-01"),
            (CostGrouping::Week, "2026-W53", "2026-12-28", "2027-01-04"),
            (CostGrouping::Month, "2026-12", "2026-12-01", "2027-01-01"),
        ] {
            let (first, next) = grouping.span_of(key).unwrap();
            assert_eq!(
                (first.date_naive().to_string(), next.date_naive().to_string()),
                (from.into(), to.into()),
                "{key}"
            );
            let row = CostRow {
                day: "2026-12-31".parse().unwrap(),
                model: String::new(),
                service: String::new(),
                cause: String::new(),
                basis: crate::costs::Basis::Settled,
                amount: None,
                count: 1,
            };
            assert_eq!(grouping.key_of(&row), key);
        }
        for (grouping, key) in [
            (CostGrouping::Day, "2026-13-01"),
            (CostGrouping::Week, "2026-W54"),
            (CostGrouping::Month, "11"),
            (CostGrouping::Model, "2026-11"),
        ] {
            assert_eq!(grouping.span_of(key), None, "{key}");
        }
    }
}

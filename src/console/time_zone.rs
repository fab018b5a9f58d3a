//! Times as they look on the screen: always with their zone. Budgets and days of costs stay in UTC.

use chrono::{DateTime, FixedOffset, Local, Offset, Utc};

/// The zone of the times on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum DisplayZone {
    /// `12:04:31Z`.
    #[default]
    Utc,
    /// The system's zone (`TZ`): `13:04:31+01`.
    Local,
}

impl DisplayZone {
    /// `12:04:31Z`.
    pub fn time(self, at: DateTime<Utc>) -> String {
        in_offset(at, self.offset(at), "%H:%M:%S", "Z")
    }

    /// `12:04:31.201Z`.
    pub fn time_with_millis(self, at: DateTime<Utc>) -> String {
        in_offset(at, self.offset(at), "%H:%M:%S%.3f", "Z")
    }

    /// `2026-11-22 12:04 UTC`.
    pub fn date_and_minute(self, at: DateTime<Utc>) -> String {
        in_offset(at, self.offset(at), "%Y-%m-%d %H:%M", " UTC")
    }

    /// `2026-11-22 12:04:31 UTC`.
    pub fn date_and_time(self, at: DateTime<Utc>) -> String {
        in_offset(at, self.offset(at), "%Y-%m-%d %H:%M:%S", " UTC")
    }

    /// `None` is UTC.
    fn offset(self, at: DateTime<Utc>) -> Option<FixedOffset> {
        match self {
            Self::Utc => None,
            Self::Local => Some(at.with_timezone(&Local).offset().fix()),
        }
    }
}

fn in_offset(at: DateTime<Utc>, offset: Option<FixedOffset>, format: &str, utc: &str) -> String {
    let Some(offset) = offset else { return format!("{}{utc}", at.format(format)) };
    let zone = offset.to_string();
    let zone = zone.strip_suffix(":00").unwrap_or(&zone);
    format!("{}{zone}", at.with_timezone(&offset).format(format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::test_fixtures::noon;

    #[test]
    fn times_carry_their_zone() {
        assert_eq!(DisplayZone::Utc.time(noon()), "12:00:00Z");
        assert_eq!(DisplayZone::Utc.time_with_millis(noon()), "12:00:00.000Z");
        assert_eq!(DisplayZone::Utc.date_and_time(noon()), "2026-11-22 12:00:00 UTC");
        let india = FixedOffset::east_opt(5 * 3_600 + 1_800);
        assert_eq!(in_offset(noon(), india, "%H:%M:%S", "Z"), "17:30:00+05:30");
        let berlin = FixedOffset::east_opt(3_600);
        assert_eq!(in_offset(noon(), berlin, "%H:%M:%S", "Z"), "13:00:00+01");
    }
}

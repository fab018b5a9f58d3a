//! Owns the hard caps on spending. Must not read a clock: the day and the month are made from a given time, in UTC.

use chrono::{DateTime, Utc};

use super::Usd;
use crate::time::{day_of, month_of};

/// Hard caps. A submit that would pass one is held, not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// At most this much in one UTC day.
    pub daily: Option<Usd>,
    /// At most this much in one UTC month.
    pub monthly: Option<Usd>,
}

/// One span of time with its cap: what a store has to add up before it lets a reservation through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetPeriod {
    /// `day` or `month`, for people.
    pub name: &'static str,
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant outside.
    pub to: DateTime<Utc>,
    /// The cap.
    pub cap: Usd,
}

/// A reservation that a cap does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetExceeded {
    /// Which period: `day` or `month`.
    pub period: &'static str,
    /// By how much; `None` where the price is unknown, so that no cap can be kept.
    pub over: Option<Usd>,
    /// When that period ends.
    pub until: DateTime<Utc>,
}

impl BudgetExceeded {
    /// One line for an operator: `daily budget used up: jobs are held until 2026-11-28 00:00 UTC, or until the cap is raised`.
    pub fn summary(&self) -> String {
        let name = if self.period == "day" { "daily" } else { "monthly" };
        let until = self.until.format("%Y-%m-%d %H:%M UTC");
        match self.over {
            Some(_) => format!("{name} budget used up: jobs are held until {until}, or until the cap is raised"),
            None => format!("{name} budget set: jobs whose price is unknown are held"),
        }
    }
}

impl Budget {
    /// Whether any cap is set.
    pub fn is_limited(&self) -> bool {
        self.daily.is_some() || self.monthly.is_some()
    }

    /// The capped periods that contain `now`.
    pub fn periods(&self, now: DateTime<Utc>) -> Vec<BudgetPeriod> {
        let mut periods = Vec::new();
        if let Some(cap) = self.daily {
            let (from, to) = day_of(now);
            periods.push(BudgetPeriod { name: "day", from, to, cap });
        }
        if let Some(cap) = self.monthly {
            let (from, to) = month_of(now);
            periods.push(BudgetPeriod { name: "month", from, to, cap });
        }
        periods
    }
}

impl BudgetPeriod {
    /// Whether `amount` still fits beside what is already `committed` in this period.
    pub fn check(&self, committed: Usd, amount: Option<Usd>) -> Result<(), BudgetExceeded> {
        let Some(amount) = amount else {
            return Err(BudgetExceeded { period: self.name, over: None, until: self.to });
        };
        let total = committed + amount;
        if total > self.cap {
            return Err(BudgetExceeded { period: self.name, over: Some(total - self.cap), until: self.to });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let budget = Budget { daily: Some(Usd::ZERO), monthly: Some(Usd::ZERO) };
        let now = "2026-12-31T23:59:59Z".parse().unwrap();
        let periods = budget.periods(now);
        assert_eq!(periods[0].to.to_rfc3339(), "2027-01-01T00:00:00+00:00");
        assert_eq!(periods[1].from.to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(periods[1].to.to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }

    #[test]
    fn the_cap_itself_may_be_reached_but_not_passed() {
        let cap: Usd = "1.00".parse().unwrap();
        let period = Budget { daily: Some(cap), monthly: None }.periods(DateTime::UNIX_EPOCH)[0];
        let (spent, four) = ("0.96".parse().unwrap(), "0.04".parse().unwrap());
        assert!(period.check(spent, Some(four)).is_ok());
        let over = period.check(spent + four, Some(four)).unwrap_err();
        assert_eq!(over.over, Some(four));
        assert!(period.check(Usd::ZERO, None).is_err(), "an unknown price cannot be kept under a cap");
    }
}

//! Hard caps on spending: for all processes of a store, per model, and lowered by one process. Days and months are UTC and made
//! from a given time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::Usd;
use crate::time::{day_of, month_of};

/// The share of a cap, in percent, from which to warn where the store has none.
pub const DEFAULT_SOFT_PERCENT: u8 = 80;

/// Hard caps. A submit that would exceed one is held, not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// At most this much in one UTC day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Usd>,
    /// At most this much in one UTC month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Usd>,
}

/// The caps that a store keeps for all its processes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BudgetSettings {
    /// For all models together.
    #[serde(flatten)]
    pub total: Budget,
    /// For single models, beside the cap for all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Budget>,
    /// The share of a cap, in percent, from which an operator is notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_percent: Option<u8>,
}

/// A change of the caps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetEdit {
    /// Sets what is named; the rest stays.
    Set {
        /// Only for this model.
        model: Option<String>,
        /// The new caps.
        caps: Budget,
        /// The new soft mark in percent.
        soft_percent: Option<u8>,
    },
    /// Removes the caps of this model, or all caps and the soft mark.
    Clear {
        /// Only of this model.
        model: Option<String>,
    },
    /// Removes what is named; the rest stays.
    Remove {
        /// Only of this model.
        model: Option<String>,
        /// The cap of a day.
        daily: bool,
        /// The cap of a month.
        monthly: bool,
        /// The soft mark.
        soft: bool,
    },
}

/// One recorded change of the caps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `user@host`.
    pub by: String,
    /// What was changed, one line.
    pub change: String,
    /// The caps from then on.
    pub settings: BudgetSettings,
}

/// One span of time with its cap: what a store has to add up before it lets a reservation through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetPeriod {
    /// `day` or `month`, for people.
    pub name: &'static str,
    /// The model whose charges count; `None` counts all.
    pub model: Option<String>,
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
    /// The model whose cap it is; `None` for the cap of all models.
    pub model: Option<String>,
    /// By how much; `None` where the price is unknown, so that no cap can be kept.
    pub over: Option<Usd>,
    /// When that period ends.
    pub until: DateTime<Utc>,
}

impl BudgetExceeded {
    /// One line for an operator: `daily budget used up: jobs are held until 2026-11-28 00:00 UTC, or until the cap is raised`.
    pub fn summary(&self) -> String {
        let name = self.name();
        let until = self.until.format("%Y-%m-%d %H:%M UTC");
        match self.over {
            Some(_) => format!("{name} used up: jobs are held until {until}, or until the cap is raised"),
            None => format!("{name} set: jobs whose price is unknown are held"),
        }
    }

    /// Whether both name the same cap in the same period.
    pub fn is_of_same_cap(&self, other: &Self) -> bool {
        (self.period, &self.model, self.until) == (other.period, &other.model, other.until)
    }
}

impl Budget {
    /// For each period the lower cap of the two.
    #[must_use]
    pub fn lower_of(self, other: Self) -> Self {
        let lower = |one: Option<Usd>, other: Option<Usd>| one.into_iter().chain(other).min();
        Self { daily: lower(self.daily, other.daily), monthly: lower(self.monthly, other.monthly) }
    }

    /// Whether any cap is set.
    pub fn is_limited(&self) -> bool {
        self.daily.is_some() || self.monthly.is_some()
    }

    /// The capped periods that contain `now`.
    pub fn periods(&self, now: DateTime<Utc>) -> Vec<BudgetPeriod> {
        let mut periods = Vec::new();
        if let Some(cap) = self.daily {
            let (from, to) = day_of(now);
            periods.push(BudgetPeriod { name: "day", model: None, from, to, cap });
        }
        if let Some(cap) = self.monthly {
            let (from, to) = month_of(now);
            periods.push(BudgetPeriod { name: "month", model: None, from, to, cap });
        }
        periods
    }
}

impl BudgetSettings {
    /// The periods that a submit of `model` must fit into: the caps of all models, lowered by those of the process, then the
    /// caps of this model.
    pub fn periods(&self, process: Budget, model: &str, now: DateTime<Utc>) -> Vec<BudgetPeriod> {
        let mut periods = self.total.lower_of(process).periods(now);
        if let Some(caps) = self.models.get(model) {
            let model = Some(model.to_owned());
            periods.extend(caps.periods(now).into_iter().map(|period| BudgetPeriod { model: model.clone(), ..period }));
        }
        periods
    }
}

impl BudgetEdit {
    /// Applies the change.
    pub fn apply(&self, settings: &mut BudgetSettings) {
        match self {
            Self::Set { model, caps, soft_percent } => {
                let target = match model {
                    Some(model) => settings.models.entry(model.clone()).or_default(),
                    None => &mut settings.total,
                };
                target.daily = caps.daily.or(target.daily);
                target.monthly = caps.monthly.or(target.monthly);
                settings.soft_percent = soft_percent.or(settings.soft_percent);
            }
            Self::Clear { model: Some(model) } => _ = settings.models.remove(model),
            Self::Clear { model: None } => *settings = BudgetSettings::default(),
            Self::Remove { model, daily, monthly, soft } => {
                let target = match model {
                    Some(model) => settings.models.entry(model.clone()).or_default(),
                    None => &mut settings.total,
                };
                target.daily = target.daily.filter(|_| !daily);
                target.monthly = target.monthly.filter(|_| !monthly);
                settings.soft_percent = settings.soft_percent.filter(|_| !soft);
                settings.models.retain(|_, caps| caps.is_limited());
            }
        }
    }

    /// Whether a cap of these settings is higher afterwards, or gone: held jobs may fit then.
    pub fn raises(&self, settings: &BudgetSettings) -> bool {
        let mut after = settings.clone();
        self.apply(&mut after);
        let is_raised = |old: Option<Usd>, new: Option<Usd>| old.is_some_and(|old| new.is_none_or(|new| new > old));
        let are_raised =
            |old: &Budget, new: &Budget| is_raised(old.daily, new.daily) || is_raised(old.monthly, new.monthly);
        let none = Budget::default();
        are_raised(&settings.total, &after.total)
            || settings.models.iter().any(|(model, old)| are_raised(old, after.models.get(model).unwrap_or(&none)))
    }

    /// One line for the record.
    pub fn summary(&self) -> String {
        match self {
            Self::Set { model, caps, soft_percent } => {
                let mut line = "set".to_owned();
                // Writing to a string cannot fail.
                for (name, cap) in [("daily", caps.daily), ("monthly", caps.monthly)] {
                    if let Some(cap) = cap {
                        let _ = write!(line, " {name} {}", cap.display());
                    }
                }
                if let Some(percent) = soft_percent {
                    let _ = write!(line, " soft {percent}%");
                }
                if let Some(model) = model {
                    let _ = write!(line, " for {}", crate::text::sanitize_line(model, 60));
                }
                line
            }
            Self::Clear { model: Some(model) } => format!("clear {}", crate::text::sanitize_line(model, 60)),
            Self::Clear { model: None } => "clear all".to_owned(),
            Self::Remove { model, daily, monthly, soft } => {
                let flags = [("daily", daily), ("monthly", monthly), ("soft", soft)];
                let names: Vec<&str> = flags.iter().filter(|(_, named)| **named).map(|(name, _)| *name).collect();
                let of = model.as_ref().map(|model| format!(" for {}", crate::text::sanitize_line(model, 60)));
                format!("clear {}{}", names.join(" "), of.unwrap_or_default())
            }
        }
    }
}

impl BudgetPeriod {
    /// Whether `amount` still fits beside what is already `committed` in this period.
    pub fn check(&self, committed: Usd, amount: Option<Usd>) -> Result<(), BudgetExceeded> {
        let exceeded = |over| BudgetExceeded { period: self.name, model: self.model.clone(), over, until: self.to };
        let total = committed + amount.ok_or_else(|| exceeded(None))?;
        if total > self.cap { Err(exceeded(Some(total - self.cap))) } else { Ok(()) }
    }
}

impl BudgetExceeded {
    /// `daily budget`, `monthly budget of flux-2-max`.
    pub fn name(&self) -> String {
        let period = if self.period == "day" { "daily" } else { "monthly" };
        match &self.model {
            Some(model) => format!("{period} budget of {}", crate::text::sanitize_line(model, 60)),
            None => format!("{period} budget"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_month_ends_at_next_month() {
        let budget = Budget { daily: Some(Usd::ZERO), monthly: Some(Usd::ZERO) };
        let now = "2026-12-31T23:59:59Z".parse().unwrap();
        let periods = budget.periods(now);
        assert_eq!(periods[0].to.to_rfc3339(), "2027-01-01T00:00:00+00:00");
        assert_eq!(periods[1].from.to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(periods[1].to.to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }

    #[test]
    fn cap_may_be_reached_not_exceeded() {
        let cap: Usd = "1.00".parse().unwrap();
        let period = Budget { daily: Some(cap), monthly: None }.periods(DateTime::UNIX_EPOCH)[0].clone();
        let (spent, four) = ("0.96".parse().unwrap(), "0.04".parse().unwrap());
        assert!(period.check(spent, Some(four)).is_ok());
        let over = period.check(spent + four, Some(four)).unwrap_err();
        assert_eq!(over.over, Some(four));
        assert!(period.check(Usd::ZERO, None).is_err(), "an unknown price cannot be kept under a cap");
    }

    #[test]
    fn exceeded_cap_is_named_with_its_model() {
        let exceeded = |model: Option<&str>, until: &str| BudgetExceeded {
            period: "day",
            model: model.map(str::to_owned),
            over: Some(Usd::ZERO),
            until: until.parse().unwrap(),
        };
        let (midnight, next) = ("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
        let of_model = exceeded(Some("flux-2-max"), midnight);
        assert_eq!(
            of_model.summary(),
            "daily budget of flux-2-max used up: jobs are held until 2026-12-01 00:00 UTC, or until the cap is raised"
        );
        assert!(exceeded(None, midnight).summary().starts_with("daily budget used up"));
        assert!(of_model.is_of_same_cap(&exceeded(Some("flux-2-max"), midnight)));
        for other in
            [exceeded(None, midnight), exceeded(Some("flux-dev"), midnight), exceeded(Some("flux-2-max"), next)]
        {
            assert!(!of_model.is_of_same_cap(&other), "{other:?}");
        }
    }

    #[test]
    fn process_caps_only_lower_the_store() {
        let caps = |daily: &str| Budget { daily: daily.parse().ok(), monthly: None };
        let settings = BudgetSettings { total: caps("5"), ..BudgetSettings::default() };
        for (process, cap) in [(Budget::default(), "5"), (caps("10"), "5"), (caps("2"), "2")] {
            let periods = settings.periods(process, "flux-2-pro", DateTime::UNIX_EPOCH);
            assert_eq!((periods.len(), periods[0].cap.to_string().as_str()), (1, cap), "{process:?}");
        }
        assert!(
            BudgetSettings::default().periods(caps("2"), "flux-2-pro", DateTime::UNIX_EPOCH)[0].cap
                == "2".parse().unwrap()
        );
    }

    #[test]
    fn edits_that_lift_a_cap_are_known() {
        let caps = |daily: &str, monthly: &str| Budget { daily: daily.parse().ok(), monthly: monthly.parse().ok() };
        let models = [("flux-2-max".to_owned(), caps("2", ""))].into();
        let settings = BudgetSettings { total: caps("5", ""), models, soft_percent: None };
        let set = |daily: &str, monthly: &str| BudgetEdit::Set {
            model: None,
            caps: caps(daily, monthly),
            soft_percent: None,
        };
        let remove = |model: Option<&str>, monthly: bool| BudgetEdit::Remove {
            model: model.map(str::to_owned),
            daily: !monthly,
            monthly,
            soft: false,
        };
        for raised in
            [set("6", ""), remove(None, false), remove(Some("flux-2-max"), false), BudgetEdit::Clear { model: None }]
        {
            assert!(raised.raises(&settings), "{raised:?}");
        }
        for kept in [set("4", ""), set("", "9"), remove(None, true), remove(Some("flux-2-pro"), false)] {
            assert!(!kept.raises(&settings), "{kept:?}");
        }
    }

    #[test]
    fn edits_change_only_what_they_name() {
        let mut settings = BudgetSettings::default();
        let set = |model: Option<&str>, daily: &str, monthly: &str, soft_percent| BudgetEdit::Set {
            model: model.map(str::to_owned),
            caps: Budget { daily: daily.parse().ok(), monthly: monthly.parse().ok() },
            soft_percent,
        };
        set(None, "20", "", Some(80)).apply(&mut settings);
        set(None, "", "300", None).apply(&mut settings);
        set(Some("flux-2-max"), "5", "", None).apply(&mut settings);
        assert_eq!(
            serde_json::to_string(&settings).unwrap(),
            r#"{"daily":"20","monthly":"300","models":{"flux-2-max":{"daily":"5"}},"soft_percent":80}"#
        );
        assert_eq!(
            serde_json::from_str::<BudgetSettings>(&serde_json::to_string(&settings).unwrap()).unwrap(),
            settings
        );
        let periods = settings.periods(Budget::default(), "flux-2-max", DateTime::UNIX_EPOCH);
        assert_eq!(periods.iter().filter(|period| period.model.is_some()).count(), 1);
        BudgetEdit::Clear { model: Some("flux-2-max".to_owned()) }.apply(&mut settings);
        assert!(settings.models.is_empty() && settings.total.is_limited());
        BudgetEdit::Clear { model: None }.apply(&mut settings);
        assert_eq!(settings, BudgetSettings::default());
        assert_eq!(set(Some("m"), "20", "", Some(80)).summary(), "set daily $20.00 soft 80% for m");
    }
}

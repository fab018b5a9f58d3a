//! The cost overview of a screen: one query to the store, and the account's credits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ports, Settings};
use crate::costs::{AccountCheck, BalanceHistory, BalanceReading, Budget, CostGrouping, CostTable, Outlook, Usd};
use crate::engine::{CostOverview, Mode, balance};
use crate::provider::MAX_IMAGE_BYTES;
use crate::store::{CostQuery, StoreError};
use crate::time::{last_days, month_of};

/// Shortest time between two requests for the account's credits.
const CREDITS_INTERVAL: Duration = Duration::from_mins(1);

/// How long to wait for the account's credits.
const CREDITS_TIMEOUT: Duration = Duration::from_secs(5);

/// Computes the cost overview.
pub(super) struct Overview {
    ports: Ports,
    budget: Budget,
    simulated: bool,
    credits: Option<Usd>,
    credits_at: Option<Instant>,
    comparison: BalanceComparison,
    /// The balance that was recorded last: at rest nothing is read or written.
    recorded: Option<Usd>,
    can_record: bool,
    /// The UTC day of the last sum: at midnight "today" changes by itself.
    day: Option<chrono::NaiveDate>,
}

impl Overview {
    pub(super) fn new(ports: Ports, settings: &Settings) -> Self {
        Self {
            ports,
            budget: settings.budget,
            simulated: settings.simulated,
            credits: None,
            credits_at: None,
            comparison: BalanceComparison::default(),
            recorded: None,
            can_record: settings.mode != Mode::Observe,
            day: None,
        }
    }

    /// Whether a new day has begun since the last sum.
    pub(super) fn is_stale(&self) -> bool {
        self.day.is_some_and(|day| day != self.ports.clock.now().date_naive())
    }

    /// The overview as of now.
    pub(super) async fn compute(&mut self) -> Result<CostOverview, StoreError> {
        let now = self.ports.clock.now();
        self.day = Some(now.date_naive());
        let balance = self.refresh_credits().await;
        let ((month_ago, to), (first_of_month, _)) = (last_days(now, 30), month_of(now));
        let query = CostQuery { from: month_ago.min(first_of_month), to, simulated: self.simulated };
        let table = self.ports.store.costs(query).await?;
        let settings = self.ports.store.budget_history(1).await?.into_iter().next().map(|record| record.settings);
        let settings = settings.unwrap_or_default();
        let caps = settings.total.lower_of(self.budget);
        let account = self.comparison.update(balance.map(|usd| BalanceReading { at: now, usd }), &table);
        Ok(CostOverview {
            today: table.report_from(last_days(now, 1).0, CostGrouping::Model),
            week: table.report_from(last_days(now, 7).0, CostGrouping::Model),
            month: table.report_from(month_ago, CostGrouping::Model),
            calendar_month: table.report_from(first_of_month, CostGrouping::Model),
            outlook: Outlook::of(&table, now),
            account,
            table: Arc::new(table),
            daily_cap: caps.daily,
            monthly_cap: caps.monthly,
            model_caps: settings.models,
            soft_percent: settings.soft_percent,
            credits: self.credits,
            storage_bound: self.ports.bucket.cost(MAX_IMAGE_BYTES as u64),
            at: now,
        })
    }

    /// Polls the balance from time to time. Returns it where it did.
    async fn refresh_credits(&mut self) -> Option<Usd> {
        if self.credits_at.is_some_and(|at| at.elapsed() < CREDITS_INTERVAL) {
            return None;
        }
        self.credits_at = Some(Instant::now());
        self.credits = match tokio::time::timeout(CREDITS_TIMEOUT, self.ports.provider.credits()).await {
            Ok(Ok(credits)) => Some(credits.to_usd()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "account credits not available");
                None
            }
            Err(_) => None,
        };
        if let Some(credits) = self.credits.filter(|credits| self.recorded != Some(*credits)) {
            self.record_balance(credits).await;
        }
        self.credits
    }

    async fn record_balance(&mut self, credits: Usd) {
        let (store, now) = (self.ports.store.as_ref(), self.ports.clock.now());
        let history = if self.can_record {
            balance::record_balance(store, self.simulated, credits, now).await
        } else {
            balance::balance_history(store, self.simulated).await
        };
        match history {
            Ok(history) => {
                self.recorded = history.last().map(|last| last.usd);
                self.comparison.history = history;
            }
            Err(error) => tracing::debug!(%error, "account balance not recorded"),
        }
    }
}

/// The balances that were recorded, and how their change compares with the charges.
#[derive(Default)]
struct BalanceComparison {
    history: BalanceHistory,
    /// As of the last poll of the balance: until the next one, newer charges would seem not to be billed.
    last: Option<AccountCheck>,
}

impl BalanceComparison {
    /// Compares again where the balance was just polled.
    fn update(&mut self, balance: Option<BalanceReading>, table: &CostTable) -> Option<AccountCheck> {
        if let Some(look) = balance {
            let mut history = self.history.clone();
            // Not every balance is recorded.
            history.add(look);
            self.last = AccountCheck::of(&history, table, None);
        }
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::costs::{Basis, CostRow};

    #[test]
    fn charges_since_the_last_poll_are_no_gap() {
        let now = Utc::now();
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let look = |balance: &str| Some(BalanceReading { at: now, usd: usd(balance) });
        let mut comparison = BalanceComparison::default();
        comparison.history.add(BalanceReading { at: now - TimeDelta::days(1), usd: usd("11") });
        // So many jobs that were charged one dollar today.
        let charged = |jobs: u64| {
            let row = CostRow {
                day: now.date_naive(),
                model: "flux-2-pro".into(),
                service: "bfl_api".into(),
                cause: String::new(),
                basis: Basis::Quoted,
                amount: Some(usd("1")),
                count: jobs,
            };
            CostTable::new(last_days(now, 30), true, vec![row])
        };
        let mut compared = |balance, jobs| {
            let account = comparison.update(balance, &charged(jobs)).unwrap();
            (account.cause, account.recorded_usd)
        };
        assert_eq!(compared(look("10"), 1), (None, usd("1")));
        assert_eq!(compared(None, 2), (None, usd("1")), "the balance was not polled again");
        assert_eq!(compared(look("9"), 2), (None, usd("2")));
    }
}

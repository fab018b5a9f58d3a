//! Owns the adding up of what was spent, for the panes. Must not decide when.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Ports, Settings};
use crate::costs::{Budget, CostGrouping, CostReport, Usd};
use crate::engine::CostOverview;
use crate::store::{CostQuery, StoreError};
use crate::time::last_days;

/// The account is asked for its credits at most this often: it is a request over the network.
const CREDITS_EVERY: Duration = Duration::from_mins(1);

/// The account's answer is not waited for longer than this.
const CREDITS_PATIENCE: Duration = Duration::from_secs(5);

/// Adds up what was spent.
pub(super) struct Overview {
    ports: Ports,
    budget: Budget,
    simulated: bool,
    credits: Option<Usd>,
    asked: Option<Instant>,
    /// The UTC day of the last sum: at midnight "today" changes by itself.
    day: Option<chrono::NaiveDate>,
}

impl Overview {
    pub(super) fn new(ports: Ports, settings: &Settings) -> Self {
        Self { ports, budget: settings.budget, simulated: settings.simulated, credits: None, asked: None, day: None }
    }

    /// Whether a new day has begun since the last sum.
    pub(super) fn is_stale(&self) -> bool {
        self.day.is_some_and(|day| day != self.ports.clock.now().date_naive())
    }

    /// All sums, now.
    pub(super) async fn add_up(&mut self) -> Result<CostOverview, StoreError> {
        let now = self.ports.clock.now();
        self.day = Some(now.date_naive());
        self.ask_credits().await;
        Ok(CostOverview {
            today: self.report(now, 1, CostGrouping::Model).await?,
            week: self.report(now, 7, CostGrouping::Model).await?,
            month: self.report(now, 30, CostGrouping::Model).await?,
            by_day: self.report(now, 30, CostGrouping::Day).await?,
            by_cause: self.report(now, 30, CostGrouping::Cause).await?,
            by_service: self.report(now, 30, CostGrouping::Service).await?,
            daily_cap: self.budget.daily,
            monthly_cap: self.budget.monthly,
            credits: self.credits,
            at: now,
        })
    }

    async fn report(&self, now: DateTime<Utc>, days: u32, grouping: CostGrouping) -> Result<CostReport, StoreError> {
        let (from, to) = last_days(now, days);
        self.ports.store.costs(CostQuery { from, to, grouping, simulated: self.simulated }).await
    }

    async fn ask_credits(&mut self) {
        if self.asked.is_some_and(|asked| asked.elapsed() < CREDITS_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        self.credits = match tokio::time::timeout(CREDITS_PATIENCE, self.ports.provider.credits()).await {
            Ok(Ok(credits)) => Some(credits.to_usd()),
            Ok(Err(error)) => {
                tracing::debug!("the account's credits are not known: {error}");
                None
            }
            Err(_) => None,
        };
    }
}

//! The cost overview of a screen: one query to the store, and the account's credits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ports, Settings};
use crate::costs::{AccountCheck, BalanceHistory, BalanceReading, Budget, CostGrouping, Outlook, Usd};
use crate::engine::{CostOverview, Mode, balance};
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
    balances: BalanceHistory,
    /// As of the last poll of the balance: until the next one, newer charges would seem not to be billed.
    account: Option<AccountCheck>,
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
            balances: BalanceHistory::default(),
            account: None,
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
        if let Some(usd) = balance {
            let mut balances = self.balances.clone();
            // Not every balance is recorded.
            balances.add(BalanceReading { at: now, usd });
            self.account = AccountCheck::of(&balances, &table, None);
        }
        Ok(CostOverview {
            today: table.report_from(last_days(now, 1).0, CostGrouping::Model),
            week: table.report_from(last_days(now, 7).0, CostGrouping::Model),
            month: table.report_from(month_ago, CostGrouping::Model),
            calendar_month: table.report_from(first_of_month, CostGrouping::Model),
            outlook: Outlook::of(&table, now),
            account: self.account.clone(),
            table: Arc::new(table),
            daily_cap: caps.daily,
            monthly_cap: caps.monthly,
            model_caps: settings.models,
            soft_percent: settings.soft_percent,
            credits: self.credits,
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
                self.balances = history;
            }
            Err(error) => tracing::debug!(%error, "account balance not recorded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::bucket::folder::FolderBucket;
    use crate::costs::Credits;
    use crate::jobs::{Claim, Job, JobId, Receipt, Spec, Ticket, WorkerId};
    use crate::provider::{
        CheckError, CreditsError, DownloadedImage, FetchError, PreparedRequest, Provider, ResultLink, SubmitError,
        TicketStatus,
    };
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;
    use crate::time::SystemClock;

    /// An account: nothing else of the provider is used.
    struct Account(Mutex<Credits>);

    #[async_trait]
    impl Provider for Account {
        async fn prepare(&self, _: &Spec) -> Result<PreparedRequest, SubmitError> {
            unreachable!()
        }
        async fn submit(&self, _: PreparedRequest) -> Result<Receipt, SubmitError> {
            unreachable!()
        }
        async fn check(&self, _: &Ticket) -> Result<TicketStatus, CheckError> {
            unreachable!()
        }
        async fn fetch(&self, _: &ResultLink) -> Result<DownloadedImage, FetchError> {
            unreachable!()
        }
        async fn credits(&self) -> Result<Credits, CreditsError> {
            Ok(*self.0.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn charges_since_the_last_poll_are_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("darkroom.db")).unwrap());
        let now = Utc::now();
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        balance::record_balance(store.as_ref(), true, usd("11"), now - TimeDelta::days(1)).await.unwrap();
        let credits = |text: &str| Credits::new(text.parse().unwrap());
        let account = Arc::new(Account(Mutex::new(credits("1000"))));
        let bucket = Arc::new(FolderBucket::open(folder.path()).unwrap());
        let ports = Ports { provider: account.clone(), store: store.clone(), bucket, clock: Arc::new(SystemClock) };
        let mut overview = Overview::new(ports, &Settings::default());
        // A job that is charged one dollar.
        let charged = |name: &str| {
            let mut job = Job::new(JobId::new(name).unwrap(), Spec::new("flux-2-pro", "a fox"), true, now);
            job.begin_submit(Claim { worker: WorkerId::new("w"), until: now }, None, now).unwrap();
            let ticket = Ticket { id: name.to_owned(), polling_url: "https://x.example/1".to_owned() };
            let cost = Some(credits("100"));
            let receipt = Receipt { ticket, cost, input_megapixels: None, output_megapixels: None, accepted_at: now };
            job.accept(receipt, None, now).unwrap();
            vec![job]
        };
        let compared = async |overview: &mut Overview| {
            let account = overview.compute().await.unwrap().account.unwrap();
            (account.cause, account.recorded_usd)
        };
        store.create(charged("a")).await.unwrap();
        assert_eq!(compared(&mut overview).await, (None, usd("1")));
        store.create(charged("b")).await.unwrap();
        assert_eq!(compared(&mut overview).await, (None, usd("1")), "the balance was not polled again");
        *account.0.lock().unwrap() = credits("900");
        overview.credits_at = None;
        assert_eq!(compared(&mut overview).await, (None, usd("2")));
    }
}

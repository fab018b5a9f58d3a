//! Whether darkroom owns the store: the check before the first commit of a process, and the claim of a store that no other backend
//! has used.
//!
//! Beside another backend every job would be paid twice. So commits are refused until a record says that darkroom owns the store.
//! The record is written here where no document of another program exists, and by `darkroom takeover` elsewhere.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use tokio::time::Instant;

use super::connection::query::Query;
use super::documents::{Defaults, value};
use super::ledger::entries::{COSTS, is_foreign_charge};
use super::{FirestoreOptions, FirestoreStore, JOBS, Shared};
use crate::jobs::StageName;
use crate::store::schema::Status;
use crate::store::{Ownership, SharedRecord, StoreError, StoreSettings};
use crate::text::sanitize_line;

/// How long a refusal holds before the record is read again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(3);

/// Rounds of a claim: another process may write the record at the same time.
const MAX_ROUNDS: usize = 4;

/// A charge of another backend within this time shows that it still runs.
const ACTIVE_WITHIN: TimeDelta = TimeDelta::hours(24);

/// The newest charges that are searched for one of another backend.
const CHARGES_READ: usize = 50;

/// What this process knows of the ownership of its store.
pub(crate) struct OwnershipCheck {
    /// The user and host that a claim names.
    operator: String,
    state: tokio::sync::Mutex<CheckState>,
}

#[derive(Default)]
struct CheckState {
    /// Whether the settings were read once.
    is_read: bool,
    refused_at: Option<Instant>,
}

impl OwnershipCheck {
    pub(crate) fn new(options: &FirestoreOptions) -> Self {
        Self { operator: options.operator.clone(), state: tokio::sync::Mutex::default() }
    }
}

impl FirestoreStore {
    /// Makes sure that commits may be made; claims a store without documents of others. Errors: `NotOwned`.
    pub(crate) async fn claim_or_refuse(&self) -> Result<(), StoreError> {
        if self.shared.client.may_write() {
            return Ok(());
        }
        let mut state = self.ownership.state.lock().await;
        if self.shared.client.may_write() {
            return Ok(());
        }
        if state.refused_at.is_some_and(|at| at.elapsed() < RECHECK_INTERVAL) {
            return Err(StoreError::NotOwned);
        }
        if self.claim().await? {
            state.is_read = true;
            return Ok(());
        }
        state.refused_at = Some(Instant::now());
        Err(StoreError::NotOwned)
    }

    /// One line about the owner. Reads only. Errors: `NotOwned` where a takeover is needed, `Unusable` where another backend works on
    /// the store.
    pub async fn ownership_line(&self) -> Result<String, StoreError> {
        let (settings, _) = self.read_settings().await?;
        if let Some(Ownership { at, by, how }) = &settings.ownership {
            self.shared.apply_settings(&settings);
            if let Some(activity) = self.find_foreign_activity().await? {
                return Err(StoreError::Unusable(activity.to_string()));
            }
            let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            return Ok(format!("darkroom since {at}, by {} ({})", sanitize_line(by, 60), sanitize_line(how, 40)));
        }
        match self.reason_to_claim().await? {
            Some(_) => Ok("no record yet: the next worker or console claims the store".to_owned()),
            None => Err(StoreError::NotOwned),
        }
    }

    /// Reads the settings before the first document is read: they hold what requests do not name. Claims nothing.
    pub(crate) async fn read_settings_once(&self) -> Result<(), StoreError> {
        if !self.shared.gated {
            return Ok(());
        }
        let mut state = self.ownership.state.lock().await;
        if !state.is_read {
            let (settings, _) = self.read_settings().await?;
            self.shared.apply_settings(&settings);
            state.is_read = true;
        }
        Ok(())
    }

    /// The settings, and the revision of their record.
    pub(crate) async fn read_settings(&self) -> Result<(StoreSettings, u64), StoreError> {
        match self.read_record(StoreSettings::KIND, StoreSettings::ID).await? {
            Some(record) => Ok((StoreSettings::parse(&record)?, record.revision)),
            None => Ok((StoreSettings::default(), 0)),
        }
    }

    /// Whether darkroom owns the store, which it does from now on where no other backend has used it.
    async fn claim(&self) -> Result<bool, StoreError> {
        let mut is_refused = false;
        for _ in 0..MAX_ROUNDS {
            let (mut settings, revision) = self.read_settings().await?;
            if settings.ownership.is_some() {
                self.shared.apply_settings(&settings);
                return Ok(true);
            }
            // The record was read again after the documents: a process that has claimed the store meanwhile may have written them.
            if is_refused {
                return Ok(false);
            }
            let Some(how) = self.reason_to_claim().await? else {
                is_refused = true;
                continue;
            };
            let (at, by) = (Utc::now(), self.ownership.operator.clone());
            settings.ownership = Some(Ownership { at, by: by.clone(), how: how.to_owned() });
            match self.write_record(&settings.to_record(revision, at, &by)).await {
                Ok(_) => {
                    tracing::info!(how, by, "store claimed for darkroom");
                    self.shared.apply_settings(&settings);
                    return Ok(true);
                }
                Err(StoreError::RecordConflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("the ownership of the store is being changed by another process".to_owned()))
    }

    /// Why darkroom may claim the store without `takeover`, or `None`.
    async fn reason_to_claim(&self) -> Result<Option<&'static str>, StoreError> {
        let (jobs, costs) = (self.count_jobs().await?, self.count_costs().await?);
        if jobs.others() == 0 && costs.others() == 0 {
            return Ok(Some(Ownership::FIRST_START));
        }
        if jobs.own == 0 && costs.own == 0 {
            return Ok(None);
        }
        // A version without the record ran here. It goes on, unless another backend shows that it still works.
        Ok((!self.is_shared_with_active_backend().await?).then_some(Ownership::EXISTING))
    }

    /// Whether another backend has a job under way, or has recorded a charge lately.
    async fn is_shared_with_active_backend(&self) -> Result<bool, StoreError> {
        let client = &self.shared.client;
        let processing = || Query::of(JOBS).equal("status", value::text(Status::Processing.as_str()));
        let stage = |name: StageName| processing().equal("darkroom.stage", value::text(name.as_str()));
        let own = client.count(stage(StageName::Submitting).build()).await?
            + client.count(stage(StageName::Generating).build()).await?;
        if client.count(processing().build()).await? > own {
            return Ok(true);
        }
        let recent = Query::of(COSTS).at_least("timestamp", value::time(Utc::now() - ACTIVE_WITHIN));
        let recent = recent.order("timestamp", true).limit(CHARGES_READ);
        Ok(client.query(recent.build()).await?.iter().any(|document| is_foreign_charge(&document.fields)))
    }
}

impl Shared {
    /// What documents of other programs mean under these settings.
    pub(crate) fn defaults_with(&self, settings: &StoreSettings) -> Defaults {
        let configured = self.configured_model.as_ref();
        let model = configured.or(settings.default_model.as_ref()).unwrap_or(&self.default_model);
        let output_format = settings.default_output_format.clone();
        Defaults { model: model.clone(), output_format, ..Defaults::clone(&self.defaults()) }
    }

    /// Settings that another process has changed. Returns whether requests mean something else now.
    pub(crate) fn apply_changed_settings(&self, record: &SharedRecord) -> bool {
        if !self.gated || (record.kind.as_str(), record.id.as_str()) != (StoreSettings::KIND, StoreSettings::ID) {
            return false;
        }
        match StoreSettings::parse(record) {
            Ok(settings) => self.apply_settings(&settings),
            Err(error) => {
                tracing::error!(%error, "changed settings of the store ignored");
                false
            }
        }
    }

    /// Returns whether requests mean something else now.
    fn apply_settings(&self, settings: &StoreSettings) -> bool {
        let defaults = self.defaults_with(settings);
        let is_new = *self.defaults() != defaults;
        self.set_defaults(defaults);
        self.activity.begin(settings);
        if settings.ownership.is_some() {
            self.client.allow_writes();
        }
        is_new
    }
}

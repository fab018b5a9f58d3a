//! The job document. Only the named transitions change its stage.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Attempt, Claim, FailureCode, Hold, JobId, Outcome, Spec, Stage, StageName, StoredImage, WorkerId};
use crate::costs::{Basis, Charge, Service, Usd};

/// How long a link lives at least (documented for all models, from the moment at which the image is ready).
const SHORTEST_LINK_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Why a retention keeps a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionObstacle {
    /// It is queued or under way.
    Unfinished,
    /// A worker holds it.
    Claimed,
    /// A charge of it may or may not be billed, or has no price.
    UncertainCharge,
}

impl RetentionObstacle {
    /// One line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "it is not finished",
            Self::Claimed => "a worker holds it",
            Self::UncertainCharge => "one of its charges is uncertain",
        }
    }
}

/// One requested image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The document's id.
    pub id: JobId,
    /// What to generate.
    pub spec: Spec,
    /// Where it durably is.
    pub stage: Stage,
    /// All tries, oldest first; never empty.
    pub attempts: Vec<Attempt>,
    /// Who may act on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Not to be touched by a worker before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it was last saved by a transition.
    pub updated_at: DateTime<Utc>,
    /// Free-form tags of the submitter.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it is the simulator's: such a job never runs against the real API, nor the other way round.
    pub simulated: bool,
    /// Whether another program requested it: a web page, or another backend. What it does not name follows the store's defaults.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// Hidden by an operator; nothing is deleted.
    #[serde(default)]
    pub hidden: bool,
    /// The store's token of the version that was read; a save with an old one is refused. 0 is "not stored yet".
    #[serde(skip)]
    pub revision: u64,
}

impl Job {
    /// A new job, queued.
    pub fn new(id: JobId, spec: Spec, simulated: bool, now: DateTime<Utc>) -> Self {
        Self {
            id,
            spec,
            stage: Stage::QUEUED,
            attempts: vec![Attempt::new(1, now)],
            claim: None,
            not_before: None,
            created_at: now,
            updated_at: now,
            tags: Vec::new(),
            simulated,
            external: false,
            hidden: false,
            revision: 0,
        }
    }

    /// Where it is, without the contents.
    pub fn stage_name(&self) -> StageName {
        self.stage.name()
    }

    /// Whether the provider's moderation ended the job: the same request would end the same way.
    pub fn is_moderated(&self) -> bool {
        let codes = [FailureCode::RequestModerated, FailureCode::ContentModerated];
        matches!(&self.stage, Stage::Failed { failure } if codes.contains(&failure.code))
    }

    /// The attempt of that number.
    pub fn attempt_numbered(&self, number: u32) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// The current attempt: the last one. `None` only for a document that another program damaged.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The number of the current attempt, from 1.
    pub fn attempt_number(&self) -> u32 {
        self.attempt().map_or(1, |attempt| attempt.number)
    }

    /// What the given attempt requested.
    pub fn spec_of<'a>(&'a self, attempt: &'a Attempt) -> &'a Spec {
        attempt.spec.as_ref().unwrap_or(&self.spec)
    }

    /// The newest image that is stored, also one of an earlier attempt.
    pub fn image(&self) -> Option<&StoredImage> {
        self.images().last().map(|(_, image)| image)
    }

    /// All stored images with the number of the attempt that made each, oldest first.
    pub fn images(&self) -> impl Iterator<Item = (u32, &StoredImage)> {
        self.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            Some(Outcome::Done { image }) => Some((attempt.number, image)),
            _ => None,
        })
    }

    /// Why it is held, if it is queued and held.
    pub fn hold(&self) -> Option<&Hold> {
        match &self.stage {
            Stage::Queued { hold } => hold.as_ref(),
            _ => None,
        }
    }

    /// All charges of all attempts.
    pub fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.attempts.iter().flat_map(Attempt::charges)
    }

    /// Money that is set aside for this job: `None` where nothing is, or where the price of the submit is unknown. Never negative: a
    /// reservation takes room under the caps and makes none.
    pub fn reservation(&self) -> Option<Usd> {
        let attempt = self.attempt()?;
        let of_storage = attempt.storage_reserved.map(|amount| amount.max(Usd::ZERO));
        match self.stage {
            Stage::Submitting => Some(attempt.reserved?.max(Usd::ZERO) + of_storage.unwrap_or(Usd::ZERO)),
            Stage::Generating => of_storage,
            _ => None,
        }
    }

    /// What all attempts cost together, as far as it counts; `None` while nothing of known amount was charged.
    pub fn cost(&self) -> Option<Usd> {
        let mut amounts =
            self.charges().filter(|charge| charge.basis.is_counted()).filter_map(|charge| charge.amount).peekable();
        amounts.peek()?;
        Some(amounts.sum())
    }

    /// Width and height of the image; before it exists, those that were requested.
    pub fn pixel_size(&self) -> Option<(u32, u32)> {
        let image = self.image().map(|image| (image.width, image.height));
        image.filter(|(width, height)| *width > 0 && *height > 0).or_else(|| self.spec.size())
    }

    /// How long the current attempt took from its first step to its last; `None` while it runs, and where nothing was done.
    pub fn duration(&self) -> Option<chrono::Duration> {
        let steps = &self.attempt()?.steps;
        if self.stage_name().is_active() {
            return None;
        }
        let from = steps.iter().map(|step| step.started_at).min()?;
        let to = steps.iter().filter_map(|step| step.ended_at).max()?;
        Some((to - from).max(chrono::Duration::zero()))
    }

    /// The price when the request was last prepared, with its input images at their size.
    pub fn known_estimate(&self) -> Option<Usd> {
        self.attempt().and_then(|attempt| attempt.estimate)
    }

    /// What another program noted on the job as its cost: neither reports nor caps count it, only entries of the ledger.
    pub fn noted_cost(&self) -> Option<Usd> {
        let of_another = |attempt: &&Attempt| {
            self.external && attempt.receipt.is_none() && attempt.steps.is_empty() && attempt.resolution.is_none()
        };
        let charges = self.attempts.iter().filter(of_another).flat_map(Attempt::charges);
        let noted: Usd = charges.filter(|charge| charge.basis.is_counted()).filter_map(|charge| charge.amount).sum();
        (noted > Usd::ZERO).then_some(noted)
    }

    /// The least certain basis of the provider's charges; `None` while it charged nothing. What the storing costs is reckoned from a
    /// table, and makes no submit less certain.
    pub fn cost_basis(&self) -> Option<Basis> {
        let certainty = |basis: &Basis| match basis {
            Basis::Unconfirmed => 0,
            Basis::Unknown => 1,
            Basis::Estimated => 2,
            Basis::Quoted => 3,
            Basis::Settled => 4,
        };
        let of_provider = self.charges().filter(|charge| charge.service == Service::BflApi);
        of_provider.map(|charge| charge.basis).min_by_key(certainty)
    }

    /// Whether another backend has taken it up, and may have submitted it.
    pub fn is_with_another_backend(&self) -> bool {
        let is_claimed = self.claim.as_ref().is_some_and(|claim| claim.worker == WorkerId::another_backend());
        self.stage_name() == StageName::Submitting && is_claimed
    }

    /// When the image of a job that is generating is lost: the expiry of its link, or, where no link was seen yet, the earliest time
    /// that it may have. The first to expire is fetched first.
    pub fn rescue_deadline(&self) -> Option<DateTime<Utc>> {
        let attempt = self.attempt().filter(|_| self.stage_name() == StageName::Generating)?;
        let earliest = |accepted_at: DateTime<Utc>| {
            accepted_at.checked_add_signed(SHORTEST_LINK_LIFE).unwrap_or(DateTime::<Utc>::MAX_UTC)
        };
        attempt.link_expires_at.or_else(|| Some(earliest(attempt.receipt.as_ref()?.accepted_at)))
    }

    /// Why a retention must keep the job, whatever its age; `None` where it may be removed with its image. Its charges stay in any case.
    pub fn retention_obstacle(&self) -> Option<RetentionObstacle> {
        if self.stage_name().is_active() {
            Some(RetentionObstacle::Unfinished)
        } else if self.claim.is_some() {
            Some(RetentionObstacle::Claimed)
        } else if self.charges().any(|charge| charge.amount.is_none() || !charge.basis.is_counted()) {
            Some(RetentionObstacle::UncertainCharge)
        } else {
            None
        }
    }

    /// Whether `now` is early enough for the claim to hold.
    pub fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.holds(now))
    }
}

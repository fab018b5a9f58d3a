use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Failure, Receipt, Resolution, Spec, Step, StepName, StepState, StoredImage, WorkerId};
use crate::costs::{Charge, Usd};
use crate::text;

/// The highest number of an attempt. No job comes near; a document in which another program put a higher number is not read, so that
/// numbers can be counted on.
pub const MAX_ATTEMPT_NUMBER: u32 = 1_000_000;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// With an image.
    Done {
        /// The image.
        image: StoredImage,
    },
    /// Without one.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// A person stopped it.
    Cancelled,
}

/// One try at a job that may cost money.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not one state")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// What was requested, where it differs from the job's present spec (it was changed after this attempt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// What was done, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Money set aside by a submit that is not yet answered: the most that the provider may charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Usd>,
    /// Money set aside for storing the image, from the submit until it is stored: the most that the bucket may charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_reserved: Option<Usd>,
    /// Our own price before the submit, kept to be compared with what the provider charges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Usd>,
    /// The provider's acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The provider's charge; at most one for each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    /// The bucket's charge, where the bucket costs money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_charge: Option<Charge>,
    /// Whether its charges count for the job's tags: those of earlier versions have no tags in any sum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_tags: bool,
    /// An operator's answer to whether the provider's charge was billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When the record of its last submit was written, which its POST followed: an unanswered POST is charged at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// The worker that wrote this record: its journal shows whether the POST was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<WorkerId>,
    /// A retry checks the old ticket. Without an image the job fails again, unless `recheck_may_pay`.
    #[serde(default, rename = "second_look")]
    pub recheck_first: bool,
    /// When that retry was requested: the deadline of the check counts from then, whatever worker performs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_since: Option<DateTime<Utc>>,
    /// The price that was confirmed for that retry covers a new attempt, which follows if the ticket has no image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recheck_may_pay: bool,
    /// How many retries checked the ticket and found no image.
    #[serde(default)]
    pub failed_rechecks: u32,
    /// The ticket reported an image: its charge is certain, whatever becomes of the image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_reported: bool,
    /// A reviewer rejected its image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_rejected: bool,
    /// The seed that the provider used, where the request had none or another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_seed: Option<u64>,
    /// The prompt that the provider used, where it rewrote the requested one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten_prompt: Option<String>,
    /// When the link to its finished image expires, from the moment at which the link was seen until the image is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_expires_at: Option<DateTime<Utc>>,
    /// Submits of this attempt that were clearly not accepted.
    #[serde(default, rename = "refusals")]
    pub rejections: u32,
}

impl Attempt {
    /// A new one, with nothing done.
    pub fn new(number: u32, now: DateTime<Utc>) -> Self {
        Self {
            number,
            spec: None,
            created_at: now,
            steps: Vec::new(),
            reserved: None,
            storage_reserved: None,
            estimate: None,
            receipt: None,
            charge: None,
            storage_charge: None,
            counts_tags: true,
            resolution: None,
            outcome: None,
            submitted_at: None,
            submitted_by: None,
            recheck_first: false,
            recheck_since: None,
            recheck_may_pay: false,
            failed_rechecks: 0,
            image_reported: false,
            image_rejected: false,
            provider_seed: None,
            rewritten_prompt: None,
            link_expires_at: None,
            rejections: 0,
        }
    }

    /// Ends the check of the old ticket, if one was under way; returns whether a new attempt may follow.
    pub(super) fn end_recheck(&mut self) -> bool {
        if !self.recheck_first {
            return false;
        }
        self.failed_rechecks = self.failed_rechecks.saturating_add(1);
        let may_pay = self.recheck_may_pay;
        self.abandon_recheck();
        may_pay
    }

    /// Nothing is known about the old ticket that was not known before.
    pub(super) fn abandon_recheck(&mut self) {
        (self.recheck_first, self.recheck_may_pay, self.recheck_since) = (false, false, None);
    }

    /// Both charges, those that there are.
    pub fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.charge.iter().chain(self.storage_charge.iter())
    }

    /// Whether a POST may have been sent for it.
    pub fn was_submitted(&self) -> bool {
        self.submitted_at.is_some() || self.step(StepName::Submit).is_some()
    }

    /// The step of that name, if it was begun.
    pub fn step(&self, name: StepName) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Begins a step, or begins it again.
    pub fn begin(&mut self, name: StepName, now: DateTime<Utc>) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.name == name) {
            step.tries = step.tries.saturating_add(1);
            step.state = StepState::Running;
            step.ended_at = None;
            return;
        }
        self.steps.push(Step {
            name,
            state: StepState::Running,
            tries: 1,
            started_at: now,
            ended_at: None,
            note: None,
        });
    }

    /// Completes a step. A step that was not begun is recorded without a duration.
    pub fn finish(&mut self, name: StepName, now: DateTime<Utc>) {
        self.end(name, StepState::Done, None, now);
    }

    /// Ends a step badly, with one clean line.
    pub fn fail_step(&mut self, name: StepName, note: &str, now: DateTime<Utc>) {
        self.end(name, StepState::Failed, Some(note), now);
    }

    /// Leaves a line on a step that goes on, such as why it is tried again.
    pub fn note(&mut self, name: StepName, note: &str) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.name == name) {
            step.note = Some(text::sanitize_line(note, 200));
        }
    }

    /// Ends whatever step runs, badly.
    pub fn fail_running(&mut self, note: &str, now: DateTime<Utc>) {
        let running: Vec<StepName> =
            self.steps.iter().filter(|step| step.state == StepState::Running).map(|step| step.name).collect();
        for name in running {
            self.fail_step(name, note, now);
        }
    }

    fn end(&mut self, name: StepName, state: StepState, note: Option<&str>, now: DateTime<Utc>) {
        if self.step(name).is_none() {
            self.begin(name, now);
        }
        if let Some(step) = self.steps.iter_mut().find(|step| step.name == name) {
            step.state = state;
            step.ended_at = Some(now);
            if let Some(note) = note {
                step.note = Some(text::sanitize_line(note, 200));
            }
        }
    }
}

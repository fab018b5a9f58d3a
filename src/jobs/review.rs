//! What a reviewer decided about a finished image. An approval is a stage, because other programs read it; a rejection is a field
//! of the attempt, which they ignore: to them the job is still waiting for its review.

use chrono::{DateTime, Utc};
use strum::{Display, EnumString, IntoStaticStr};

use super::transitions::Transition;
use super::{Job, StageName};

/// The review of a finished image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Review {
    /// Not decided.
    Open,
    /// Approved.
    Approved,
    /// Rejected.
    Rejected,
}

impl Review {
    /// In the order of suggestions.
    pub const ALL: [Self; 3] = [Self::Open, Self::Rejected, Self::Approved];

    /// The word in a filter and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The stage of jobs with this review.
    pub fn stage(self) -> StageName {
        match self {
            Self::Open | Self::Rejected => StageName::Done,
            Self::Approved => StageName::Approved,
        }
    }
}

impl Job {
    /// The review of its image; `None` where it is not finished.
    pub fn review(&self) -> Option<Review> {
        match self.stage_name() {
            StageName::Done if self.attempt().is_some_and(|attempt| attempt.image_rejected) => Some(Review::Rejected),
            StageName::Done => Some(Review::Open),
            StageName::Approved => Some(Review::Approved),
            _ => None,
        }
    }

    /// Done | Approved → Done, its image rejected. A new attempt begins without a review.
    pub fn reject_image(&mut self, now: DateTime<Utc>) -> Transition {
        self.require(&[StageName::Done, StageName::Approved], "rejected")?;
        if self.stage_name() == StageName::Approved {
            self.unapprove(now)?;
        }
        self.set_rejected(true);
        self.updated_at = now;
        Ok(())
    }

    /// Done stays Done, the rejection of its image withdrawn.
    pub fn withdraw_rejection(&mut self, now: DateTime<Utc>) -> Transition {
        if self.review() != Some(Review::Rejected) {
            return Err(self.illegal("reviewed again"));
        }
        self.set_rejected(false);
        self.updated_at = now;
        Ok(())
    }

    pub(super) fn set_rejected(&mut self, is_rejected: bool) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.image_rejected = is_rejected;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{ImageFormat, JobId, ObjectName, Outcome, Spec, Stage, StoredImage};

    fn done() -> Job {
        let mut job = Job::new(JobId::new("fox").unwrap(), Spec::new("flux-dev", "a fox"), true, DateTime::UNIX_EPOCH);
        let image = StoredImage {
            object: ObjectName::for_attempt(&job.id, 1, ImageFormat::Png),
            url: String::new(),
            format: ImageFormat::Png,
            width: 1,
            height: 1,
            bytes: 1,
            sha256: String::new(),
        };
        job.attempts[0].outcome = Some(Outcome::Done { image: image.clone() });
        job.stage = Stage::Done { image };
        job
    }

    #[test]
    fn review_is_of_the_current_attempt() {
        let now = DateTime::UNIX_EPOCH;
        let mut job = done();
        assert_eq!(job.review(), Some(Review::Open));
        job.reject_image(now).unwrap();
        assert_eq!(job.review(), Some(Review::Rejected));
        let stored = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&stored).unwrap().review(), Some(Review::Rejected));
        job.withdraw_rejection(now).unwrap();
        assert!(job.withdraw_rejection(now).is_err());
        assert_eq!(serde_json::to_string(&job).unwrap(), serde_json::to_string(&done()).unwrap(), "no trace");
        job.reject_image(now).unwrap();
        job.approve(now).unwrap();
        assert_eq!(job.review(), Some(Review::Approved));
        job.reject_image(now).unwrap();
        assert_eq!((job.stage_name(), job.review()), (StageName::Done, Some(Review::Rejected)));
        job.retry(now).unwrap();
        assert_eq!(job.review(), None);
        assert!(job.reject_image(now).is_err());
        assert!(!job.attempts[0].image_rejected, "the same attempt goes on, without a review");
    }
}

//! The filter language: which jobs a list, a bulk action or a screen takes.
//!
//! A filter is a list of terms separated by spaces; a job must match all of them. A plain word is searched in prompt, model, tags and
//! failure without regard to case and accents, and at the start of the id (anywhere in it, `7` would match every second job). Quotes
//! keep spaces and take a word literally: `"neon fox"`, `"style:anime"`. `-` before a term negates it. Other terms match one field:
//!
//! | term | matches |
//! | --- | --- |
//! | `status:failed,held` | the stage, or `held`, `running`, `active`, `hidden`; a beginning is enough |
//! | `review:open` | the review of a finished image: `open`, `approved`, `rejected` |
//! | `model:pro` `tag:cover` `error:moderated` | a part of the model, of a tag, of the failure's code or message |
//! | `id:02FS` | the beginning of the id |
//! | `cost>0.05` `attempts>1` | what was charged so far, in dollars; tries; `<`, `<=`, `>`, `>=` or `:` |
//! | `since:2h` `before:2026-11-20` | the time of creation: an age, a date or a time |
//!
//! `status:hidden` shows hidden jobs, which no other filter shows. A misspelt key or value is an error, never a word.

mod complete;
mod parse;

use chrono::{DateTime, Utc};

use super::{Job, Review, Stage, StageName};
use crate::costs::Usd;
use crate::text::fold_for_search;

pub use complete::{Completion, Vocabulary, complete};
pub use parse::{FilterError, KEYS};

/// The terms of a filter. No terms match everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

/// One term. Texts are folded.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Whether the job must not match the condition.
    pub negated: bool,
    /// What the job must match.
    pub condition: Condition,
}

/// What a term matches. Of several values, one is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A part of prompt, model, tags or failure; or the beginning of the id.
    Text(String),
    /// One of these statuses.
    Status(Vec<JobStatus>),
    /// One of these reviews.
    Review(Vec<Review>),
    /// A part of the model's name.
    Model(Vec<String>),
    /// A part of a tag.
    Tag(Vec<String>),
    /// A part of the failure's code or message.
    Error(Vec<String>),
    /// The beginning of the id.
    Id(Vec<String>),
    /// What was charged so far.
    Cost(Comparison, Usd),
    /// How many attempts the job has.
    Attempts(Comparison, u32),
    /// Created at this time or later.
    Since(DateTime<Utc>),
    /// Created before this time.
    Before(DateTime<Utc>),
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=` or `:`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    More,
}

/// What `status:` distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// The stage.
    Stage(StageName),
    /// Queued, and held by something.
    Held,
    /// Submitting or generating.
    Running,
    /// Queued or running.
    Active,
    /// Hidden by an operator.
    Hidden,
    /// A document that cannot be read.
    Unreadable,
}

impl JobStatus {
    /// All of them, in the order of suggestions.
    pub const ALL: [Self; 12] = [
        Self::Stage(StageName::Failed),
        Self::Stage(StageName::Queued),
        Self::Held,
        Self::Running,
        Self::Active,
        Self::Stage(StageName::Submitting),
        Self::Stage(StageName::Generating),
        Self::Stage(StageName::Done),
        Self::Stage(StageName::Approved),
        Self::Stage(StageName::Cancelled),
        Self::Hidden,
        Self::Unreadable,
    ];

    /// The word in a filter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stage(stage) => stage.as_str(),
            Self::Held => "held",
            Self::Running => "running",
            Self::Active => "active",
            Self::Hidden => "hidden",
            Self::Unreadable => "unreadable",
        }
    }

    /// The stages that jobs of this status can have.
    pub fn stages(self) -> Vec<StageName> {
        let all = StageName::ALL.into_iter();
        match self {
            Self::Stage(stage) => vec![stage],
            Self::Held => vec![StageName::Queued],
            Self::Running => vec![StageName::Submitting, StageName::Generating],
            Self::Active => all.filter(|stage| stage.is_active()).collect(),
            Self::Hidden => all.collect(),
            Self::Unreadable => Vec::new(),
        }
    }

    fn is_of(self, job: &Job) -> bool {
        match self {
            Self::Held => job.hold().is_some(),
            Self::Hidden => job.hidden,
            _ => self.stages().contains(&job.stage_name()),
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, value: &T, bound: &T) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => value == bound,
            Self::AtLeast => value >= bound,
            Self::More => value > bound,
        }
    }

    /// As it is written, in a filter and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        }
    }
}

impl Filter {
    /// The terms, in their order.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The same with one more term.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.terms.push(Term { negated: false, condition });
        self
    }

    /// Whether the filter requests hidden jobs, which no other filter shows.
    pub fn wants_hidden(&self) -> bool {
        self.terms.iter().any(|term| {
            !term.negated && matches!(&term.condition, Condition::Status(wanted) if wanted.contains(&JobStatus::Hidden))
        })
    }

    /// Whether a term distinguishes documents that cannot be read.
    pub fn names_unreadable(&self) -> bool {
        self.terms
            .iter()
            .any(|term| matches!(&term.condition, Condition::Status(wanted) if wanted.contains(&JobStatus::Unreadable)))
    }

    /// The stages that matching jobs can have; empty where no job can match.
    pub fn stages(&self) -> Vec<StageName> {
        let may_match = |stage: &StageName| {
            self.terms.iter().all(|term| match &term.condition {
                Condition::Status(wanted) if term.negated => !wanted.contains(&JobStatus::Stage(*stage)),
                Condition::Status(wanted) => {
                    wanted.iter().any(|status| *status == JobStatus::Unreadable || status.stages().contains(stage))
                }
                Condition::Review(wanted) if !term.negated => wanted.iter().any(|review| review.stage() == *stage),
                _ => true,
            })
        };
        StageName::ALL.into_iter().filter(may_match).collect()
    }

    /// Matching jobs were created at this time or later.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        let bounds = self.terms.iter().filter_map(|term| match (&term.condition, term.negated) {
            (Condition::Since(at), false) | (Condition::Before(at), true) => Some(*at),
            _ => None,
        });
        bounds.max()
    }

    /// Matching jobs were created before this time.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        let bounds = self.terms.iter().filter_map(|term| match (&term.condition, term.negated) {
            (Condition::Before(at), false) | (Condition::Since(at), true) => Some(*at),
            _ => None,
        });
        bounds.min()
    }

    /// Whether stages and times decide alone which of the jobs that are not hidden match.
    pub fn is_by_stage_and_time(&self) -> bool {
        self.terms.iter().all(|term| match &term.condition {
            Condition::Status(wanted) => wanted
                .iter()
                .all(|status| matches!(status, JobStatus::Stage(_) | JobStatus::Running | JobStatus::Active)),
            Condition::Since(_) | Condition::Before(_) => true,
            _ => false,
        })
    }

    /// Whether every match of this filter also matches `wider`: then only the rows shown have to be checked again.
    pub fn narrows(&self, wider: &Self) -> bool {
        let is_narrower = |new: &Term, old: &Term| match (&new.condition, &old.condition) {
            (Condition::Text(new_text), Condition::Text(old_text)) if !new.negated && !old.negated => {
                new_text.starts_with(old_text.as_str())
            }
            _ => new == old,
        };
        self.wants_hidden() == wider.wants_hidden()
            && wider.terms.iter().all(|old| self.terms.iter().any(|new| is_narrower(new, old)))
    }

    /// Whether the job matches, hidden or not. `haystack` is what [`haystack`] returned for it.
    pub fn matches(&self, job: &Job, haystack: &str) -> bool {
        self.terms.iter().all(|term| term.negated != term.condition.is_met(job, haystack))
    }

    /// Whether a list of this filter shows the job: hidden jobs only where the filter requests them.
    pub fn shows(&self, job: &Job) -> bool {
        job.hidden == self.wants_hidden() && self.matches(job, &haystack(job))
    }

    /// Whether an unreadable document matches, by its folded id and the reason on the line after it.
    pub fn matches_unreadable(&self, haystack: &str) -> bool {
        self.terms.iter().all(|term| {
            let found = match &term.condition {
                Condition::Status(wanted) => wanted.contains(&JobStatus::Unreadable),
                Condition::Text(text) => is_in_haystack(haystack, text),
                Condition::Id(ids) => ids.iter().any(|id| haystack.starts_with(id)),
                _ => false,
            };
            term.negated != found
        })
    }
}

impl Condition {
    fn is_met(&self, job: &Job, haystack: &str) -> bool {
        match self {
            Self::Text(text) => is_in_haystack(haystack, text),
            Self::Status(wanted) => wanted.iter().any(|status| status.is_of(job)),
            Self::Review(wanted) => job.review().is_some_and(|review| wanted.contains(&review)),
            Self::Model(models) => contains_any(&fold_for_search(&job.spec.model), models),
            Self::Tag(tags) => job.tags.iter().any(|tag| contains_any(&fold_for_search(tag), tags)),
            Self::Error(errors) => contains_any(&failure_text(job), errors),
            Self::Id(ids) => {
                let id = fold_for_search(job.id.as_str());
                ids.iter().any(|prefix| id.starts_with(prefix))
            }
            Self::Cost(comparison, bound) => comparison.holds(&job.cost().unwrap_or(Usd::ZERO), bound),
            Self::Attempts(comparison, bound) => {
                let attempts = u32::try_from(job.attempts.len()).unwrap_or(u32::MAX);
                comparison.holds(&attempts, bound)
            }
            Self::Since(at) => job.created_at >= *at,
            Self::Before(at) => job.created_at < *at,
        }
    }
}

fn contains_any(text: &str, parts: &[String]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

/// Whether a haystack contains a plain word: at the start of the id, or anywhere on the lines after it.
fn is_in_haystack(haystack: &str, word: &str) -> bool {
    haystack.starts_with(word) || haystack.split_once('\n').is_some_and(|(_, rest)| rest.contains(word))
}

/// The folded code and message of the failure of a failed job, else nothing.
pub fn failure_text(job: &Job) -> String {
    match &job.stage {
        Stage::Failed { failure } => fold_for_search(&format!("{}\n{}", failure.code.as_str(), failure.message)),
        _ => String::new(),
    }
}

/// The text of a job that plain words are searched in, folded; the id first.
pub fn haystack(job: &Job) -> String {
    let mut text = String::with_capacity(job.spec.prompt.len() + 64);
    text.push_str(job.id.as_str());
    for part in
        [&job.spec.prompt, &job.spec.model].into_iter().map(String::as_str).chain(job.tags.iter().map(String::as_str))
    {
        text.push('\n');
        text.push_str(part);
    }
    let mut text = fold_for_search(&text);
    let failure = failure_text(job);
    if !failure.is_empty() {
        text.push('\n');
        text.push_str(&failure);
    }
    text
}

#[cfg(test)]
mod tests;

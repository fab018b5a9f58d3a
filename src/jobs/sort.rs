//! The orders of a list of jobs: by one field, ties by creation.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use super::{Job, JobId, StageName};
use crate::costs::Usd;
use crate::text::fold_for_search;

/// A field that jobs can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display, strum::EnumIter)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SortKey {
    /// The time of creation.
    Age,
    /// The stage, and whether something holds the job.
    Status,
    /// What was charged so far.
    Cost,
    /// The model's name.
    Model,
    /// The pixels of the image, or those that were requested.
    Size,
    /// The tags, as text.
    Tags,
    /// How many attempts.
    Attempts,
    /// How long the current attempt took from its first step to its last.
    Duration,
    /// The worker that holds the job.
    Worker,
    /// The prompt.
    Prompt,
}

/// A sorted list: by what, and which end comes first. Equal values are in the order of creation, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Whether the largest value comes first: the newest, the most expensive, the last of the alphabet.
    pub descending: bool,
}

/// What a job is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue {
    /// A number; the creation has no other value than the place's own time.
    Number(i64),
    /// A text, folded.
    Text(Box<str>),
}

/// Where a job is in a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by.
    pub value: SortValue,
    /// When it was created.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: JobId,
}

/// Characters of a text that order jobs.
const MAX_TEXT: usize = 120;

/// Sorted after every other text.
pub(crate) const LAST_TEXT: &str = "\u{10ffff}";

impl Default for Sort {
    fn default() -> Self {
        Self::NEWEST_FIRST
    }
}

impl Sort {
    /// By creation, newest first.
    pub const NEWEST_FIRST: Self = Self { key: SortKey::Age, descending: true };

    /// By a field, with the end first that is usually wanted.
    pub fn by(key: SortKey) -> Self {
        let descending =
            matches!(key, SortKey::Age | SortKey::Cost | SortKey::Size | SortKey::Attempts | SortKey::Duration);
        Self { key, descending }
    }

    /// The other end first.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// The value of a job in this order. What is not known comes last in both directions.
    pub fn value(self, job: &Job) -> SortValue {
        match self.key {
            SortKey::Age => SortValue::Number(0),
            SortKey::Status => SortValue::Number(status_rank(job)),
            SortKey::Cost => SortValue::Number(nanodollars(job.cost().unwrap_or(Usd::ZERO))),
            SortKey::Model => self.text(fold_for_search(&job.spec.model)),
            SortKey::Size => self.number(pixels(job)),
            SortKey::Tags => self.text(fold_for_search(&job.tags.join("\u{1f}"))),
            SortKey::Attempts => SortValue::Number(i64::try_from(job.attempts.len()).unwrap_or(i64::MAX)),
            SortKey::Duration => self.number(milliseconds(job)),
            SortKey::Worker => self.text(job.claim.as_ref().map(|claim| claim.worker.to_string()).unwrap_or_default()),
            SortKey::Prompt => self.text(prompt_text(job)),
        }
    }

    /// Where a job is.
    pub fn place(self, job: &Job) -> Place {
        Place { value: self.value(job), at: job.created_at, id: job.id.clone() }
    }

    /// The value of what has none.
    pub fn missing(self) -> SortValue {
        match self.key {
            SortKey::Model | SortKey::Tags | SortKey::Worker | SortKey::Prompt => self.text(String::new()),
            SortKey::Age => SortValue::Number(0),
            SortKey::Status | SortKey::Cost | SortKey::Size | SortKey::Attempts | SortKey::Duration => {
                self.number(None)
            }
        }
    }

    /// Which of two places comes first in the list.
    pub fn compare(self, left: &Place, right: &Place) -> Ordering {
        let newest_first = || (right.at, &right.id).cmp(&(left.at, &left.id));
        match (self.key, self.descending) {
            (SortKey::Age, true) => newest_first(),
            (SortKey::Age, false) => newest_first().reverse(),
            (_, true) => right.value.cmp(&left.value).then_with(newest_first),
            (_, false) => left.value.cmp(&right.value).then_with(newest_first),
        }
    }

    fn number(self, number: Option<i64>) -> SortValue {
        SortValue::Number(number.unwrap_or(if self.descending { i64::MIN } else { i64::MAX }))
    }

    fn text(self, text: String) -> SortValue {
        let is_last = text.is_empty() && !self.descending;
        SortValue::Text(if is_last { LAST_TEXT.into() } else { text.into_boxed_str() })
    }
}

/// The stages in the order of attention: what failed or waits for a reason comes before what is finished.
pub(crate) const STATUS_ORDER: [StageName; 7] = [
    StageName::Failed,
    StageName::Generating,
    StageName::Submitting,
    StageName::Queued,
    StageName::Done,
    StageName::Approved,
    StageName::Cancelled,
];

/// The rank of a stage; ten apart.
pub(crate) fn stage_rank(stage: StageName) -> i64 {
    let place = STATUS_ORDER.iter().position(|other| *other == stage).unwrap_or(STATUS_ORDER.len());
    i64::try_from(place).unwrap_or(0) * 10
}

/// The rank of a held job: after the failed ones.
pub(crate) const HELD_RANK: i64 = 5;

fn status_rank(job: &Job) -> i64 {
    if job.hold().is_some() { HELD_RANK } else { stage_rank(job.stage_name()) }
}

/// Billionths of a dollar, as stores keep them.
fn nanodollars(amount: Usd) -> i64 {
    let nano = amount.decimal().saturating_mul(Decimal::from(1_000_000_000)).round();
    nano.to_i64().unwrap_or(if nano.is_sign_negative() { i64::MIN } else { i64::MAX })
}

/// The pixels of the image.
pub(crate) fn pixels(job: &Job) -> Option<i64> {
    let (width, height) = job.pixel_size()?;
    i64::from(width).checked_mul(i64::from(height))
}

/// How long the current attempt took.
pub(crate) fn milliseconds(job: &Job) -> Option<i64> {
    job.duration().map(|duration| duration.num_milliseconds())
}

/// The folded beginning of the prompt.
pub(crate) fn prompt_text(job: &Job) -> String {
    let beginning: String = job.spec.prompt.chars().take(MAX_TEXT).collect();
    fold_for_search(&beginning)
}

/// Keeps the first `limit` jobs behind a place of a list that is sorted while it is read: memory for a page, whatever the number of
/// jobs.
#[derive(Debug)]
pub struct SortedPageBuilder {
    order: ListOrder,
    after: Option<Place>,
    limit: usize,
    kept: BTreeSet<Ranked>,
    /// Whether a job behind the page was seen.
    is_cut: bool,
}

#[derive(Debug)]
struct Ranked {
    order: ListOrder,
    place: Place,
    job: Job,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&self.place, &other.place)
    }
}

/// A sorted list from its beginning to its end, or backwards.
#[derive(Debug, Clone, Copy)]
struct ListOrder {
    sort: Sort,
    backwards: bool,
}

impl ListOrder {
    fn compare(self, left: &Place, right: &Place) -> Ordering {
        let order = self.sort.compare(left, right);
        if self.backwards { order.reverse() } else { order }
    }
}

impl SortedPageBuilder {
    /// An empty page behind `after`.
    pub fn new(sort: Sort, backwards: bool, after: Option<Place>, limit: usize) -> Self {
        Self { order: ListOrder { sort, backwards }, after, limit, kept: BTreeSet::new(), is_cut: false }
    }

    /// Takes a job in, if it belongs to the page.
    pub fn push(&mut self, job: Job) {
        let (order, place) = (self.order, self.order.sort.place(&job));
        if self.after.as_ref().is_some_and(|after| order.compare(&place, after) != Ordering::Greater) {
            return;
        }
        self.kept.insert(Ranked { order, place, job });
        if self.kept.len() > self.limit {
            self.kept.pop_last();
            self.is_cut = true;
        }
    }

    /// The page, and where the next one begins.
    pub fn finish(self) -> (Vec<Job>, Option<Place>) {
        let next = if self.is_cut { self.kept.last().map(|last| last.place.clone()) } else { None };
        (self.kept.into_iter().map(|ranked| ranked.job).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::jobs::Spec;

    fn job(number: i64, model: &str, tags: &[&str]) -> Job {
        let id = JobId::new(format!("job{number:02}")).unwrap();
        let at = DateTime::UNIX_EPOCH + Duration::seconds(number);
        let mut job = Job::new(id, Spec::new(model, "x"), true, at);
        job.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        job
    }

    fn sorted(sort: Sort, jobs: &[Job]) -> Vec<String> {
        let mut places: Vec<Place> = jobs.iter().map(|job| sort.place(job)).collect();
        places.sort_by(|left, right| sort.compare(left, right));
        places.into_iter().map(|place| place.id.to_string()).collect()
    }

    #[test]
    fn missing_values_come_last_both_ways() {
        let jobs = [job(1, "b", &["z"]), job(2, "a", &[]), job(3, "a", &["m"])];
        let tags = Sort::by(SortKey::Tags);
        assert_eq!(sorted(tags, &jobs), ["job03", "job01", "job02"]);
        assert_eq!(sorted(tags.reversed(), &jobs), ["job01", "job03", "job02"]);
        assert_eq!(sorted(Sort::by(SortKey::Model), &jobs), ["job03", "job02", "job01"], "ties are newest first");
        assert_eq!(sorted(Sort::default().reversed(), &jobs), ["job01", "job02", "job03"]);
        let size = Sort::by(SortKey::Size);
        for sort in [size, size.reversed()] {
            let mut large = job(9, "a", &[]);
            large.spec.parameters.insert("width".into(), 64.into());
            large.spec.parameters.insert("height".into(), 64.into());
            assert_eq!(sorted(sort, &[jobs[0].clone(), large]), ["job09", "job01"]);
        }
    }

    #[test]
    fn pages_of_a_sorted_list_are_complete() {
        let jobs: Vec<Job> =
            (0..40).map(|number| job(number * 7 % 40, ["b", "a", "c"][number as usize % 3], &[])).collect();
        let model = Sort::by(SortKey::Model);
        for (sort, backwards) in [(model, false), (model, true), (model.reversed(), false), (Sort::default(), true)] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let mut page = SortedPageBuilder::new(sort, backwards, after.clone(), 7);
                for job in &jobs {
                    page.push(job.clone());
                }
                let (jobs, next) = page.finish();
                seen.extend(jobs.iter().map(|job| job.id.to_string()));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            let mut expected = sorted(sort, &jobs);
            if backwards {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{sort:?}");
        }
    }
}

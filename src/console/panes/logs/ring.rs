//! The newest log records, and which of them pass the filter.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::Level;

use crate::telemetry::logging::LogRecord;
use crate::text::{self, find_text};

/// How many records are kept at most; the oldest go first.
pub const CAPACITY: usize = 200_000;

/// Bytes that all kept records may use; the oldest go first.
const MAX_BYTES: usize = 64 << 20;

/// Bytes of a record beside its message.
const RECORD_BYTES: usize = size_of::<StoredRecord>() + 2 * size_of::<u64>();

/// Characters of a message that are kept.
const MESSAGE_CHARACTERS: usize = 2_000;

/// Characters of a job's id, as `JobId` shows it.
const ID_CHARACTERS: usize = 128;

/// A record that belongs this far before the newest one, or later, is inserted without sorting all others.
const MAX_INSERT_DISTANCE: usize = 2_000;

/// A record as it is kept. Texts are clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Severity.
    pub level: Level,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// The job; shared by all its records.
    pub job: Option<Arc<str>>,
    /// The message with its fields.
    pub message: Box<str>,
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Only records of this job, by its displayed id.
    pub job: Option<String>,
    /// Only those at least this loud.
    pub level: Level,
    /// Only those of this process.
    pub pid: Option<u32>,
    /// Only those that contain this text, whatever the case of its letters.
    pub text: String,
    /// Only those of this span, both ends included.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { job: None, level: Level::INFO, pid: None, text: String::new(), span: None }
    }
}

impl LogFilter {
    fn takes(&self, record: &StoredRecord) -> bool {
        record.level <= self.level
            && self.job.as_deref().is_none_or(|job| record.job.as_deref() == Some(job))
            && self.pid.is_none_or(|pid| record.pid == Some(pid))
            && self.span.is_none_or(|(from, to)| (from..=to).contains(&record.at))
            && (self.text.is_empty() || find_text(&record.message, &self.text).is_some())
    }
}

/// The newest records, with the numbers of those that pass the filter kept up to date: a frame costs what it shows, not what
/// is kept.
#[derive(Debug, Default)]
pub struct LogRing {
    records: VecDeque<StoredRecord>,
    bytes: usize,
    /// The number of the oldest record that is kept.
    first: u64,
    /// Records that are not kept any more.
    dropped: u64,
    filter: LogFilter,
    passing: VecDeque<u64>,
    /// How many records of each job are kept.
    jobs: HashMap<Arc<str>, u32>,
}

impl LogRing {
    /// Takes a record that is newer than all others; the oldest goes when there is no room.
    pub fn push(&mut self, record: LogRecord) {
        let record = self.store(record);
        if self.filter.takes(&record) {
            self.passing.push_back(self.first + self.records.len() as u64);
        }
        self.records.push_back(record);
        self.bound();
    }

    /// Takes older records, and those of other processes, in the order of time; known ones are left out. Returns the number that
    /// the record with the number `anchor` has now.
    pub fn merge(&mut self, mut records: Vec<LogRecord>, anchor: Option<u64>) -> Option<u64> {
        records.sort_by_key(|record| record.at);
        let oldest = records.first().map(|record| record.at);
        let near = self.records.len().checked_sub(MAX_INSERT_DISTANCE).and_then(|index| self.records.get(index));
        if near.is_none_or(|near| oldest.is_none_or(|oldest| oldest > near.at)) && records.len() <= MAX_INSERT_DISTANCE
        {
            return records.into_iter().fold(anchor, |anchor, record| self.insert(record, anchor));
        }
        let kept = anchor.and_then(|anchor| self.records.get(self.index_of(anchor)?).cloned());
        let count = self.records.len() as u64;
        let new: Vec<StoredRecord> = records.into_iter().map(|record| self.store(record)).collect();
        let mut all: Vec<StoredRecord> = self.records.drain(..).chain(new).collect();
        all.sort_by_key(|record| record.at);
        all.dedup_by(|later, earlier| {
            let is_same = later == earlier;
            if is_same {
                self.release(later);
            }
            is_same
        });
        self.records = all.into();
        self.first += count;
        self.refilter();
        self.bound();
        kept.and_then(|kept| self.number_of(&kept))
    }

    fn insert(&mut self, record: LogRecord, anchor: Option<u64>) -> Option<u64> {
        let later = self.records.iter().rev().take_while(|other| other.at > record.at).count();
        let index = self.records.len() - later;
        let record = self.store(record);
        let mut same = self.records.range(..index).rev().take_while(|other| other.at == record.at);
        if same.any(|other| *other == record) {
            self.release(&record);
            return anchor;
        }
        let number = self.first + index as u64;
        let place = self.passing.partition_point(|passing| *passing < number);
        self.passing.range_mut(place..).for_each(|passing| *passing += 1);
        if self.filter.takes(&record) {
            self.passing.insert(place, number);
        }
        self.records.insert(index, record);
        self.bound();
        anchor.map(|anchor| if anchor >= number { anchor + 1 } else { anchor })
    }

    fn store(&mut self, record: LogRecord) -> StoredRecord {
        let job = record.job.map(|id| {
            let id = text::sanitize_line(&id, ID_CHARACTERS);
            let id = self.jobs.get_key_value(id.as_str()).map_or_else(|| Arc::from(id), |(known, _)| Arc::clone(known));
            *self.jobs.entry(Arc::clone(&id)).or_default() += 1;
            id
        });
        let message = text::sanitize_line(&record.message, MESSAGE_CHARACTERS).into_boxed_str();
        self.bytes += message.len() + RECORD_BYTES;
        StoredRecord { at: record.at, level: record.level, pid: record.pid, job, message }
    }

    /// Counts a record out.
    fn release(&mut self, record: &StoredRecord) {
        self.bytes = self.bytes.saturating_sub(record.message.len() + RECORD_BYTES);
        if let Some(job) = &record.job
            && let Some(count) = self.jobs.get_mut(job)
        {
            *count -= 1;
            if *count == 0 {
                self.jobs.remove(job);
            }
        }
    }

    /// Drops the oldest records until the others fit.
    fn bound(&mut self) {
        while self.records.len() > CAPACITY || self.bytes > MAX_BYTES {
            let Some(oldest) = self.records.pop_front() else { return };
            self.release(&oldest);
            if self.passing.front() == Some(&self.first) {
                self.passing.pop_front();
            }
            self.first += 1;
            self.dropped += 1;
        }
    }

    /// Changes the filter; goes through the ring once when it is really another one.
    pub fn set_filter(&mut self, filter: LogFilter) -> bool {
        if self.filter == filter {
            return false;
        }
        self.filter = filter;
        self.refilter();
        true
    }

    fn refilter(&mut self) {
        let numbered = self.records.iter().zip(self.first..);
        self.passing = numbered.filter(|(record, _)| self.filter.takes(record)).map(|(_, number)| number).collect();
    }

    /// The number of a passing record.
    fn number_of(&self, wanted: &StoredRecord) -> Option<u64> {
        let is_it = |number: &u64| self.index_of(*number).and_then(|index| self.records.get(index)) == Some(wanted);
        self.passing.iter().rev().copied().find(is_it)
    }

    fn index_of(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Whether any record is of that job, by its displayed id.
    pub fn has_job(&self, job: &str) -> bool {
        self.jobs.contains_key(job)
    }

    /// The processes that wrote the newest records, the last one first; at most `limit`.
    pub fn processes(&self, limit: usize) -> Vec<u32> {
        let mut found = Vec::new();
        for pid in self.records.iter().rev().take(20_000).filter_map(|record| record.pid) {
            if !found.contains(&pid) {
                found.push(pid);
                if found.len() == limit {
                    break;
                }
            }
        }
        found
    }

    /// How many records pass the filter.
    pub fn len(&self) -> usize {
        self.passing.len()
    }

    /// How many records are kept, whatever the filter.
    pub fn kept(&self) -> usize {
        self.records.len()
    }

    /// How many records are not kept any more, because newer ones needed their room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The passing record at that place, and its number.
    pub fn get(&self, place: usize) -> Option<(u64, &StoredRecord)> {
        let number = *self.passing.get(place)?;
        Some((number, self.records.get(self.index_of(number)?)?))
    }

    /// The place of the last passing record whose number is at most `number`; 0 when that is gone.
    pub fn place_of(&self, number: u64) -> usize {
        self.passing.partition_point(|passing| *passing <= number).saturating_sub(1)
    }

    /// The place of the next passing record that contains a text, from `place` on upwards or downwards.
    pub fn find(&self, text: &str, place: usize, upwards: bool) -> Option<usize> {
        let contains =
            |place: &usize| self.get(*place).is_some_and(|(_, record)| find_text(&record.message, text).is_some());
        if upwards { (0..place.min(self.len())).rev().find(contains) } else { (place + 1..self.len()).find(contains) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn shown(ring: &LogRing) -> Vec<&str> {
        (0..ring.len()).map(|place| &*ring.get(place).unwrap().1.message).collect()
    }

    #[test]
    fn full_ring_drops_oldest_and_keeps_filter() {
        let mut ring = LogRing::default();
        for number in 0..CAPACITY + 50 {
            let level = if number % 2 == 0 { Level::INFO } else { Level::DEBUG };
            ring.push(record(number, level, Some(["a", "b"][number % 2])));
        }
        assert_eq!((ring.kept(), ring.dropped()), (CAPACITY, 50));
        assert_eq!(ring.len(), CAPACITY / 2);
        assert_eq!(&*ring.get(0).unwrap().1.message, "line 50");
        ring.set_filter(LogFilter { level: Level::TRACE, ..LogFilter::default() });
        assert_eq!(ring.len(), CAPACITY);
        assert_eq!(ring.get(CAPACITY - 1).unwrap().0, (CAPACITY + 49) as u64);
        assert_eq!(ring.place_of(0), 0, "a line that is gone stands for the oldest");
        assert!(ring.has_job("a") && ring.has_job("b") && !ring.has_job("c"));
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut ring = LogRing::default();
        let long = "ä".repeat(2_000);
        for number in 0..20_000 {
            ring.push(LogRecord {
                message: long.clone(),
                ..record(number, Level::INFO, Some(&format!("job-{number}")))
            });
        }
        assert!(ring.bytes <= MAX_BYTES && ring.kept() > 15_000, "{} lines", ring.kept());
        assert_eq!(ring.kept() + usize::try_from(ring.dropped()).unwrap(), 20_000);
        assert_eq!(ring.jobs.len(), ring.kept(), "jobs of dropped lines are forgotten");
    }

    #[test]
    fn merged_records_are_in_the_order_of_time() {
        let mut ring = LogRing::default();
        ring.push(record(5, Level::INFO, None));
        ring.push(record(6, Level::INFO, None));
        ring.merge(
            vec![record(5, Level::INFO, None), record(3, Level::INFO, None), record(4, Level::DEBUG, None)],
            None,
        );
        assert_eq!(shown(&ring), ["line 3", "line 5", "line 6"]);
        assert_eq!(ring.kept(), 4);
        ring.push(record(7, Level::INFO, None));
        assert_eq!(&*ring.get(3).unwrap().1.message, "line 7");
    }

    #[test]
    fn merge_keeps_the_line_where_scrolling_stopped() {
        for count in [10, 5_000] {
            let mut ring = LogRing::default();
            for number in 0..count {
                ring.push(record(number * 2, Level::INFO, None));
            }
            let stopped_at = ring.get(count - 4).unwrap().0;
            let others = (0..count).map(|number| record(number * 2 + 1, Level::INFO, Some("b"))).collect();
            let anchor = ring.merge(others, Some(stopped_at)).unwrap();
            let place = ring.place_of(anchor);
            assert_eq!(&*ring.get(place).unwrap().1.message, format!("line {}", (count - 4) * 2), "of {count}");
            assert_eq!((ring.kept(), ring.len()), (2 * count, 2 * count));
            let expected: Vec<String> = (0..2 * count).map(|number| format!("line {number}")).collect();
            assert_eq!(shown(&ring), expected);
        }
    }

    #[test]
    fn only_wanted_records_pass() {
        let mut ring = LogRing::default();
        ring.push(record(1, Level::INFO, Some("a")));
        ring.push(LogRecord { pid: Some(9), ..record(2, Level::INFO, Some("b")) });
        ring.push(LogRecord { message: "Content MODERATED".into(), ..record(3, Level::WARN, None) });
        let mut shown = |filter| {
            ring.set_filter(filter);
            shown(&ring).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let all = LogFilter::default;
        assert_eq!(shown(LogFilter { job: Some("a".to_owned()), ..all() }), ["line 1"]);
        assert_eq!(shown(LogFilter { pid: Some(9), ..all() }), ["line 2"]);
        assert_eq!(shown(LogFilter { text: "moderated".into(), ..all() }), ["Content MODERATED"]);
        let (from, to) = (record(2, Level::INFO, None).at, record(3, Level::INFO, None).at);
        assert_eq!(shown(LogFilter { span: Some((from, to)), ..all() }), ["line 2", "Content MODERATED"]);
        assert_eq!(ring.processes(5), [9]);
    }

    #[test]
    fn text_is_found_upwards_and_downwards() {
        let mut ring = LogRing::default();
        for number in 0..30 {
            ring.push(record(number, Level::INFO, None));
        }
        assert_eq!((ring.find("LINE 1", 19, true), ring.find("line 1", 1, false)), (Some(18), Some(10)));
        assert_eq!(ring.find("nowhere", 29, true), None);
    }
}

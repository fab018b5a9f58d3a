//! The newest log records, and which of them pass the filter.

use std::collections::VecDeque;

use tracing::Level;

use crate::telemetry::logging::LogRecord;
use crate::text;

/// How many records are kept; the oldest go first.
pub const CAPACITY: usize = 50_000;

/// Characters of a message that are kept.
const MESSAGE_CHARACTERS: usize = 2_000;

/// Characters of a job's id, as `JobId` shows it.
const ID_CHARACTERS: usize = 128;

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Only records of this job, by its displayed id.
    pub job: Option<String>,
    /// Only those at least this loud.
    pub level: Level,
}

impl LogFilter {
    fn takes(&self, record: &LogRecord) -> bool {
        record.level <= self.level && self.job.as_ref().is_none_or(|job| record.job.as_ref() == Some(job))
    }
}

/// The newest records, with the numbers of those that pass the filter kept up to date: a frame costs what it shows, not what
/// is kept.
#[derive(Debug)]
pub struct LogRing {
    records: VecDeque<LogRecord>,
    /// The number of the oldest record that is kept; numbers are never reused.
    first: u64,
    filter: LogFilter,
    passing: VecDeque<u64>,
}

impl LogRing {
    /// An empty one that takes all jobs from `info` up.
    pub fn new() -> Self {
        Self {
            records: VecDeque::new(),
            first: 0,
            filter: LogFilter { job: None, level: Level::INFO },
            passing: VecDeque::new(),
        }
    }

    /// Takes a record; the oldest goes when it is full.
    pub fn push(&mut self, record: LogRecord) {
        let record = clean(record);
        if self.records.len() == CAPACITY {
            self.records.pop_front();
            if self.passing.front() == Some(&self.first) {
                self.passing.pop_front();
            }
            self.first += 1;
        }
        if self.filter.takes(&record) {
            self.passing.push_back(self.first + self.records.len() as u64);
        }
        self.records.push_back(record);
    }

    /// Takes older records, and those of other processes, in the order of time; known ones are left out. Afterwards the records
    /// have new numbers.
    pub fn merge(&mut self, records: Vec<LogRecord>) {
        let count = self.records.len() as u64;
        let mut all: Vec<LogRecord> = self.records.drain(..).chain(records.into_iter().map(clean)).collect();
        all.sort_by_key(|record| record.at);
        all.dedup();
        let surplus = all.len().saturating_sub(CAPACITY);
        self.records = all.split_off(surplus).into();
        self.first += count;
        self.refilter();
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
    pub fn number_of(&self, wanted: &LogRecord) -> Option<u64> {
        self.passing.iter().rev().copied().find(|number| {
            let index = usize::try_from(number - self.first).ok();
            index.and_then(|index| self.records.get(index)) == Some(wanted)
        })
    }

    /// Whether any record is of that job, by its displayed id.
    pub fn has_job(&self, job: &str) -> bool {
        self.records.iter().any(|record| record.job.as_deref() == Some(job))
    }

    /// How many records pass the filter.
    pub fn len(&self) -> usize {
        self.passing.len()
    }

    /// How many records are kept, whatever the filter.
    pub fn kept(&self) -> usize {
        self.records.len()
    }

    /// The passing record at that place, and its number.
    pub fn get(&self, place: usize) -> Option<(u64, &LogRecord)> {
        let number = *self.passing.get(place)?;
        let record = self.records.get(usize::try_from(number.checked_sub(self.first)?).ok()?)?;
        Some((number, record))
    }

    /// The place of the last passing record whose number is at most `number`; 0 when that is gone.
    pub fn place_of(&self, number: u64) -> usize {
        self.passing.partition_point(|passing| *passing <= number).saturating_sub(1)
    }
}

fn clean(mut record: LogRecord) -> LogRecord {
    record.message = text::sanitize_line(&record.message, MESSAGE_CHARACTERS);
    record.job = record.job.map(|id| text::sanitize_line(&id, ID_CHARACTERS));
    record
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn full_ring_drops_oldest_and_keeps_filter() {
        let mut ring = LogRing::new();
        for number in 0..CAPACITY + 50 {
            let level = if number % 2 == 0 { Level::INFO } else { Level::DEBUG };
            ring.push(record(number, level, None));
        }
        assert_eq!(ring.kept(), CAPACITY);
        assert_eq!(ring.len(), CAPACITY / 2);
        assert_eq!(ring.get(0).unwrap().1.message, "line 50");
        ring.set_filter(LogFilter { job: None, level: Level::TRACE });
        assert_eq!(ring.len(), CAPACITY);
        assert_eq!(ring.get(CAPACITY - 1).unwrap().0, (CAPACITY + 49) as u64);
        assert_eq!(ring.place_of(0), 0, "a line that is gone stands for the oldest");
    }

    #[test]
    fn merged_records_are_in_the_order_of_time() {
        let mut ring = LogRing::new();
        ring.push(record(5, Level::INFO, None));
        ring.push(record(6, Level::INFO, None));
        ring.merge(vec![record(5, Level::INFO, None), record(3, Level::INFO, None), record(4, Level::DEBUG, None)]);
        let shown: Vec<&str> = (0..ring.len()).map(|place| ring.get(place).unwrap().1.message.as_str()).collect();
        assert_eq!(shown, ["line 3", "line 5", "line 6"]);
        assert_eq!(ring.kept(), 4);
        ring.push(record(7, Level::INFO, None));
        assert_eq!(ring.get(3).unwrap().1.message, "line 7");
    }

    #[test]
    fn a_record_of_another_job_does_not_pass() {
        let mut ring = LogRing::new();
        ring.set_filter(LogFilter { job: Some("a".to_owned()), level: Level::INFO });
        ring.push(record(1, Level::INFO, Some("a")));
        ring.push(record(2, Level::INFO, Some("b")));
        ring.push(record(3, Level::INFO, None));
        assert_eq!(ring.len(), 1);
        assert_eq!(ring.get(0).unwrap().1.message, "line 1");
    }
}

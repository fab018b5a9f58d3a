//! The log pane: log records of one job or of all, of this process and of others, with a text filter and a search.

mod draw;
mod ring;

use chrono::{DateTime, Utc};
use crossterm::event::KeyEvent;
use tracing::Level;

use crate::console::DisplayZone;
use crate::console::keymap::KeyMap;
use crate::console::line_editor::LineEditor;
use crate::console::theme::Theme;
use crate::jobs::JobId;
use crate::telemetry::logging::LogRecord;

pub use draw::record_line;
pub use ring::StoredRecord;
use ring::{LogFilter, LogRing};

/// What the pane is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a> {
    /// The selected job.
    pub job: Option<&'a JobId>,
    /// The zone of the times.
    pub zone: DisplayZone,
    /// Whether keys go to this pane.
    pub focused: bool,
    /// For texts that name a key.
    pub keys: KeyMap,
    /// Colours and symbols.
    pub theme: &'a Theme,
}

/// Whose lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogScope {
    ThisJob,
    All,
}

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogInput {
    /// A text to go to.
    Search,
    /// A text that every shown line must contain.
    Filter,
}

/// A step whose lines are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSpan {
    /// The step's name.
    pub name: String,
    /// The time of the first line.
    pub from: DateTime<Utc>,
    /// The time of the last line.
    pub to: DateTime<Utc>,
}

/// The log pane and its own state.
#[derive(Debug)]
pub struct LogPane {
    ring: LogRing,
    scope: LogScope,
    level: Level,
    /// The process whose lines are shown; `None` for all.
    process: Option<u32>,
    /// What every shown line contains.
    text: String,
    /// The step whose lines are shown.
    step: Option<StepSpan>,
    /// What was searched last.
    search: String,
    input: Option<(LogInput, LineEditor)>,
    /// The number of the lowest line on the screen; `None` follows the newest.
    bottom: Option<u64>,
    /// Lines that were on the screen at the last draw.
    shown: usize,
}

impl Default for LogPane {
    fn default() -> Self {
        Self::new()
    }
}

/// Processes that are distinguished.
const MAX_PROCESSES: usize = 9;

impl LogPane {
    /// An empty pane that follows the selected job from `info` up.
    pub fn new() -> Self {
        Self {
            ring: LogRing::default(),
            scope: LogScope::ThisJob,
            level: Level::INFO,
            process: None,
            text: String::new(),
            step: None,
            search: String::new(),
            input: None,
            bottom: None,
            shown: 0,
        }
    }

    /// Takes a record.
    pub fn push(&mut self, record: LogRecord) {
        self.ring.push(record);
    }

    /// Takes lines of the log files; a line where scrolling stopped stays on the screen.
    pub fn merge(&mut self, records: Vec<LogRecord>) {
        let last = self.ring.len().saturating_sub(1);
        let anchor = self.bottom.and_then(|_| self.ring.get(self.bottom_place(last))).map(|(number, _)| number);
        self.bottom = self.ring.merge(records, anchor);
    }

    /// The job whose lines are shown, where none are known: the log files may have some.
    pub fn missing_job<'a>(&self, job: Option<&'a JobId>) -> Option<&'a JobId> {
        job.filter(|job| self.scope == LogScope::ThisJob && !self.has_job(job))
    }

    /// Whether any line of that job is known.
    pub fn has_job(&self, job: &JobId) -> bool {
        self.ring.has_job(&job.to_string())
    }

    /// The newest lines of a step of a job, at any level, the oldest first.
    pub fn lines_of_step(&mut self, job: &JobId, step: &StepSpan, limit: usize) -> Vec<StoredRecord> {
        let span = Some((step.from, step.to));
        let filter = LogFilter { job: Some(job.to_string()), level: Level::TRACE, span, ..LogFilter::default() };
        self.ring.set_filter(filter);
        let first = self.ring.len().saturating_sub(limit);
        (first..self.ring.len()).filter_map(|place| self.ring.get(place).map(|(_, record)| record.clone())).collect()
    }

    /// Moves by that many lines, upwards where negative; reaching the end follows again.
    pub fn scroll(&mut self, lines: i64) {
        let Some(last) = self.ring.len().checked_sub(1) else { return };
        let place = self.bottom_place(last);
        let top = self.shown.saturating_sub(1).min(last);
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let target = if lines < 0 { place.saturating_sub(step) } else { place.saturating_add(step) }.clamp(top, last);
        self.bottom = if target == last { None } else { self.ring.get(target).map(|(number, _)| number) };
    }

    /// Goes to the newest line and follows.
    pub fn to_end(&mut self) {
        self.bottom = None;
    }

    /// Stops at the line that is the newest now, or follows again.
    pub fn toggle_follow(&mut self) {
        self.bottom = match self.bottom {
            Some(_) => None,
            None => self.ring.len().checked_sub(1).and_then(|last| self.ring.get(last)).map(|(number, _)| number),
        };
    }

    /// The next quieter level; after the quietest, only errors.
    pub fn cycle_level(&mut self) {
        self.level = match self.level {
            Level::ERROR => Level::WARN,
            Level::WARN => Level::INFO,
            Level::INFO => Level::DEBUG,
            Level::DEBUG => Level::TRACE,
            Level::TRACE => Level::ERROR,
        };
    }

    /// This job, or all.
    pub fn toggle_scope(&mut self) {
        self.step = None;
        self.scope = match self.scope {
            LogScope::ThisJob => LogScope::All,
            LogScope::All => LogScope::ThisJob,
        };
    }

    /// The lines of the next process, in the order of their newest lines; after the last one those of all.
    pub fn cycle_process(&mut self) {
        let known = self.ring.processes(MAX_PROCESSES);
        let place = self.process.map(|pid| known.iter().position(|other| *other == pid));
        self.process = match place {
            None => known.first().copied(),
            Some(Some(place)) => known.get(place + 1).copied(),
            Some(None) => None,
        };
    }

    /// Shows the lines of a step of the selected job, at every level.
    pub fn show_step(&mut self, step: StepSpan) {
        (self.scope, self.level, self.step) = (LogScope::ThisJob, Level::TRACE, Some(step));
        self.bottom = None;
    }

    /// Begins to type a search or a filter.
    pub fn begin_input(&mut self, input: LogInput) {
        let old = if input == LogInput::Search { &self.search } else { &self.text };
        let mut line = LineEditor::default();
        line.insert(old);
        line.select_all();
        self.input = Some((input, line));
    }

    /// Takes a key that types.
    pub fn input_key(&mut self, key: KeyEvent) {
        if let Some((_, line)) = &mut self.input {
            line.key(key);
        }
        self.filter_as_typed();
    }

    /// Takes pasted text.
    pub fn input_paste(&mut self, text: &str) {
        if let Some((_, line)) = &mut self.input {
            line.insert(text);
        }
        self.filter_as_typed();
    }

    fn filter_as_typed(&mut self) {
        if let Some((LogInput::Filter, line)) = &self.input {
            line.as_str().clone_into(&mut self.text);
        }
    }

    /// Ends the typing. A search goes to the newest line that contains the text; returns whether there is one.
    pub fn accept_input(&mut self) -> bool {
        match self.input.take() {
            Some((LogInput::Search, line)) => {
                line.as_str().clone_into(&mut self.search);
                let last = self.ring.len().saturating_sub(1);
                let from = self.bottom_place(last) + 1;
                self.search.is_empty() || self.go_to(self.ring.find(&self.search, from, true))
            }
            _ => true,
        }
    }

    /// Ends the typing; what was typed is forgotten.
    pub fn cancel_input(&mut self) {
        match self.input.take() {
            Some((LogInput::Search, _)) => self.search.clear(),
            Some((LogInput::Filter, _)) => self.text.clear(),
            None => {}
        }
    }

    /// What was searched last, if anything.
    pub fn searched(&self) -> Option<&str> {
        Some(self.search.as_str()).filter(|search| !search.is_empty())
    }

    /// Goes to the next older line that contains the searched text, or to the next newer one. Returns whether there is one.
    pub fn next_match(&mut self, older: bool) -> bool {
        let last = self.ring.len().saturating_sub(1);
        let from = self.bottom_place(last);
        self.go_to(self.ring.find(&self.search, from, older))
    }

    fn go_to(&mut self, place: Option<usize>) -> bool {
        let number = place.and_then(|place| self.ring.get(place)).map(|(number, _)| number);
        self.bottom = number.or(self.bottom);
        number.is_some()
    }

    /// Forgets the search, else the text filter, else the step. Returns whether there was one.
    pub fn clear_one(&mut self) -> bool {
        if !self.search.is_empty() {
            self.search.clear();
        } else if !self.text.is_empty() {
            self.text.clear();
        } else {
            return self.step.take().is_some();
        }
        true
    }

    /// The filter for what the pane shows of `job`.
    fn filter(&self, job: Option<&JobId>) -> LogFilter {
        LogFilter {
            job: job.map(ToString::to_string),
            level: self.level,
            pid: self.process,
            text: self.text.clone(),
            span: self.step.as_ref().map(|step| (step.from, step.to)),
        }
    }

    fn bottom_place(&self, last: usize) -> usize {
        self.bottom.map_or(last, |number| self.ring.place_of(number))
    }
}

#[cfg(test)]
mod tests;

//! What an operator who looks elsewhere is notified of: a job failed, a budget is reached, all jobs are done. Each at most once in
//! half a minute, with what came together meanwhile.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};

use crate::engine::Counts;
use crate::jobs::StageName;
use crate::text::format;

/// The least time between two notifications of one kind.
const MIN_INTERVAL: Duration = Duration::seconds(30);

/// How a terminal notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum NotifyWay {
    /// The bell.
    Bell,
    /// A notification of the desktop, by the sequence of iTerm2, kitty, `WezTerm`, Windows Terminal and others.
    Osc9,
    /// The same by the sequence of urxvt, foot, Ghostty and others.
    Osc777,
}

/// The ways that are used, in their order; none is `off`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifyWays(pub Vec<NotifyWay>);

impl fmt::Display for NotifyWays {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => formatter.write_str("off"),
            ways => formatter.write_str(&ways.iter().map(NotifyWay::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for NotifyWays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if words == ["off"] {
            return Ok(Self::default());
        }
        let way = |word: &&str| {
            word.parse().map_err(|_| {
                let shown = crate::text::sanitize_line(word, 40);
                format!("'{shown}' is not valid: must be off, or a list of bell, osc9, osc777")
            })
        };
        words.iter().map(way).collect::<Result<_, _>>().map(Self)
    }
}

/// How the operator is notified.
#[derive(Debug, Clone, Default)]
pub struct NotifyOptions {
    /// By the terminal.
    pub ways: NotifyWays,
    /// By a command of the shell, which gets `DARKROOM_EVENT` and `DARKROOM_MESSAGE`.
    pub command: Option<String>,
}

impl NotifyOptions {
    fn is_off(&self) -> bool {
        self.ways.0.is_empty() && self.command.is_none()
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// Jobs failed.
    Failed,
    /// A budget holds jobs.
    BudgetReached,
    /// No job is queued or runs any more.
    AllDone,
}

impl Occasion {
    const ALL: [Self; 3] = [Self::Failed, Self::BudgetReached, Self::AllDone];

    /// The word for a command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::BudgetReached => "budget",
            Self::AllDone => "done",
        }
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub occasion: Occasion,
    /// One clean line.
    pub text: String,
}

/// Decides what is notified, and when.
#[derive(Debug, Default)]
pub struct Notifier {
    is_off: bool,
    /// Failed and unfinished jobs, as last counted.
    counted: Option<(u64, u64)>,
    failures: u64,
    budget: Option<String>,
    is_done: bool,
    sent_at: Vec<(Occasion, DateTime<Utc>)>,
}

impl Notifier {
    /// With nothing to say yet.
    pub fn new(options: &NotifyOptions) -> Self {
        Self { is_off: options.is_off(), ..Self::default() }
    }

    /// Jobs were counted: those of every worker of the store.
    pub fn on_counts(&mut self, counts: &Counts) {
        let active = StageName::ALL.into_iter().filter(|stage| stage.is_active()).map(|stage| counts.of(stage)).sum();
        let failed = counts.of(StageName::Failed);
        if let Some((failed_before, active_before)) = self.counted {
            self.failures += failed.saturating_sub(failed_before);
            self.is_done = active == 0 && (active_before > 0 || self.is_done);
        }
        self.counted = Some((failed, active));
    }

    /// A budget does not allow queued jobs.
    pub fn on_budget(&mut self, summary: String) {
        self.budget = Some(summary);
    }

    fn waits(&self, occasion: Occasion) -> bool {
        match occasion {
            Occasion::Failed => self.failures > 0,
            Occasion::BudgetReached => self.budget.is_some(),
            Occasion::AllDone => self.is_done,
        }
    }

    fn allowed_at(&self, occasion: Occasion) -> Option<DateTime<Utc>> {
        self.sent_at.iter().find(|(sent, _)| *sent == occasion).map(|(_, at)| *at + MIN_INTERVAL)
    }

    /// What is to be sent at `now`.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Vec<Notification> {
        if self.is_off {
            return Vec::new();
        }
        let mut due = Vec::new();
        for occasion in Occasion::ALL {
            if !self.waits(occasion) || self.allowed_at(occasion).is_some_and(|at| now < at) {
                continue;
            }
            let text = match occasion {
                Occasion::Failed => {
                    let failures = usize::try_from(std::mem::take(&mut self.failures)).unwrap_or(usize::MAX);
                    format!("{} failed", format::count(failures, "job"))
                }
                Occasion::BudgetReached => self.budget.take().unwrap_or_default(),
                Occasion::AllDone => {
                    self.is_done = false;
                    "All jobs are done".to_owned()
                }
            };
            due.push(Notification { occasion, text: crate::text::sanitize_line(&text, 200) });
            self.sent_at.retain(|(sent, _)| *sent != occasion);
            self.sent_at.push((occasion, now));
        }
        due
    }

    /// When something that waits may be sent.
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        let waiting = Occasion::ALL.into_iter().filter(|occasion| !self.is_off && self.waits(*occasion));
        waiting.filter_map(|occasion| self.allowed_at(occasion)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(failed: u64, queued: u64) -> Counts {
        let by_stage = [(StageName::Failed, failed), (StageName::Queued, queued)].into();
        Counts { by_stage, ..Counts::default() }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn on() -> Notifier {
        Notifier::new(&NotifyOptions { ways: "bell".parse().unwrap(), command: None })
    }

    #[test]
    fn failures_come_together_and_not_too_often() {
        let mut notifier = on();
        let texts = |notifier: &mut Notifier, seconds| -> Vec<String> {
            notifier.take_due(at(seconds)).into_iter().map(|one| one.text).collect()
        };
        notifier.on_counts(&counts(40, 9));
        assert_eq!(texts(&mut notifier, 0), [] as [&str; 0], "those failed before");
        notifier.on_counts(&counts(41, 8));
        assert_eq!(texts(&mut notifier, 1), ["1 job failed"]);
        for number in 42..90 {
            notifier.on_counts(&counts(number, 8));
            assert_eq!(texts(&mut notifier, 2), [] as [&str; 0]);
        }
        assert_eq!(notifier.due_at(), Some(at(31)));
        assert_eq!(texts(&mut notifier, 31), ["48 jobs failed"]);
        notifier.on_counts(&counts(2, 8));
        assert_eq!(notifier.due_at(), None, "retried jobs are no failures");
    }

    #[test]
    fn end_of_the_work_is_notified_once() {
        let mut notifier = on();
        notifier.on_counts(&counts(0, 0));
        assert_eq!(notifier.take_due(at(0)), [], "nothing was done here");
        notifier.on_counts(&counts(0, 3));
        notifier.on_counts(&counts(0, 0));
        notifier.on_budget("daily budget reached".to_owned());
        let sent: Vec<Occasion> = notifier.take_due(at(1)).into_iter().map(|one| one.occasion).collect();
        assert_eq!(sent, [Occasion::BudgetReached, Occasion::AllDone]);
        notifier.on_counts(&counts(0, 0));
        assert_eq!(notifier.take_due(at(99)), []);
        let mut off = Notifier::new(&NotifyOptions::default());
        off.on_counts(&counts(0, 3));
        off.on_counts(&counts(1, 0));
        assert_eq!((off.take_due(at(1)), off.due_at()), (Vec::new(), None));
    }

    #[test]
    fn ways_are_parsed_and_shown() {
        for (text, shown) in [("off", "off"), ("bell", "bell"), ("osc9, bell", "osc9,bell"), ("", "off")] {
            assert_eq!(text.parse::<NotifyWays>().unwrap().to_string(), shown, "{text:?}");
        }
        assert!("bell,siren".parse::<NotifyWays>().unwrap_err().contains("'siren' is not valid"));
    }
}

//! Which notices are shown above the footer, and for how long.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

/// Most notices that are queued.
const MAX_NOTICES: usize = 20;

/// The severity of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// A success, or plain information.
    Info,
    /// Something that may need attention.
    Warning,
    /// A failure.
    Error,
}

/// A message for the operator: one sanitized line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its severity.
    pub level: NoticeLevel,
    /// Its text.
    pub text: String,
}

/// The notices, newest first.
#[derive(Debug, Default)]
pub struct Notices {
    shown: VecDeque<Shown>,
}

#[derive(Debug)]
struct Shown {
    notice: Notice,
    until: DateTime<Utc>,
    /// A reply that is not an error: the next reply replaces it.
    is_transient: bool,
}

impl Notices {
    /// Shows a notice. A repeated notice only stays longer.
    pub fn push(&mut self, notice: Notice, now: DateTime<Utc>) {
        self.insert(notice, now, false);
    }

    /// Shows a reply to a key. Replies replace each other; errors stay.
    pub fn push_reply(&mut self, notice: Notice, now: DateTime<Utc>) {
        self.shown.retain(|shown| !shown.is_transient);
        let is_transient = notice.level != NoticeLevel::Error;
        self.insert(notice, now, is_transient);
    }

    fn insert(&mut self, notice: Notice, now: DateTime<Utc>, is_transient: bool) {
        let seconds = match notice.level {
            NoticeLevel::Info => 6,
            NoticeLevel::Warning => 10,
            NoticeLevel::Error => 20,
        };
        self.shown.retain(|shown| shown.notice != notice);
        self.shown.push_front(Shown { notice, until: now + Duration::seconds(seconds), is_transient });
        self.shown.truncate(MAX_NOTICES);
    }

    /// Drops expired notices. Returns whether any expired.
    pub fn expire(&mut self, now: DateTime<Utc>) -> bool {
        let before = self.shown.len();
        self.shown.retain(|shown| now < shown.until);
        self.shown.len() != before
    }

    /// The notice to show, and how many others are queued.
    pub fn current(&self) -> Option<(&Notice, usize)> {
        self.shown.front().map(|shown| (&shown.notice, self.shown.len() - 1))
    }

    /// Dismisses the current notice. Returns whether there was one.
    pub fn dismiss(&mut self) -> bool {
        self.shown.pop_front().is_some()
    }

    /// When the next one expires.
    pub fn next_change(&self) -> Option<DateTime<Utc>> {
        self.shown.iter().map(|shown| shown.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_notice_shows_first_errors_last_longer() {
        let mut notices = Notices::default();
        let start = DateTime::UNIX_EPOCH;
        let notice = |level, text: &str| Notice { level, text: text.into() };
        notices.push(notice(NoticeLevel::Error, "bad"), start);
        notices.push(notice(NoticeLevel::Info, "fine"), start);
        notices.push(notice(NoticeLevel::Info, "fine"), start);
        assert_eq!(notices.current().map(|(notice, more)| (notice.text.as_str(), more)), Some(("fine", 1)));
        assert!(notices.expire(start + Duration::seconds(6)));
        assert_eq!(notices.current().map(|(notice, more)| (notice.text.as_str(), more)), Some(("bad", 0)));
        assert_eq!(notices.next_change(), Some(start + Duration::seconds(20)));
    }

    #[test]
    fn replies_replace_each_other_but_not_errors() {
        let mut notices = Notices::default();
        let start = DateTime::UNIX_EPOCH;
        let notice = |level, text: &str| Notice { level, text: text.into() };
        notices.push(notice(NoticeLevel::Info, "a worker started"), start);
        notices.push_reply(notice(NoticeLevel::Error, "not saved"), start);
        notices.push_reply(notice(NoticeLevel::Info, "cancelled"), start);
        notices.push_reply(notice(NoticeLevel::Warning, "nothing to undo"), start);
        let mut texts = Vec::new();
        while let Some((notice, _)) = notices.current() {
            texts.push(notice.text.clone());
            notices.dismiss();
        }
        assert_eq!(texts, ["nothing to undo", "not saved", "a worker started"]);
    }
}

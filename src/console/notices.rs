//! Owns what is said in the line above the footer, and for how long. Must not draw it.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

/// At most this many wait behind the one that is shown.
const MOST: usize = 20;

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

/// What is to be said, newest first.
#[derive(Debug, Default)]
pub struct Notices {
    said: VecDeque<Said>,
}

#[derive(Debug)]
struct Said {
    notice: Notice,
    until: DateTime<Utc>,
    /// To a key, and no error: the answer to the next key takes its place.
    passes: bool,
}

impl Notices {
    /// Says something. What is said again only stays longer.
    pub fn say(&mut self, notice: Notice, now: DateTime<Utc>) {
        self.push(notice, now, false);
    }

    /// Answers a key. Whoever presses many keys has seen the answers to the earlier ones: they do not pile up. Errors stay.
    pub fn answer(&mut self, notice: Notice, now: DateTime<Utc>) {
        self.said.retain(|said| !said.passes);
        let passes = notice.level != NoticeLevel::Error;
        self.push(notice, now, passes);
    }

    fn push(&mut self, notice: Notice, now: DateTime<Utc>, passes: bool) {
        let seconds = match notice.level {
            NoticeLevel::Info => 6,
            NoticeLevel::Warning => 10,
            NoticeLevel::Error => 20,
        };
        self.said.retain(|said| said.notice != notice);
        self.said.push_front(Said { notice, until: now + Duration::seconds(seconds), passes });
        self.said.truncate(MOST);
    }

    /// Drops what was said long enough. Returns whether anything was.
    pub fn fade(&mut self, now: DateTime<Utc>) -> bool {
        let before = self.said.len();
        self.said.retain(|said| now < said.until);
        self.said.len() != before
    }

    /// The one to show, with how many others are not told yet.
    pub fn current(&self) -> Option<(&Notice, usize)> {
        self.said.front().map(|said| (&said.notice, self.said.len() - 1))
    }

    /// The person has seen it. Returns whether there was one.
    pub fn dismiss(&mut self) -> bool {
        self.said.pop_front().is_some()
    }

    /// When the next one fades.
    pub fn next_change(&self) -> Option<DateTime<Utc>> {
        self.said.iter().map(|said| said.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_shown_and_an_error_outlives_an_answer() {
        let mut notices = Notices::default();
        let start = DateTime::UNIX_EPOCH;
        let notice = |level, text: &str| Notice { level, text: text.into() };
        notices.say(notice(NoticeLevel::Error, "bad"), start);
        notices.say(notice(NoticeLevel::Info, "fine"), start);
        notices.say(notice(NoticeLevel::Info, "fine"), start);
        assert_eq!(notices.current().map(|(notice, more)| (notice.text.as_str(), more)), Some(("fine", 1)));
        assert!(notices.fade(start + Duration::seconds(6)));
        assert_eq!(notices.current().map(|(notice, more)| (notice.text.as_str(), more)), Some(("bad", 0)));
        assert_eq!(notices.next_change(), Some(start + Duration::seconds(20)));
    }

    #[test]
    fn answers_take_each_others_place_but_not_that_of_an_error() {
        let mut notices = Notices::default();
        let start = DateTime::UNIX_EPOCH;
        let notice = |level, text: &str| Notice { level, text: text.into() };
        notices.say(notice(NoticeLevel::Info, "a worker said"), start);
        notices.answer(notice(NoticeLevel::Error, "not saved"), start);
        notices.answer(notice(NoticeLevel::Info, "cancelled"), start);
        notices.answer(notice(NoticeLevel::Warning, "nothing to undo"), start);
        let mut told = Vec::new();
        while let Some((notice, _)) = notices.current() {
            told.push(notice.text.clone());
            notices.dismiss();
        }
        assert_eq!(told, ["nothing to undo", "not saved", "a worker said"]);
    }
}

//! Distinguishes typed keys from text that arrives as keys: a paste in a terminal without bracketed paste, or a program that types.
//! Such a burst becomes one `Event::Paste`, so that none of its letters is a command and none of its line breaks submits.
//!
//! | input | result |
//! | --- | --- |
//! | a person: 1 to 15 different keys a second, at most a few in one read on a slow line | keys |
//! | key repeat: one key, 10 to 100 times a second, any number in one read | keys |
//! | 8 changes between 5 different keys at once ([`AT_ONCE`]) | text |
//! | an Enter between other keys, 4 changes at once | text |
//! | 16 changes between 8 different keys, without a pause of 20 ms ([`FAST`]) | text |
//! | whatever follows text without a pause of [`BURST_TIMEOUT`] | the same text |
//!
//! "At once" is within [`HOLD`] of each other.
//! A key that types is held for [`HOLD`], so that the first letters of a burst are part of its text. Other keys (arrows,
//! Ctrl, Alt, Esc) are never held.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::decoder::MAX_PASTE;

/// What makes keys a text.
#[derive(Debug)]
struct Threshold {
    /// A longer pause between two keys begins again.
    gap: Duration,
    /// Keys that differ from the previous key.
    changes: usize,
    /// Different keys: two that alternate fast, such as `j` and `k`, are navigation.
    keys: usize,
}

/// A fast typist, 12 keys a second, needs more than half a second for these: longer than the stall of a usable line.
const AT_ONCE: Threshold = Threshold { gap: HOLD, changes: 8, keys: 5 };
/// A program that types. Two fingers can be that fast, sixteen keys in a row cannot.
const FAST: Threshold = Threshold { gap: Duration::from_millis(20), changes: 16, keys: 8 };
/// A line break between other keys makes so many changes at once a text: no person presses Enter and continues within milliseconds.
const CHANGES_WITH_ENTER: usize = 4;
/// How long a key that types waits for the rest of a burst.
const HOLD: Duration = Duration::from_millis(2);
/// The pause that ends a burst. No person continues typing that soon after a paste; a paste over a slow line has shorter gaps.
const BURST_TIMEOUT: Duration = Duration::from_millis(150);
/// Most keys held at a time; so many are key repeat.
const MAX_HELD: usize = 256;

/// Events in, the same events out, bursts as one paste.
#[derive(Debug, Default)]
pub struct BurstFilter {
    held: Vec<KeyEvent>,
    /// The text of the burst that is arriving.
    burst: Option<Burst>,
    at_once: Run,
    fast: Run,
    last_key: Option<(KeyCode, Instant)>,
}

/// Keys without a pause between them.
#[derive(Debug, Default)]
struct Run {
    changes: usize,
    /// The different keys, up to the threshold.
    keys: Vec<KeyCode>,
    /// Whether an Enter stands between other keys.
    has_enter: bool,
}

impl Run {
    fn count(&mut self, code: KeyCode, now: Instant, last_key: Option<(KeyCode, Instant)>, threshold: &Threshold) {
        match last_key {
            Some((last, at)) if self.changes > 0 && now.saturating_duration_since(at) < threshold.gap => {
                self.changes += usize::from(last != code);
                // An Enter at the end of a line that was typed during a stall is still a key.
                self.has_enter |= last == KeyCode::Enter && code != KeyCode::Enter;
            }
            _ => {
                *self = Self::default();
                self.changes = 1;
            }
        }
        if self.keys.len() < threshold.keys && !self.keys.contains(&code) {
            self.keys.push(code);
        }
    }

    fn is_text(&self, threshold: &Threshold) -> bool {
        self.changes >= threshold.changes && self.keys.len() >= threshold.keys
    }
}

#[derive(Debug, Default)]
struct Burst {
    text: String,
    /// The last key was Enter: a line feed that follows belongs to it.
    after_enter: bool,
}

impl BurstFilter {
    /// Takes an event that arrived at `now`.
    pub fn push(&mut self, event: Event, now: Instant, events: &mut Vec<Event>) {
        self.expire(now, events);
        if self.burst.is_some() {
            return self.push_to_burst(event, now, events);
        }
        let Event::Key(key) = event else {
            self.release(events);
            return events.push(event);
        };
        if !is_typed(key) {
            self.release(events);
            self.end_run();
            return events.push(event);
        }
        self.count(if is_line_feed(key) { KeyCode::Enter } else { key.code }, now);
        self.held.push(key);
        if self.is_text() {
            let mut burst = Burst::default();
            for key in self.held.drain(..) {
                burst.push(key);
            }
            self.burst = Some(burst);
        } else if self.held.len() >= MAX_HELD {
            self.release(events);
        }
    }

    /// When `expire` has something to do, if no event arrives before.
    pub fn deadline(&self) -> Option<Instant> {
        let (_, at) = self.last_key?;
        if self.burst.is_some() {
            return Some(at + BURST_TIMEOUT);
        }
        (!self.held.is_empty()).then(|| at + HOLD)
    }

    /// Releases what need not be held any longer at `now`.
    pub fn expire(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            if self.burst.is_some() {
                self.end_burst(events);
            } else {
                self.release(events);
            }
        }
    }

    fn count(&mut self, code: KeyCode, now: Instant) {
        self.at_once.count(code, now, self.last_key, &AT_ONCE);
        self.fast.count(code, now, self.last_key, &FAST);
        self.last_key = Some((code, now));
    }

    fn is_text(&self) -> bool {
        (self.at_once.has_enter && self.at_once.changes >= CHANGES_WITH_ENTER)
            || self.at_once.is_text(&AT_ONCE)
            || self.fast.is_text(&FAST)
    }

    fn end_run(&mut self) {
        self.at_once = Run::default();
        self.fast = Run::default();
    }

    fn release(&mut self, events: &mut Vec<Event>) {
        events.extend(self.held.drain(..).map(Event::Key));
    }

    fn push_to_burst(&mut self, event: Event, now: Instant, events: &mut Vec<Event>) {
        match event {
            Event::Key(key) if is_interrupt(key) => {
                self.end_burst(events);
                events.push(event);
            }
            Event::Key(key) => {
                self.last_key = Some((key.code, now));
                if let Some(burst) = self.burst.as_mut() {
                    burst.push(key);
                }
            }
            Event::Paste(text) => {
                self.last_key = Some((KeyCode::Null, now));
                if let Some(burst) = self.burst.as_mut() {
                    burst.push_text(&text);
                }
            }
            other => events.push(other),
        }
    }

    fn end_burst(&mut self, events: &mut Vec<Event>) {
        self.end_run();
        events.extend(self.burst.take().map(|burst| Event::Paste(burst.text)));
    }
}

impl Burst {
    /// Takes a key as text. A key that is not part of a text, such as an arrow, is dropped.
    fn push(&mut self, key: KeyEvent) {
        let after_enter = std::mem::take(&mut self.after_enter);
        let has_modifier = key.modifiers.intersects(!(KeyModifiers::SHIFT | KeyModifiers::CONTROL));
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if key.kind == KeyEventKind::Release || has_modifier => {}
            KeyCode::Enter => {
                self.after_enter = true;
                self.push_text("\n");
            }
            KeyCode::Tab => self.push_text("\t"),
            KeyCode::Char('j') if is_control && after_enter => {}
            KeyCode::Char('j') if is_control => self.push_text("\n"),
            // The control character that the text has here; whatever takes the text decides about it.
            KeyCode::Char(letter) if is_control => {
                if let Some(control) = control_character(letter) {
                    self.push_text(control.encode_utf8(&mut [0; 4]));
                }
            }
            KeyCode::Char(character) => self.push_text(character.encode_utf8(&mut [0; 4])),
            _ => {}
        }
    }

    fn push_text(&mut self, text: &str) {
        if self.text.len() + text.len() <= MAX_PASTE {
            self.text.push_str(text);
        }
    }
}

/// Whether a key types: a character, a tab or a line break.
fn is_typed(key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return false;
    }
    match key.code {
        _ if is_line_feed(key) => true,
        KeyCode::Char(_) | KeyCode::Enter | KeyCode::Tab => !key.modifiers.intersects(!KeyModifiers::SHIFT),
        _ => false,
    }
}

/// A line feed arrives as Ctrl-J.
fn is_line_feed(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('j') && key.modifiers == KeyModifiers::CONTROL
}

fn is_interrupt(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL
}

fn control_character(letter: char) -> Option<char> {
    match letter {
        'a'..='z' => u8::try_from(letter).ok().map(|byte| char::from(byte & 0x1f)),
        _ => None,
    }
}

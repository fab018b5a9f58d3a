//! Tells typed keys from text that arrives as keys: a paste in a terminal without bracketed paste, or a program that types.
//! Such a burst becomes one `Event::Paste`, so that none of its letters is a command and none of its line breaks submits.
//!
//! | input | result |
//! | --- | --- |
//! | a person: 1 to 15 different keys a second, at most a few in one read on a slow line | keys |
//! | key repeat: one key, 10 to 100 times a second, any number in one read | keys |
//! | [`BURST_CHANGES`] changes between [`BURST_KEYS`] different keys, without a pause of [`FAST_GAP`] | text |
//! | an Enter between other keys, without a pause of [`FAST_GAP`] | text |
//! | whatever follows text without a pause of [`BURST_TIMEOUT`] | the same text |
//!
//! A key that types is held for [`HOLD`], so that the first letters of a burst are part of its text. Other keys (arrows,
//! Ctrl, Alt, Esc) are never held.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::decoder::MAX_PASTE;

/// A burst begins with so many keys, each different from the one before. At 12 keys a second, a fast typist needs more than
/// half a second for them: longer than the stall of a usable line.
const BURST_CHANGES: usize = 8;
/// So many different keys are among them: two keys that alternate fast, such as `j` and `k`, are navigation.
const BURST_KEYS: usize = 5;
/// A line break between other keys makes so many changes a burst: nobody presses Enter and goes on within a few milliseconds.
const BURST_CHANGES_WITH_ENTER: usize = 4;
/// Keys with a longer pause between them are typed. Two fingers can be that fast, eight in a row cannot.
const FAST_GAP: Duration = Duration::from_millis(20);
/// How long a key that types waits for the rest of a burst.
const HOLD: Duration = Duration::from_millis(2);
/// So much silence ends a burst. Nobody goes on typing that soon after a paste; a paste over a slow line has shorter gaps.
const BURST_TIMEOUT: Duration = Duration::from_millis(150);
/// Most keys held at a time; so many are key repeat.
const MAX_HELD: usize = 256;

/// Events in, the same events out, bursts as one paste.
#[derive(Debug, Default)]
pub struct BurstFilter {
    held: Vec<KeyEvent>,
    /// The text of the burst that is arriving.
    burst: Option<Burst>,
    /// Changes of the key since the last pause.
    changes: usize,
    /// The different keys among them, up to [`BURST_KEYS`].
    keys: Vec<KeyCode>,
    /// Whether an Enter was among them.
    has_enter: bool,
    last_key: Option<(KeyCode, Instant)>,
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

    /// Counts a key into the run of keys without a pause.
    fn count(&mut self, code: KeyCode, now: Instant) {
        match self.last_key {
            Some((last, at)) if now.saturating_duration_since(at) < FAST_GAP && self.changes > 0 => {
                self.changes += usize::from(last != code);
                // An Enter at the end of a line that was typed during a stall is still a key.
                self.has_enter |= last == KeyCode::Enter && code != KeyCode::Enter;
            }
            _ => {
                self.end_run();
                self.changes = 1;
            }
        }
        if self.keys.len() < BURST_KEYS && !self.keys.contains(&code) {
            self.keys.push(code);
        }
        self.last_key = Some((code, now));
    }

    fn is_text(&self) -> bool {
        (self.has_enter && self.changes >= BURST_CHANGES_WITH_ENTER)
            || (self.changes >= BURST_CHANGES && self.keys.len() >= BURST_KEYS)
    }

    fn end_run(&mut self) {
        self.changes = 0;
        self.keys.clear();
        self.has_enter = false;
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

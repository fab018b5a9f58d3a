//! Turns the bytes of a terminal into events. Reads no clock and no file: bytes and the present come in, events come out.
//!
//! The decoder only finds where a sequence begins and ends; `termina` reads what it means. Every state has a bound and a
//! timeout, so a sequence without an end never swallows the keys after it. The result does not depend on how the bytes were
//! cut into reads, unless a pause between two reads ends an unfinished sequence.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::translate::Translator;

/// How long the rest of an escape sequence may take after its `ESC`; then the `ESC` is the Esc key.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(10);
/// How long the rest of a longer sequence may take.
const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the rest of the reply to a query of the background may take: a slow line cuts it anywhere, and its rest is no key.
const BACKGROUND_TIMEOUT: Duration = Duration::from_millis(800);
/// A bracketed paste without its end is ended after this much silence.
const PASTE_TIMEOUT: Duration = Duration::from_millis(500);
/// Ctrl-C at the end of an unfinished paste is the key, and not text, when nothing follows it for this long.
const PASTE_INTERRUPT_TIMEOUT: Duration = Duration::from_millis(20);
/// Longest key or mouse sequence; those of real terminals have less than 40 bytes.
const MAX_SEQUENCE: usize = 64;
/// Most bytes of one paste. More than any field takes; the rest is dropped.
pub const MAX_PASTE: usize = 1024 * 1024;

/// The reply to a query of the background begins like this.
const BACKGROUND: &[u8] = b"\x1b]11;";
const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";
const INTERRUPT: u8 = 0x03;
/// Ctrl-C in the kitty keyboard protocol.
const KITTY_INTERRUPT: &[u8] = b"\x1b[99;5u";

/// Where the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between sequences.
    Ground,
    /// Inside a UTF-8 character that has that many bytes after its prefix.
    Utf8 { length: usize },
    /// After `ESC`.
    Escape,
    /// After `ESC O`.
    Ss3,
    /// After `ESC [`.
    Csi,
    /// After `ESC [` and more bytes than a sequence has.
    CsiIgnored,
    /// After `ESC [ M`: three bytes of an old mouse report.
    OldMouse,
    /// After `ESC [ [`: one byte of a function key of the Linux console.
    LinuxFunction,
    /// Inside a reply of the terminal (OSC, DCS, APC, PM, SOS), which is dropped.
    Reply,
    /// After an `ESC` inside a reply.
    ReplyEscape,
    /// Inside a bracketed paste.
    Paste,
}

/// Bytes in, events out.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The bytes of the unfinished sequence, from its `ESC` on.
    sequence: Vec<u8>,
    paste: Paste,
    translator: Translator,
    /// When the last byte arrived.
    last_byte: Option<Instant>,
    /// Whether the terminal reported a light background.
    is_light: Option<bool>,
}

impl Decoder {
    /// A decoder between two sequences.
    pub fn new() -> Self {
        Self {
            state: State::Ground,
            sequence: Vec::with_capacity(MAX_SEQUENCE),
            paste: Paste::default(),
            translator: Translator::default(),
            last_byte: None,
            is_light: None,
        }
    }

    /// Decodes bytes that arrived at `now`.
    pub fn push(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<Event>) {
        self.expire(now, events);
        self.last_byte = Some(now);
        for byte in bytes {
            self.step(*byte, events);
        }
    }

    /// Whether the terminal has just reported a light or a dark background.
    pub fn take_background(&mut self) -> Option<bool> {
        self.is_light.take()
    }

    /// When `expire` has something to do, if no byte arrives before.
    pub fn deadline(&self) -> Option<Instant> {
        let timeout = match self.state {
            State::Ground => return None,
            State::Escape => ESCAPE_TIMEOUT,
            State::Paste if self.paste.ends_with_interrupt() => PASTE_INTERRUPT_TIMEOUT,
            State::Paste => PASTE_TIMEOUT,
            State::Reply | State::ReplyEscape if self.sequence.starts_with(BACKGROUND) => BACKGROUND_TIMEOUT,
            _ => SEQUENCE_TIMEOUT,
        };
        self.last_byte.map(|at| at + timeout)
    }

    /// Ends an unfinished sequence whose time is over.
    pub fn expire(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.state {
            State::Escape => events.push(key(KeyCode::Esc, KeyModifiers::NONE)),
            State::Paste => {
                let interrupted = self.paste.take_interrupt();
                self.end_paste(events);
                if interrupted {
                    events.push(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
                }
            }
            // Alt with a character that begins a sequence, such as Alt-[.
            State::Ss3 | State::Csi | State::Reply if self.sequence.len() == 2 => {
                events.push(key(KeyCode::Char(char::from(self.sequence[1])), KeyModifiers::ALT));
            }
            _ => {}
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.state = State::Ground;
        self.sequence.clear();
    }

    fn step(&mut self, byte: u8, events: &mut Vec<Event>) {
        match self.state {
            State::Paste => {
                if self.paste.push(byte) {
                    self.end_paste(events);
                    self.reset();
                }
            }
            State::Ground => self.begin(byte, events),
            State::Utf8 { length } => {
                if byte & 0b1100_0000 == 0b1000_0000 {
                    self.sequence.push(byte);
                    let prefix = usize::from(self.sequence[0] == 0x1b);
                    if self.sequence.len() - prefix == length {
                        self.finish(events);
                    }
                } else {
                    self.begin(byte, events);
                }
            }
            // Its three bytes are a number plus 32 each.
            State::OldMouse if byte >= 0x20 => {
                self.sequence.push(byte);
                if self.sequence.len() == 6 {
                    self.finish(events);
                }
            }
            State::ReplyEscape if byte == b'\\' => self.end_reply(),
            State::ReplyEscape => {
                self.begin(0x1b, events);
                self.step(byte, events);
            }
            State::Reply if byte == 0x1b => self.state = State::ReplyEscape,
            // BEL ends a reply.
            State::Reply if byte == 0x07 => self.end_reply(),
            State::Reply if byte != INTERRUPT => {
                if self.sequence.len() < MAX_SEQUENCE {
                    self.sequence.push(byte);
                }
            }
            State::Escape if matches!(byte, 0x1b | INTERRUPT) => {
                events.push(key(KeyCode::Esc, KeyModifiers::NONE));
                self.begin(byte, events);
            }
            State::Escape => self.after_escape(byte, events),
            // Other bytes are not part of the sequences below: the unfinished one is dropped.
            _ if !(0x20..0x7f).contains(&byte) => self.begin(byte, events),
            State::Ss3 | State::LinuxFunction => {
                self.sequence.push(byte);
                self.finish(events);
            }
            State::Csi => self.in_csi(byte, events),
            State::CsiIgnored => {
                if (0x40..=0x7e).contains(&byte) {
                    self.reset();
                }
            }
            State::OldMouse | State::Reply => self.begin(byte, events),
        }
    }

    /// Takes the first byte of a key or a sequence; what was unfinished is dropped.
    fn begin(&mut self, byte: u8, events: &mut Vec<Event>) {
        self.reset();
        self.sequence.push(byte);
        match byte {
            0x1b => self.state = State::Escape,
            0xc2..=0xf4 => self.state = State::Utf8 { length: utf8_length(byte) },
            // Not a byte of UTF-8 text.
            0x80.. => self.reset(),
            _ => self.finish(events),
        }
    }

    fn after_escape(&mut self, byte: u8, events: &mut Vec<Event>) {
        self.sequence.push(byte);
        match byte {
            b'[' => self.state = State::Csi,
            b'O' => self.state = State::Ss3,
            b']' | b'P' | b'X' | b'^' | b'_' => self.state = State::Reply,
            0xc2..=0xf4 => self.state = State::Utf8 { length: utf8_length(byte) },
            0x80.. => self.reset(),
            // Alt with a key.
            _ => self.finish(events),
        }
    }

    fn in_csi(&mut self, byte: u8, events: &mut Vec<Event>) {
        self.sequence.push(byte);
        match (self.sequence.len(), byte) {
            (3, b'M') => self.state = State::OldMouse,
            (3, b'[') => self.state = State::LinuxFunction,
            (_, 0x40..=0x7e) if self.sequence == PASTE_BEGIN => {
                self.reset();
                self.state = State::Paste;
            }
            (_, 0x40..=0x7e) => self.finish(events),
            (MAX_SEQUENCE.., _) => self.state = State::CsiIgnored,
            _ => {}
        }
    }

    /// The sequence is complete: what it means, if it means anything.
    fn finish(&mut self, events: &mut Vec<Event>) {
        events.extend(self.translator.translate(&self.sequence));
        self.reset();
    }

    /// A reply is dropped, except that of the background.
    fn end_reply(&mut self) {
        if let Some(color) = self.sequence.strip_prefix(BACKGROUND) {
            self.is_light = is_light(color).or(self.is_light);
        }
        self.reset();
    }

    fn end_paste(&mut self, events: &mut Vec<Event>) {
        let text = self.paste.take();
        if !text.is_empty() {
            events.push(Event::Paste(text));
        }
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

/// Whether a colour is light, written as X11 does: `rgb:ffff/ffff/ffff`, with one to four digits each.
fn is_light(color: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(color).ok()?;
    let (_, fields) = text.split_once(':')?;
    let share = |field: &str| {
        let most = 16_u32.checked_pow(u32::try_from(field.len()).ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        Some(f64::from(u32::from_str_radix(field, 16).ok()?) / f64::from(most))
    };
    let shares: Vec<f64> = fields.split('/').take(3).map(share).collect::<Option<_>>()?;
    let [red, green, blue] = shares[..] else { return None };
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// The text of a bracketed paste.
#[derive(Debug, Default)]
struct Paste {
    text: Vec<u8>,
    /// Bytes beyond the limit.
    dropped: usize,
    /// So many bytes of the end mark have just arrived.
    matched: usize,
    /// The last bytes, whether dropped or not.
    tail: [u8; KITTY_INTERRUPT.len()],
}

impl Paste {
    /// Takes a byte; true where it completes the end mark.
    fn push(&mut self, byte: u8) -> bool {
        // The end mark begins with the only ESC in it, so a mismatch can only restart it at its first byte.
        self.matched = match byte {
            _ if byte == PASTE_END[self.matched] => self.matched + 1,
            0x1b => 1,
            _ => 0,
        };
        self.tail.rotate_left(1);
        self.tail[KITTY_INTERRUPT.len() - 1] = byte;
        if self.text.len() < MAX_PASTE {
            self.text.push(byte);
        } else {
            self.dropped += 1;
        }
        if self.matched < PASTE_END.len() {
            return false;
        }
        self.remove_end(PASTE_END.len());
        true
    }

    fn ends_with_interrupt(&self) -> bool {
        self.tail.ends_with(&[INTERRUPT]) || self.tail == KITTY_INTERRUPT
    }

    /// Removes Ctrl-C at the end; true where there was one.
    fn take_interrupt(&mut self) -> bool {
        let is_interrupted = self.ends_with_interrupt();
        if is_interrupted {
            self.remove_end(if self.tail.ends_with(&[INTERRUPT]) { 1 } else { KITTY_INTERRUPT.len() });
        }
        is_interrupted
    }

    /// Removes the last bytes that arrived, where they were not dropped anyway.
    fn remove_end(&mut self, length: usize) {
        self.text.truncate(self.text.len().saturating_sub(length.saturating_sub(self.dropped)));
    }

    fn take(&mut self) -> String {
        let text = std::mem::take(self).text;
        with_line_feeds(&String::from_utf8_lossy(&text))
    }
}

/// Terminals send a line break of a pasted text as CR, LF or both.
fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

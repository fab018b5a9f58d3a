//! The reader without a terminal: bytes and times in, events out.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use proptest::prelude::*;

use super::bursts::BurstFilter;
use super::decoder::{Decoder, MAX_PASTE};

/// Longer than every timeout.
const SILENCE: Duration = Duration::from_secs(1);

/// Both stages and a clock that only the test moves.
struct Reader {
    decoder: Decoder,
    bursts: BurstFilter,
    now: Instant,
    events: Vec<Event>,
}

impl Reader {
    fn new() -> Self {
        let (decoder, bursts) = (Decoder::new(), BurstFilter::default());
        Self { decoder, bursts, now: Instant::now(), events: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let mut decoded = Vec::new();
        self.decoder.push(bytes.as_ref(), self.now, &mut decoded);
        for event in decoded {
            self.bursts.push(event, self.now, &mut self.events);
        }
        self
    }

    /// Lets time pass, with the wake-ups that the deadlines ask for.
    fn wait(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = [self.decoder.deadline(), self.bursts.deadline()].into_iter().flatten().min() {
            if deadline > end {
                break;
            }
            self.now = self.now.max(deadline);
            let mut decoded = Vec::new();
            self.decoder.expire(self.now, &mut decoded);
            for event in decoded {
                self.bursts.push(event, self.now, &mut self.events);
            }
            self.bursts.expire(self.now, &mut self.events);
        }
        self.now = end;
        self
    }

    /// The events so far, after a silence.
    fn finish(&mut self) -> Vec<Event> {
        self.wait(SILENCE);
        std::mem::take(&mut self.events)
    }
}

fn events(bytes: impl AsRef<[u8]>) -> Vec<Event> {
    Reader::new().send(bytes).finish()
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn char_key(character: char) -> Event {
    key(KeyCode::Char(character), KeyModifiers::NONE)
}

fn paste(text: &str) -> Event {
    Event::Paste(text.to_owned())
}

fn interrupt() -> Event {
    key(KeyCode::Char('c'), KeyModifiers::CONTROL)
}

#[test]
fn keys_of_common_terminals_are_decoded() {
    let (none, shift, alt, control) =
        (KeyModifiers::NONE, KeyModifiers::SHIFT, KeyModifiers::ALT, KeyModifiers::CONTROL);
    for (bytes, code, modifiers) in [
        ("j", KeyCode::Char('j'), none),
        ("J", KeyCode::Char('J'), shift),
        ("é", KeyCode::Char('é'), none),
        ("猫", KeyCode::Char('猫'), none),
        ("🦊", KeyCode::Char('🦊'), none),
        ("\r", KeyCode::Enter, none),
        ("\t", KeyCode::Tab, none),
        ("\x7f", KeyCode::Backspace, none),
        ("\x08", KeyCode::Char('h'), control),
        ("\x10", KeyCode::Char('p'), control),
        ("\0", KeyCode::Char(' '), control),
        ("\x1b", KeyCode::Esc, none),
        ("\x1bj", KeyCode::Char('j'), alt),
        ("\x1bé", KeyCode::Char('é'), alt),
        ("\x1b\r", KeyCode::Enter, alt),
        ("\x1b\x7f", KeyCode::Backspace, alt),
        ("\x1b[", KeyCode::Char('['), alt),
        ("\x1bO", KeyCode::Char('O'), alt),
        ("\x1b[A", KeyCode::Up, none),
        ("\x1bOB", KeyCode::Down, none),
        ("\x1b[1;5C", KeyCode::Right, control),
        ("\x1b[1;3D", KeyCode::Left, alt),
        ("\x1b[Z", KeyCode::BackTab, shift),
        ("\x1b[5~", KeyCode::PageUp, none),
        ("\x1b[6;2~", KeyCode::PageDown, shift),
        ("\x1b[H", KeyCode::Home, none),
        ("\x1b[4~", KeyCode::End, none),
        ("\x1b[3~", KeyCode::Delete, none),
        ("\x1bOP", KeyCode::F(1), none),
        ("\x1b[[E", KeyCode::F(5), none),
        ("\x1b[24~", KeyCode::F(12), none),
        // The kitty keyboard protocol.
        ("\x1b[27u", KeyCode::Esc, none),
        ("\x1b[99;5u", KeyCode::Char('c'), control),
        ("\x1b[106;3u", KeyCode::Char('j'), alt),
        ("\x1b[13;2u", KeyCode::Enter, shift),
        ("\x1b[1;5:1A", KeyCode::Up, control),
    ] {
        assert_eq!(events(bytes), [key(code, modifiers)], "{bytes:?}");
    }
}

#[test]
fn mouse_and_focus_are_decoded() {
    for (bytes, kind, column, row) in [
        ("\x1b[<0;10;5M", MouseEventKind::Down(MouseButton::Left), 9, 4),
        ("\x1b[<0;10;5m", MouseEventKind::Up(MouseButton::Left), 9, 4),
        ("\x1b[<32;300;70M", MouseEventKind::Drag(MouseButton::Left), 299, 69),
        ("\x1b[<35;1;1M", MouseEventKind::Moved, 0, 0),
        ("\x1b[<64;2;2M", MouseEventKind::ScrollUp, 1, 1),
        ("\x1b[<65;2;2M", MouseEventKind::ScrollDown, 1, 1),
        ("\x1b[M !!", MouseEventKind::Down(MouseButton::Left), 0, 0),
        ("\x1b[32;3;4M", MouseEventKind::Down(MouseButton::Left), 2, 3),
    ] {
        let found = events(bytes);
        let [Event::Mouse(mouse)] = found.as_slice() else { panic!("{bytes:?}: {found:?}") };
        assert_eq!((mouse.kind, mouse.column, mouse.row), (kind, column, row), "{bytes:?}");
    }
    assert_eq!(events("\x1b[I\x1b[O"), [Event::FocusGained, Event::FocusLost]);
}

#[test]
fn replies_and_broken_sequences_are_dropped() {
    for bytes in [
        "\x1b]11;rgb:1010/1212/1818\x1b\\",
        "\x1b]11;rgb:1010/1212/1818\x07",
        "\x1bP>|xterm(380)\x1b\\",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1b[?62;4c",
        "\x1b[6;20;10t",
        "\x1b[0n",
        "\x1b[?1u",
        "\x1b[>q",
        "\x1b[=5q",
        "\x1b[;q",
        "\x1b[<0;0;0M",
        "\x1b[<0;+0;1M",
        "\x1b[64;0;0M",
        "\x1b[<99;1M",
        "\x1b[12;34R",
        "\x1b[1$y",
    ] {
        assert_eq!(events(format!("{bytes}q")), [char_key('q')], "{bytes:?}");
    }
    let endless = format!("\x1b[{}", "1;".repeat(10_000));
    assert_eq!(events(&endless), []);
    assert_eq!(Reader::new().send(endless).send("mq").finish(), [char_key('q')]);
}

#[test]
fn escape_key_is_not_held_for_a_sequence() {
    let mut reader = Reader::new();
    reader.send("\x1b").wait(Duration::from_millis(11));
    assert_eq!(reader.events, [key(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(reader.send("[A").finish().len(), 3, "a late rest is keys");
    assert_eq!(
        Reader::new().send("\x1b").wait(Duration::from_millis(5)).send("[A").finish(),
        [key(KeyCode::Up, KeyModifiers::NONE)]
    );
}

#[test]
fn thousand_keys_and_q_in_one_write_quit() {
    let found = events(format!("{}q", "j".repeat(1_024)));
    assert_eq!(found.len(), 1_025);
    assert_eq!(found.last(), Some(&char_key('q')));
    assert!(found[..1_024].iter().all(|event| *event == char_key('j')));
}

#[test]
fn bracketed_paste_is_one_event() {
    assert_eq!(events("\x1b[200~a\r\nb\x1b[Ac\rd\x1b[201~q"), [paste("a\nb\x1b[Ac\nd"), char_key('q')]);
    assert_eq!(events("\x1b[200~a\x1b\x1b[201~"), [paste("a\x1b")]);
    assert_eq!(events("\x1b[200~\x1b[201~"), []);
    let joiners = include_str!("../../../../tests/samples/joiners.txt");
    assert_eq!(events(format!("\x1b[200~{joiners}\x1b[201~")), [paste(joiners)]);
}

#[test]
fn unclosed_paste_ends_after_silence() {
    let mut reader = Reader::new();
    reader.send("\x1b[200~a fox");
    assert_eq!(reader.finish(), [paste("a fox")]);
    assert_eq!(reader.send("q").finish(), [char_key('q')]);
}

#[test]
fn interrupt_ends_unclosed_paste() {
    for interrupt_bytes in ["\x03", "\x1b[99;5u"] {
        let mut reader = Reader::new();
        reader.send("\x1b[200~a fox").wait(Duration::from_millis(100));
        reader.send(interrupt_bytes).wait(Duration::from_millis(50));
        assert_eq!(reader.events, [paste("a fox"), interrupt()], "{interrupt_bytes:?}");
        let mut reader = Reader::new();
        reader.send("\x1b[200~").send(vec![b'a'; MAX_PASTE + 100]).send(interrupt_bytes);
        assert_eq!(reader.finish(), [paste(&"a".repeat(MAX_PASTE)), interrupt()]);
    }
    assert_eq!(events("\x1b[200~a\x03b\x1b[201~"), [paste("a\x03b")], "in a text it is text");
}

#[test]
fn oversized_paste_is_cut_and_keys_work_after_it() {
    let found = events(format!("\x1b[200~{}\x1b[201~q", "x".repeat(MAX_PASTE + 3)));
    assert_eq!(found, [paste(&"x".repeat(MAX_PASTE)), char_key('q')]);
}

#[test]
fn interrupt_ends_every_unfinished_sequence() {
    for begun in ["\x1b", "\x1bO", "\x1b[", "\x1b[1;", "\x1b[[", "\x1b[M ", "\x1b]11;", "\x1bPx", "\u{e9}\u{1}"] {
        let mut bytes = begun.as_bytes().to_vec();
        if bytes.ends_with(&[1]) {
            bytes.truncate(1);
        }
        bytes.push(3);
        assert_eq!(events(&bytes).last(), Some(&interrupt()), "{begun:?}");
    }
}

#[test]
fn raw_paste_is_one_text_without_commands() {
    let lines = include_str!("../../../../tests/samples/five-lines.txt");
    for sent in [lines.to_owned(), lines.replace('\n', "\r"), lines.replace('\n', "\r\n")] {
        assert_eq!(events(&sent), [paste(lines)], "{sent:?}");
    }
    for text in ["y\ry\r", "no\rno\r", "a fox\ta cat", "quit now", "rRxaybcd\x1bq\x15\x1b[A12"] {
        let found = events(text);
        assert!(matches!(found.as_slice(), [Event::Paste(_)]), "{text:?}: {found:?}");
    }
}

#[test]
fn raw_paste_is_one_text_in_slow_pieces() {
    let lines = include_str!("../../../../tests/samples/five-lines.txt");
    let mut reader = Reader::new();
    for byte in lines.bytes() {
        reader.send([byte]).wait(Duration::from_micros(900));
    }
    assert_eq!(reader.finish(), [paste(lines)]);
    // Slower than the hold: the first letters are keys, no line break is.
    for byte in lines.bytes() {
        reader.send([byte]).wait(Duration::from_millis(12));
    }
    let found = reader.finish();
    assert!(!found.contains(&key(KeyCode::Enter, KeyModifiers::NONE)), "{found:?}");
    assert!(matches!(found.as_slice(), [.., Event::Paste(text)] if text.len() > lines.len() - 24), "{found:?}");
}

#[test]
fn interrupt_ends_burst() {
    let mut reader = Reader::new();
    assert_eq!(
        reader.send("a fox in the snow\x03").wait(Duration::from_millis(1)).events,
        [paste("a fox in the snow"), interrupt()]
    );
}

#[test]
fn mouse_during_burst_is_not_text() {
    let found = events("a fox in the snow\x1b[<35;4;4M and more");
    assert!(matches!(found.as_slice(), [Event::Mouse(_), Event::Paste(text)] if text == "a fox in the snow and more"));
}

#[test]
fn typed_keys_stay_keys() {
    let chars = |text: &str| -> Vec<Event> {
        text.chars()
            .map(|letter| match letter {
                '\r' => key(KeyCode::Enter, KeyModifiers::NONE),
                letter => char_key(letter),
            })
            .collect()
    };
    // A few keys in one read, also with Enter at the end; held keys, also two of them in turn.
    for text in ["n", "gg", "nfox\r", "y\r", ":pause\r", "jjjjjjjjjjjjjjjj", "jkjkjkjkjkjkjkjk", "\r\r\r\r\r\r\r\r"] {
        assert_eq!(events(text), chars(text), "{text:?}");
    }
    // A fast typist, every 40 ms; key repeat, every 10 ms.
    for (text, gap) in [("a lighthouse on a cliff\r", 40), ("kkkkkkkkkkkkkkkkkkkkkkkkkk", 10)] {
        let mut reader = Reader::new();
        for letter in text.chars() {
            reader.send(letter.to_string()).wait(Duration::from_millis(gap));
        }
        assert_eq!(reader.finish(), chars(text));
    }
    // A harness that sends each key as soon as it sees the frame of the previous key.
    let mut reader = Reader::new();
    for part in ["n", "a kite\r", "$", "\x1b", "?", "\x1b"] {
        reader.send(part).wait(Duration::from_millis(12));
    }
    assert!(!reader.finish().iter().any(|event| matches!(event, Event::Paste(_))));
    let arrows = "\x1b[B".repeat(500);
    assert_eq!(events(arrows), vec![key(KeyCode::Down, KeyModifiers::NONE); 500]);
}

#[test]
fn typed_key_is_held_at_most_two_milliseconds() {
    let mut reader = Reader::new();
    reader.send("j").wait(Duration::from_millis(2));
    assert_eq!(reader.events, [char_key('j')]);
    let mut reader = Reader::new();
    reader.send("\x1b[B");
    assert_eq!(reader.events, [key(KeyCode::Down, KeyModifiers::NONE)], "an arrow is not held");
}

#[test]
fn long_raw_paste_is_linear() {
    let line = "a cozy log cabin in deep snow, real 35 mm film grain\r";
    let measure = |lines: usize| {
        let text = line.repeat(lines);
        let begun = Instant::now();
        let found = events(&text);
        assert!(matches!(found.as_slice(), [Event::Paste(pasted)] if pasted.len() == text.len()));
        begun.elapsed()
    };
    measure(100);
    let (small, large) = (measure(500), measure(5_000));
    assert!(large < small * 40 + Duration::from_millis(50), "ten times the text: {small:?} and {large:?}");
}

/// Pieces of what terminals send, and of what they should not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const SEQUENCES: &[&str] = &[
        "\x1b[200~",
        "\x1b[201~",
        "\x1b[A",
        "\x1b[1;5C",
        "\x1b[<0;1;1M",
        "\x1b[M",
        "\x1b[[",
        "\x1bO",
        "\x1b",
        "\x1b]",
        "\x1bP",
        "\x1b\\",
        "\x1b[99;5u",
        "\r\n",
        "\x03",
        "é",
        "猫",
        "\x1b[I",
        "\x1b[<0;0;0M",
        "\x1b[0;0;0M",
        "\x1b[;",
        "\x1b[?",
    ];
    prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..12),
        3 => "[a-z \r]{0,12}".prop_map(String::into_bytes),
        4 => proptest::sample::select(SEQUENCES).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn chunking_does_not_change_events(
        pieces in proptest::collection::vec(piece(), 0..40),
        cuts in proptest::collection::vec(1_usize..9, 1..40),
    ) {
        let bytes = pieces.concat();
        let mut reader = Reader::new();
        let mut rest = bytes.as_slice();
        for length in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            // Faster than every timeout.
            reader.send(chunk).wait(Duration::from_micros(1));
            rest = after;
        }
        prop_assert_eq!(reader.finish(), events(&bytes));
    }

    #[test]
    fn q_and_interrupt_work_after_any_bytes(pieces in proptest::collection::vec(piece(), 0..60)) {
        let mut reader = Reader::new();
        let bytes = pieces.concat();
        let count = reader.send(&bytes).finish().len();
        prop_assert!(count <= bytes.len() + 1);
        prop_assert_eq!(reader.decoder.deadline(), None);
        prop_assert_eq!(reader.bursts.deadline(), None);
        prop_assert_eq!(reader.send("q").finish(), [char_key('q')]);
        reader.send(&bytes);
        reader.wait(Duration::from_millis(11)).send("\x03").wait(Duration::from_millis(25));
        prop_assert!(reader.events.ends_with(&[interrupt()]), "{:?}", reader.events);
    }
}

#[test]
fn background_reply_is_read_and_never_typed() {
    for (reply, is_light) in [
        ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\", Some(true)),
        ("\x1b]11;rgb:fdfd/f6f6/e3e3\x07", Some(true)),
        ("\x1b]11;rgb:0000/2b2b/3636\x1b\\", Some(false)),
        ("\x1b]11;rgba:1c/1c/1c/ff\x1b\\", Some(false)),
        ("\x1b]11;rgb:fff/8\x1b\\", None),
        ("\x1b]11;rgb:/zz/\x1b\\", None),
        ("\x1b]10;rgb:ffff/ffff/ffff\x1b\\", None),
    ] {
        let mut reader = Reader::new();
        for byte in reply.bytes() {
            // A slow line: every byte arrives by itself.
            reader.send([byte]).wait(Duration::from_millis(8));
        }
        assert_eq!(reader.decoder.take_background(), is_light, "{reply:?}");
        assert_eq!(reader.send("j").finish(), [key(KeyCode::Char('j'), KeyModifiers::NONE)], "{reply:?}");
        let mut reader = Reader::new();
        // The line stalls within the reply.
        reader.send(&reply[..reply.len().min(12)]).wait(Duration::from_millis(400));
        if reply.starts_with("\x1b]11;") {
            assert_eq!(reader.send(&reply[reply.len().min(12)..]).finish(), [], "{reply:?}");
            assert_eq!(reader.decoder.take_background(), is_light, "{reply:?}");
        }
    }
}

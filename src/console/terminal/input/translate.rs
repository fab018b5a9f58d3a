//! What a complete sequence means, read by `termina` and given as an event of `crossterm`, whose types the widgets take.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MediaKeyCode, ModifierKeyCode, MouseButton,
    MouseEvent, MouseEventKind,
};
use termina::Parser;
use termina::event as source;

/// Reads complete sequences.
#[derive(Debug, Default)]
pub struct Translator {
    parser: Parser,
}

impl Translator {
    /// The event of one complete key, mouse report or focus change; `None` for replies and for what no key sends.
    pub fn translate(&mut self, sequence: &[u8]) -> Option<Event> {
        if !is_input(sequence) {
            return None;
        }
        self.parser.parse(sequence, false);
        let event = self.parser.pop();
        // An incomplete rest would be read together with the next sequence.
        if event.is_none() || self.parser.pop().is_some() {
            self.parser = Parser::default();
            return None;
        }
        match event? {
            termina::Event::Key(event) => Some(Event::Key(key_event(event))),
            termina::Event::Mouse(event) => Some(Event::Mouse(mouse_event(event))),
            termina::Event::FocusIn => Some(Event::FocusGained),
            termina::Event::FocusOut => Some(Event::FocusLost),
            _ => None,
        }
    }
}

/// Whether the parser may see the sequence. Where it rejects the beginning of one, it reads the rest as letters; and it
/// subtracts 1 from the columns and rows of mouse reports, which count from 1, without a check.
fn is_input(sequence: &[u8]) -> bool {
    let Some(body) = sequence.strip_prefix(b"\x1b[") else { return true };
    match body {
        // An old mouse report, a function key of the Linux console.
        [b'M', ..] | [b'[', _] => true,
        [fields @ .., b'M' | b'm'] if !fields.is_empty() => {
            let fields = fields.strip_prefix(b"<").unwrap_or(fields);
            let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
            let is_zero = |field: &[u8]| field.iter().all(|digit| *digit == b'0');
            fields
                .split(|byte| *byte == b';')
                .enumerate()
                .all(|(place, field)| is_number(field) && (place == 0 || !is_zero(field)))
        }
        [first, ..] => first.is_ascii_digit() || first.is_ascii_alphabetic(),
        [] => false,
    }
}

fn key_event(event: source::KeyEvent) -> KeyEvent {
    let kind = match event.kind {
        source::KeyEventKind::Press => KeyEventKind::Press,
        source::KeyEventKind::Repeat => KeyEventKind::Repeat,
        source::KeyEventKind::Release => KeyEventKind::Release,
    };
    let mut state = KeyEventState::NONE;
    for (from, to) in [
        (source::KeyEventState::KEYPAD, KeyEventState::KEYPAD),
        (source::KeyEventState::CAPS_LOCK, KeyEventState::CAPS_LOCK),
        (source::KeyEventState::NUM_LOCK, KeyEventState::NUM_LOCK),
    ] {
        state.set(to, event.state.contains(from));
    }
    KeyEvent { code: key_code(event.code), modifiers: modifiers(event.modifiers), kind, state }
}

fn key_code(code: source::KeyCode) -> KeyCode {
    use source::KeyCode as Source;
    match code {
        Source::Char(character) => KeyCode::Char(character),
        Source::Enter => KeyCode::Enter,
        Source::Backspace => KeyCode::Backspace,
        Source::Tab => KeyCode::Tab,
        Source::Escape => KeyCode::Esc,
        Source::Left => KeyCode::Left,
        Source::Right => KeyCode::Right,
        Source::Up => KeyCode::Up,
        Source::Down => KeyCode::Down,
        Source::Home => KeyCode::Home,
        Source::End => KeyCode::End,
        Source::BackTab => KeyCode::BackTab,
        Source::PageUp => KeyCode::PageUp,
        Source::PageDown => KeyCode::PageDown,
        Source::Insert => KeyCode::Insert,
        Source::Delete => KeyCode::Delete,
        Source::KeypadBegin => KeyCode::KeypadBegin,
        Source::CapsLock => KeyCode::CapsLock,
        Source::ScrollLock => KeyCode::ScrollLock,
        Source::NumLock => KeyCode::NumLock,
        Source::PrintScreen => KeyCode::PrintScreen,
        Source::Pause => KeyCode::Pause,
        Source::Menu => KeyCode::Menu,
        Source::Null => KeyCode::Null,
        Source::Function(number) => KeyCode::F(number),
        Source::Modifier(key) => KeyCode::Modifier(modifier_key(key)),
        Source::Media(key) => KeyCode::Media(media_key(key)),
    }
}

fn modifiers(from: source::Modifiers) -> KeyModifiers {
    let mut modifiers = KeyModifiers::NONE;
    for (source, target) in [
        (source::Modifiers::SHIFT, KeyModifiers::SHIFT),
        (source::Modifiers::ALT, KeyModifiers::ALT),
        (source::Modifiers::CONTROL, KeyModifiers::CONTROL),
        (source::Modifiers::SUPER, KeyModifiers::SUPER),
        (source::Modifiers::HYPER, KeyModifiers::HYPER),
        (source::Modifiers::META, KeyModifiers::META),
    ] {
        modifiers.set(target, from.contains(source));
    }
    modifiers
}

fn modifier_key(key: source::ModifierKeyCode) -> ModifierKeyCode {
    use source::ModifierKeyCode as Source;
    match key {
        Source::LeftShift => ModifierKeyCode::LeftShift,
        Source::LeftControl => ModifierKeyCode::LeftControl,
        Source::LeftAlt => ModifierKeyCode::LeftAlt,
        Source::LeftSuper => ModifierKeyCode::LeftSuper,
        Source::LeftHyper => ModifierKeyCode::LeftHyper,
        Source::LeftMeta => ModifierKeyCode::LeftMeta,
        Source::RightShift => ModifierKeyCode::RightShift,
        Source::RightControl => ModifierKeyCode::RightControl,
        Source::RightAlt => ModifierKeyCode::RightAlt,
        Source::RightSuper => ModifierKeyCode::RightSuper,
        Source::RightHyper => ModifierKeyCode::RightHyper,
        Source::RightMeta => ModifierKeyCode::RightMeta,
        Source::IsoLevel3Shift => ModifierKeyCode::IsoLevel3Shift,
        Source::IsoLevel5Shift => ModifierKeyCode::IsoLevel5Shift,
    }
}

fn media_key(key: source::MediaKeyCode) -> MediaKeyCode {
    use source::MediaKeyCode as Source;
    match key {
        Source::Play => MediaKeyCode::Play,
        Source::Pause => MediaKeyCode::Pause,
        Source::PlayPause => MediaKeyCode::PlayPause,
        Source::Reverse => MediaKeyCode::Reverse,
        Source::Stop => MediaKeyCode::Stop,
        Source::FastForward => MediaKeyCode::FastForward,
        Source::Rewind => MediaKeyCode::Rewind,
        Source::TrackNext => MediaKeyCode::TrackNext,
        Source::TrackPrevious => MediaKeyCode::TrackPrevious,
        Source::Record => MediaKeyCode::Record,
        Source::LowerVolume => MediaKeyCode::LowerVolume,
        Source::RaiseVolume => MediaKeyCode::RaiseVolume,
        Source::MuteVolume => MediaKeyCode::MuteVolume,
    }
}

fn mouse_event(event: source::MouseEvent) -> MouseEvent {
    use source::MouseEventKind as Source;
    let kind = match event.kind {
        Source::Down(button) => MouseEventKind::Down(mouse_button(button)),
        Source::Up(button) => MouseEventKind::Up(mouse_button(button)),
        Source::Drag(button) => MouseEventKind::Drag(mouse_button(button)),
        Source::Moved => MouseEventKind::Moved,
        Source::ScrollDown => MouseEventKind::ScrollDown,
        Source::ScrollUp => MouseEventKind::ScrollUp,
        Source::ScrollLeft => MouseEventKind::ScrollLeft,
        Source::ScrollRight => MouseEventKind::ScrollRight,
    };
    MouseEvent { kind, column: event.column, row: event.row, modifiers: modifiers(event.modifiers) }
}

fn mouse_button(button: source::MouseButton) -> MouseButton {
    match button {
        source::MouseButton::Left => MouseButton::Left,
        source::MouseButton::Right => MouseButton::Right,
        source::MouseButton::Middle => MouseButton::Middle,
    }
}

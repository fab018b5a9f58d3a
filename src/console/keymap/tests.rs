//! The table is whole and without contradictions.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

fn bindings_in(context: InputContext) -> impl Iterator<Item = &'static Binding> {
    KeyMap::default().bindings_in(context)
}

fn action_for(context: InputContext, key: KeyEvent) -> Option<Action> {
    KeyMap::default().action_for(context, key)
}

const CONTEXTS: &[InputContext] = &[
    InputContext::Pane(PaneName::Queue),
    InputContext::Pane(PaneName::Image),
    InputContext::Pane(PaneName::Steps),
    InputContext::Pane(PaneName::Logs),
    InputContext::Pane(PaneName::Spend),
    InputContext::Job,
    InputContext::FullImage,
    InputContext::Gallery,
    InputContext::Compare,
    InputContext::CostScreen,
    InputContext::LogScreen,
    InputContext::BulkScreen,
    InputContext::Line,
    InputContext::Help,
    InputContext::Confirm,
    InputContext::Quit,
    InputContext::Palette,
    InputContext::Filter,
    InputContext::QueueMenu,
    InputContext::LogInput,
    InputContext::Contexts,
    InputContext::Views,
];

#[test]
fn no_shown_key_means_two_things_in_one_place() {
    for &context in CONTEXTS {
        let mut seen: Vec<(Chord, Action)> = Vec::new();
        for binding in bindings_in(context) {
            for chord in binding.keys.iter().filter(|chord| !chord.hidden) {
                let other = seen.iter().find(|(known, action)| {
                    known.code == chord.code && known.modifiers == chord.modifiers && *action != binding.action
                });
                // On screens, q goes back: that binding comes before the one that quits.
                assert!(
                    other.is_none(),
                    "{context:?}: {} means {:?} and {:?}",
                    chord.shown(false),
                    other,
                    binding.action
                );
                seen.push((*chord, binding.action));
            }
        }
    }
}

#[test]
fn every_place_has_a_way_back_and_a_way_out() {
    let press = |code, modifiers| KeyEvent::new(code, modifiers);
    for &context in CONTEXTS {
        assert_eq!(action_for(context, press(KeyCode::Esc, KeyModifiers::NONE)), Some(Action::Back), "{context:?}");
        let leave = action_for(context, press(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(leave, Some(Action::Quit), "{context:?}");
    }
    let queue = InputContext::Pane(PaneName::Queue);
    assert_eq!(action_for(queue, press(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Action::Quit));
    assert_eq!(action_for(InputContext::Job, press(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Action::Back));
}

#[test]
fn letters_are_letters_where_text_is_typed() {
    for context in [InputContext::Palette, InputContext::Filter, InputContext::Line] {
        for letter in ('a'..='z').chain('A'..='Z').chain("?:/$*+-[] 0123456789".chars()) {
            assert_eq!(action_for(context, KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)), None, "{letter}");
        }
    }
}

#[test]
fn shift_encodings_are_equivalent() {
    let queue = InputContext::Pane(PaneName::Queue);
    for key in [
        KeyEvent::new(KeyCode::Char('G'), KeyModifiers::NONE),
        KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT),
        KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT),
    ] {
        assert_eq!(action_for(queue, key), Some(Action::Bottom));
    }
    let back = KeyEvent::new(KeyCode::Tab, KeyModifiers::SHIFT);
    assert_eq!(action_for(queue, back), Some(Action::PreviousPane));
}

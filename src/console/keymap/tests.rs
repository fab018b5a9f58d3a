//! The table is whole and without contradictions.

use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

const PLACES: [Place; 13] = [
    Place::Pane(PaneName::Queue),
    Place::Pane(PaneName::Image),
    Place::Pane(PaneName::Steps),
    Place::Pane(PaneName::Logs),
    Place::Pane(PaneName::Spend),
    Place::Job,
    Place::FullImage,
    Place::CostScreen,
    Place::LogScreen,
    Place::Help,
    Place::Confirm,
    Place::Palette,
    Place::Filter,
];

#[test]
fn no_shown_key_means_two_things_in_one_place() {
    for place in PLACES {
        let mut seen: Vec<(Chord, Action)> = Vec::new();
        for binding in bindings_in(place) {
            for chord in binding.keys.iter().filter(|chord| !chord.silent) {
                let other = seen.iter().find(|(known, action)| {
                    known.code == chord.code && known.modifiers == chord.modifiers && *action != binding.action
                });
                // q goes back on a screen; that line stands before the one that leaves.
                assert!(
                    other.is_none(),
                    "{place:?}: {} means {:?} and {:?}",
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
    for place in PLACES {
        assert_eq!(action_for(place, press(KeyCode::Esc, KeyModifiers::NONE)), Some(Action::Back), "{place:?}");
        let leave = action_for(place, press(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(leave, Some(Action::Leave), "{place:?}");
    }
    let queue = Place::Pane(PaneName::Queue);
    assert_eq!(action_for(queue, press(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Action::Leave));
    assert_eq!(action_for(Place::Job, press(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Action::Back));
}

#[test]
fn letters_are_letters_where_text_is_typed() {
    for place in [Place::Palette, Place::Filter] {
        for letter in ('a'..='z').chain('A'..='Z').chain("?:/$*+-[] 0123456789".chars()) {
            assert_eq!(action_for(place, KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)), None, "{letter}");
        }
    }
}

#[test]
fn shift_is_understood_however_the_terminal_tells_it() {
    let queue = Place::Pane(PaneName::Queue);
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

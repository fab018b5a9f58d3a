//! Keys that a screen takes before the table. Help and reference list them.

use crossterm::event::KeyCode;

use super::{Chord, InputContext};

/// Keys of one screen with one meaning.
#[derive(Debug, Clone, Copy)]
pub struct OwnKeys {
    /// The keys; the first is the one that is shown where only one fits.
    pub keys: &'static [Chord],
    /// At most [`super::MAX_TITLE`] characters.
    pub title: &'static str,
    /// One line for the help.
    pub help: &'static str,
}

impl OwnKeys {
    /// Its keys, for people: `d`, `← →`.
    pub fn keys_shown(&self, ascii: bool) -> String {
        self.keys.iter().map(|chord| chord.shown(ascii)).collect::<Vec<_>>().join(" ")
    }
}

const fn own(keys: &'static [Chord], title: &'static str, help: &'static str) -> OwnKeys {
    OwnKeys { keys, title, help }
}

const fn key(character: char) -> Chord {
    Chord::char(character)
}

const fn named(code: KeyCode) -> Chord {
    Chord::code(code)
}

const MOVES: [OwnKeys; 3] = [
    own(&[named(KeyCode::Down), named(KeyCode::Up)], "Down, up", "down, up; also j and k"),
    own(&[named(KeyCode::PageDown), named(KeyCode::PageUp)], "Page down, up", "page down, up"),
    own(&[named(KeyCode::Home), named(KeyCode::End)], "First, last row", "first row, last row; also g and G"),
];

const COSTS: [OwnKeys; 6] = [
    own(&[named(KeyCode::Right), named(KeyCode::Left)], "Group by", "group by model, day, service …; also l and h"),
    own(&[named(KeyCode::Tab), named(KeyCode::BackTab)], "Time range", "today, 7 days, 30 days, this month"),
    own(&[named(KeyCode::Enter)], "Jobs of the line", "list the jobs of the line; on a job, show it in the queue"),
    MOVES[0],
    MOVES[1],
    MOVES[2],
];

const BUDGET: [OwnKeys; 10] = [
    own(&[key('d')], "Daily cap", "set the cap of a UTC day"),
    own(&[key('m')], "Monthly cap", "set the cap of a UTC month"),
    own(&[key('s')], "Soft mark", "set the share of a cap from which to warn"),
    own(&[key('c')], "Remove all caps", "remove all caps, after a question"),
    own(&[key('b')], "Was billed", "the selected charge was billed: type its amount"),
    own(&[key('n')], "Was not billed", "the selected charge was not billed: release it"),
    own(&[named(KeyCode::Enter)], "Show the job", "show the job of the selected charge in the queue"),
    MOVES[0],
    MOVES[1],
    MOVES[2],
];

/// The keys that the screen of a context takes by itself.
pub fn own_keys(context: InputContext) -> &'static [OwnKeys] {
    match context {
        InputContext::CostScreen => &COSTS,
        InputContext::BudgetScreen => &BUDGET,
        _ => &[],
    }
}

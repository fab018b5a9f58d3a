//! With other keys (`[keys]`), no footer, help, notice or pane names a key of the table.

use std::collections::BTreeSet;

use chrono::Duration;
use crossterm::event::KeyCode;
use darkroom::console::keymap::{Action, BINDINGS};
use darkroom::console::{KeyMap, Message};
use darkroom::engine::{CommandKind, CommandOutcome, Event, Intake, Pause};

use super::fixtures;
use super::harness::{ConsoleHarness, options};

/// The first of the characters that stand in for the keys of the table.
const FIRST: u32 = 0x0400;

/// A key of its own for every action whose keys are letters, digits or signs; not for questions and typed lines.
fn own_keys() -> Vec<(Action, Vec<String>)> {
    let mut actions: Vec<Action> = Vec::new();
    for binding in BINDINGS {
        let is_typed =
            binding.keys.iter().any(|chord| matches!(chord.code, KeyCode::Char(_)) && chord.modifiers.is_empty());
        let is_fixed = matches!(binding.action, Action::Back | Action::Accept | Action::QuitWhenDone);
        if is_typed && !is_fixed && !actions.contains(&binding.action) {
            actions.push(binding.action);
        }
    }
    let key = |index: u32| vec![char::from_u32(FIRST + index).unwrap().to_string()];
    actions.into_iter().zip(0..).map(|(action, index)| (action, key(index))).collect()
}

struct OwnKeys {
    harness: ConsoleHarness,
    keys: KeyMap,
    screens: usize,
}

impl OwnKeys {
    fn new(busy: bool, simulated: bool) -> Self {
        let own = own_keys();
        let ids: Vec<(String, &[String])> = own.iter().map(|(action, keys)| (action.id(), keys.as_slice())).collect();
        let mut options = options(simulated);
        options.keys = KeyMap::new(ids.iter().map(|(id, keys)| (id.as_str(), *keys))).unwrap();
        let keys = options.keys;
        let harness =
            if busy { ConsoleHarness::busy_with(120, 40, &options) } else { ConsoleHarness::empty(120, 40, &options) };
        Self { harness, keys, screens: 0 }
    }

    fn act(&mut self, action: Action) {
        let key = self.keys.key_of(action, false);
        self.harness.keys(&key);
        self.check(&format!("{action:?}"));
    }

    fn event(&mut self, event: Event) {
        let name = format!("{event:?}").chars().take(40).collect::<String>();
        self.harness.event(event);
        self.check(&name);
    }

    fn back(&mut self) {
        self.harness.press(KeyCode::Esc);
    }

    /// Selects the job whose prompt has that word.
    fn select(&mut self, word: &str) {
        self.act(Action::Filter);
        self.harness.keys(word);
        self.harness.press(KeyCode::Enter);
        self.check(word);
    }

    fn shows(&mut self, words: &str) {
        let frame = self.harness.frame();
        assert!(frame.contains(words), "{words}: {frame}");
    }

    /// Fails where the screen names a key of the table.
    fn check(&mut self, after: &str) {
        let frame = self.harness.frame();
        self.screens += 1;
        for line in frame.lines() {
            let named = named_keys(line);
            assert!(named.is_empty(), "after {after}: {named:?} in {line}\n{frame}");
        }
        let footer = frame.lines().last().unwrap_or_default().trim_matches('"').trim();
        for hint in footer.split("  ") {
            let key = hint.split(' ').next().unwrap_or_default();
            let is_of_table = key.chars().count() == 1 && key.is_ascii();
            assert!(!is_of_table || ANSWERS.contains(&hint), "after {after}: {hint:?} in the footer\n{frame}");
        }
    }
}

/// Questions are answered by fixed keys.
const ANSWERS: [&str; 6] = ["y yes", "n no", "w wait", "y quit now", "n stay", "q quit now"];

/// Words before which a single sign is a key.
const VERBS: [&str; 23] = [
    "opens", "copies", "shows", "clones", "to", "undoes", "cancels", "stops", "resumes", "quits", "again", "stays",
    "marks", "saves", "older", "newer", "reopens", "lists", "next", "scroll", "frees", "turns", "retry",
];

/// `press x`, `x opens`: keys that a line names, where they are one ASCII character.
fn named_keys(line: &str) -> BTreeSet<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_key = |word: &str| word.len() == 1 && word.is_ascii() && !word.chars().all(|sign| sign.is_ascii_digit());
    let mut named = BTreeSet::new();
    for pair in words.windows(2) {
        let (first, second) = (pair[0].trim_start_matches('"'), pair[1].trim_end_matches([',', '.', ':']));
        if first.eq_ignore_ascii_case("press") && is_key(second) && second != "y" && second != "n" && second != "w" {
            named.insert(pair.join(" "));
        }
        if is_key(first) && first != "a" && VERBS.contains(&second) {
            named.insert(pair.join(" "));
        }
    }
    named
}

fn undoable() -> Event {
    let job = (*fixtures::jobs()[5]).clone();
    Event::CommandCompleted(CommandOutcome {
        kind: CommandKind::Hidden,
        succeeded: vec![job.id.clone()],
        rejected: Vec::new(),
        previous: vec![job],
        estimate: None,
        tag_edit: None,
    })
}

#[test]
fn detector_finds_named_keys() {
    assert_eq!(named_keys("Press r to retry").len(), 2);
    assert_eq!(named_keys("\"o opens it · y copies its URL").len(), 2);
    assert!(named_keys("Press Ж to retry · a fox to see").is_empty());
}

#[test]
fn no_text_names_a_key_of_the_table() {
    let mut empty = OwnKeys::new(false, true);
    empty.event(Event::Jobs(Vec::new()));
    empty.act(Action::Gallery);
    empty.back();
    for action in [Action::BulkScreen, Action::LogScreen, Action::CostScreen, Action::BudgetScreen, Action::Help] {
        empty.act(action);
        empty.back();
    }
    empty.act(Action::Undo);
    empty.shows("Nothing to undo");
    empty.harness.send(Message::Paste("text".to_owned()));
    empty.check("paste");
    empty.harness.keys("r");
    empty.check("a key without a meaning");
    empty.shows("r is not bound here");

    let mut busy = OwnKeys::new(true, false);
    busy.check("start");
    for action in [Action::Compare, Action::Mark, Action::Compare, Action::MarkRange] {
        busy.act(action);
    }
    busy.back();
    busy.back();
    for action in [Action::SortMenu, Action::ColumnMenu, Action::Palette, Action::Help, Action::Gallery] {
        busy.act(action);
        busy.back();
    }
    for action in [Action::ToggleMouse, Action::FollowNewest, Action::NewSeeds] {
        busy.act(action);
    }
    busy.back();
    busy.act(Action::Contexts);
    busy.back();
    busy.event(undoable());
    busy.shows("to undo");
    for (word, hint) in [
        ("glass", "to clone and edit"),
        ("clock", "to check its task again"),
        ("koi", ""),
        ("boat", "opens it"),
        ("market", ""),
    ] {
        busy.select(word);
        busy.shows(hint);
        busy.act(Action::Open);
        busy.back();
        busy.back();
    }
    busy.event(Event::Intake(Intake::Paused));
    busy.event(Event::Intake(Intake::Open));
    busy.event(fixtures::blocked("out of credits"));
    busy.shows("fix the cause");
    let pause = Pause { by: "ben@office".to_owned(), since: fixtures::ago(60), reason: None };
    busy.event(Event::Paused(Some(pause)));
    busy.shows("Intake of all workers");
    busy.harness.send(Message::LineSpeed(Some(20_000)));
    busy.harness.now += Duration::seconds(1);
    busy.act(Action::FullImage);
    busy.back();
    busy.event(Event::Slots { used: 2, total: 4 });
    busy.act(Action::Quit);
    busy.harness.keys("w");
    busy.check("waiting");
    busy.shows("quits now");
    assert!(busy.screens + empty.screens > 40, "{}", busy.screens + empty.screens);
}

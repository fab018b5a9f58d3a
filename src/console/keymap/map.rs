//! The key table with the operator's own keys (`[keys]` in `darkroom.toml`).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, BINDINGS, Binding, BindingScope, Chord, InputContext};
use crate::console::layout::PaneName;
use crate::text::{sanitize_line, suggest};

/// The places in which a key must mean one thing.
const CONTEXTS: [InputContext; 15] = [
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
    InputContext::BudgetScreen,
    InputContext::LogScreen,
    InputContext::BulkScreen,
    InputContext::Help,
    InputContext::Palette,
];

/// Which key means what: the table, or the table with some other keys. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct KeyMap {
    bindings: &'static [Binding],
}

impl Default for KeyMap {
    fn default() -> Self {
        Self { bindings: BINDINGS }
    }
}

impl KeyMap {
    /// The table with other keys for some actions, by name: `retry-all = ["R", "F5"]`. Errors: an unknown action or key, a reserved
    /// one, or a key that would mean two things in one place.
    pub fn new<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Result<Self, String> {
        let mut bindings = BINDINGS.to_vec();
        let mut changed = Vec::new();
        for (name, keys) in keys {
            let action = action_of(name)?;
            let chords: Result<Vec<Chord>, String> = keys.iter().map(|key| chord_of(name, key)).collect();
            // Made once in the life of the process.
            let chords: &'static [Chord] = Box::leak(chords?.into_boxed_slice());
            for binding in bindings.iter_mut().filter(|binding| binding.action == action && is_free(binding)) {
                let is_typed = |chord: &&Chord| matches!(chord.code, KeyCode::Char(_)) && chord.modifiers.is_empty();
                if binding.scope == BindingScope::Always
                    && let Some(chord) = chords.iter().find(is_typed)
                {
                    let key = chord.shown(true);
                    return Err(format!(
                        "{name}: '{key}' is a letter where text is typed; use a key with Ctrl or F1 to F12"
                    ));
                }
                binding.keys = chords;
            }
            changed.push(action);
        }
        if changed.is_empty() {
            return Ok(Self::default());
        }
        let map = Self { bindings: Box::leak(bindings.into_boxed_slice()) };
        map.check(&changed)?;
        Ok(map)
    }

    /// Errors: a changed action shares a key with another action.
    fn check(self, changed: &[Action]) -> Result<(), String> {
        for context in CONTEXTS {
            let keys = |map: Self| -> Vec<(Chord, Action)> {
                let of =
                    |binding: &Binding| binding.keys.iter().map(|chord| (*chord, binding.action)).collect::<Vec<_>>();
                map.bindings_in(context).flat_map(of).collect()
            };
            let (before, after) = (keys(Self::default()), keys(self));
            for (index, (chord, action)) in after.iter().enumerate() {
                let same =
                    |(other, _): &&(Chord, Action)| other.code == chord.code && other.modifiers == chord.modifiers;
                let others = after[..index].iter().filter(same).map(|(_, other)| *other);
                let Some(other) = others.into_iter().find(|other| other != action) else { continue };
                let is_new = changed.contains(action) || changed.contains(&other);
                // The table itself lets a key of one place precede the same key of all places.
                let is_known = before.iter().filter(same).any(|(_, known)| known == action)
                    && before.iter().filter(same).any(|(_, known)| *known == other);
                if is_new && !is_known {
                    let key = chord.shown(true);
                    let (one, two) = (other.id(), action.id());
                    return Err(format!("'{key}' means both {one} and {two}: give one of them another key"));
                }
            }
        }
        Ok(())
    }

    /// What a key means there.
    pub fn action_for(self, context: InputContext, key: KeyEvent) -> Option<Action> {
        self.bindings
            .iter()
            .find(|binding| binding.applies_in(context) && binding.keys.iter().any(|chord| chord.is(key)))
            .map(|binding| binding.action)
    }

    /// The bindings of a context, in table order.
    pub fn bindings_in(self, context: InputContext) -> impl Iterator<Item = &'static Binding> {
        self.bindings.iter().filter(move |binding| binding.applies_in(context))
    }

    /// The first key of an action anywhere, for a hint: `b`. An action without a key is found in the palette: `: Retry`.
    pub fn key_of(self, action: Action, ascii: bool) -> String {
        self.find_key(action, ascii).unwrap_or_else(|| {
            let palette = self.find_key(Action::Palette, ascii).unwrap_or_else(|| ":".to_owned());
            let binding = self.bindings.iter().find(|binding| binding.action == action);
            format!("{palette} {}", binding.map(Binding::title).unwrap_or_default())
        })
    }

    fn find_key(self, action: Action, ascii: bool) -> Option<String> {
        let of_action = || self.bindings.iter().filter(|binding| binding.action == action && !binding.keys.is_empty());
        // The answer to a question is no key of the action elsewhere.
        let binding = of_action().find(|binding| is_free(binding)).or_else(|| of_action().next());
        binding.map(|binding| binding.key_shown(ascii))
    }
}

/// Whether the keys of a binding may be replaced: not those of questions and of typed lines, and not Esc and Ctrl+C.
fn is_free(binding: &Binding) -> bool {
    let is_fixed_place = match binding.scope {
        BindingScope::Only(places) => places.iter().any(|place| place.takes_text() || place.is_question()),
        _ => false,
    };
    !is_fixed_place && !binding.keys.iter().all(|chord| is_reserved(*chord))
}

fn is_reserved(chord: Chord) -> bool {
    chord.code == KeyCode::Esc || (chord.code == KeyCode::Char('c') && chord.modifiers == KeyModifiers::CONTROL)
}

fn action_of(name: &str) -> Result<Action, String> {
    let free = || BINDINGS.iter().filter(|binding| is_free(binding)).map(|binding| binding.action);
    if let Some(action) = free().find(|action| action.id() == name) {
        return Ok(action);
    }
    let shown = sanitize_line(name, 40);
    if BINDINGS.iter().any(|binding| binding.action.id() == name) {
        return Err(format!("the keys of '{shown}' are reserved"));
    }
    let names: Vec<String> = free().map(Action::id).collect();
    let close = suggest(name, names.iter().map(String::as_str)).first().map(|name| format!("; did you mean '{name}'?"));
    Err(format!("'{shown}' is not an action{}", close.unwrap_or_else(|| "; docs/reference.md lists them".to_owned())))
}

fn chord_of(action: &str, key: &str) -> Result<Chord, String> {
    let shown = sanitize_line(key, 30);
    let chord = Chord::parse(key)
        .ok_or_else(|| format!("{action}: '{shown}' is not a key such as x, X, ctrl+k, f5, space, up or pgdn"))?;
    if is_reserved(chord) {
        return Err(format!("{action}: {} is reserved", chord.shown(true)));
    }
    Ok(chord)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[(&str, &[&str])]) -> Result<KeyMap, String> {
        let keys: Vec<(&str, Vec<String>)> =
            keys.iter().map(|(name, keys)| (*name, keys.iter().map(|key| (*key).to_owned()).collect())).collect();
        KeyMap::new(keys.iter().map(|(name, keys)| (*name, keys.as_slice())))
    }

    const QUEUE: InputContext = InputContext::Pane(PaneName::Queue);

    fn meaning(map: KeyMap, key: char) -> Option<Action> {
        map.action_for(QUEUE, KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))
    }

    #[test]
    fn own_key_replaces_the_one_of_the_table() {
        let map = map(&[("retry", &["e", "f5"]), ("cancel", &["r"])]).unwrap();
        assert_eq!(meaning(map, 'e'), Some(Action::Retry));
        assert_eq!(meaning(map, 'r'), Some(Action::Cancel));
        assert_eq!(meaning(map, 'x'), None);
        assert_eq!(map.action_for(QUEUE, KeyEvent::new(KeyCode::F(5), KeyModifiers::NONE)), Some(Action::Retry));
        assert_eq!(map.key_of(Action::Retry, false), "e");
        let unbound = self::map(&[("hide", &[])]).unwrap();
        assert_eq!(meaning(unbound, 'h'), None);
        assert_eq!(unbound.key_of(Action::Hide, false), ": Hide or show");
    }

    #[test]
    fn wrong_keys_are_named() {
        for (keys, part) in [
            (&[("retri", &["e"][..])][..], "'retri' is not an action; did you mean 'retry'?"),
            (&[("retry", &["x"])], "'x' means both retry and cancel"),
            (&[("retry", &["ctrl+c"])], "retry: Ctrl+C is reserved"),
            (&[("retry", &["esc"])], "retry: Esc is reserved"),
            (&[("retry", &["hyper+x"])], "retry: 'hyper+x' is not a key"),
            (&[("accept", &["e"])], "the keys of 'accept' are reserved"),
            (&[("redraw", &["e"])], "use a key with Ctrl"),
        ] {
            let why = map(keys).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let mut names: Vec<String> = Vec::new();
        let mut actions: Vec<Action> = Vec::new();
        for binding in BINDINGS {
            if !actions.contains(&binding.action) {
                actions.push(binding.action);
                names.push(binding.action.id());
            }
            let title = binding.action.title().map_or(0, str::len);
            assert!(title <= super::super::names::MAX_TITLE, "{:?}", binding.action);
        }
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.contains(&"retry-all".to_owned()) && names.contains(&"pane-queue".to_owned()), "{names:?}");
    }
}

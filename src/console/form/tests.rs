//! The form: keys in, screen out.

mod frames;
mod matrix;
mod price;
mod screen_size;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, screen};
use crate::console::theme::Theme;
use crate::jobs::Spec;

fn empty() -> Form {
    Form::new(Catalog::builtin(), None, vec!["an old prompt".to_owned()], true)
}

fn clone_of(spec: Spec, history: Vec<String>, simulated: bool) -> Form {
    let job = Job::new(JobId::new("fox").unwrap(), spec, true, chrono::DateTime::UNIX_EPOCH);
    Form::clone_of(Catalog::builtin(), &job, None, history, simulated)
}

fn shown(form: &mut Form, width: u16, height: u16) -> String {
    screen(width, height, |frame| form.draw(frame, frame.area(), &Theme::dark()))
}

fn press(form: &mut Form, code: KeyCode) -> FormOutcome {
    form.key(code.into())
}

fn control(form: &mut Form, character: char) {
    form.key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL));
}

fn type_text(form: &mut Form, text: &str) {
    for character in text.chars() {
        assert_eq!(press(form, KeyCode::Char(character)), FormOutcome::Nothing);
    }
}

/// Tabs to the field of that name.
fn go_to(form: &mut Form, name: &str) {
    for _ in 0..40 {
        if form.name(form.focus) == name {
            return;
        }
        press(form, KeyCode::Tab);
    }
    panic!("no field {name}");
}

#[test]
fn a_prompt_and_enter_are_enough() {
    let mut form = empty();
    type_text(&mut form, "neon fox");
    let FormOutcome::Submit(jobs) = press(&mut form, KeyCode::Enter) else { panic!("not submitted") };
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].spec, Spec::new(Catalog::builtin().models[0].name.clone(), "neon fox"));
    assert!(jobs[0].tags.is_empty());
}

#[test]
fn enter_is_refused_at_the_first_wrong_field() {
    let mut form = empty();
    go_to(&mut form, "height");
    type_text(&mut form, "7");
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    assert_eq!(form.focus, Field::Prompt);
    assert!(shown(&mut form, 80, 24).contains("needs one"));
    type_text(&mut form, "x");
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    assert_eq!(form.name(form.focus), "height");
    control(&mut form, 'u');
    assert!(matches!(press(&mut form, KeyCode::Enter), FormOutcome::Submit(_)));
}

#[test]
fn only_enter_alone_submits() {
    let mut form = empty();
    type_text(&mut form, "a");
    for (code, modifiers) in [
        (KeyCode::Enter, KeyModifiers::ALT),
        (KeyCode::Enter, KeyModifiers::SHIFT),
        (KeyCode::Char('j'), KeyModifiers::CONTROL),
    ] {
        assert_eq!(form.key(KeyEvent::new(code, modifiers)), FormOutcome::Nothing);
    }
    type_text(&mut form, "b");
    assert_eq!(form.draft().prompt, "a\n\n\nb");
}

#[test]
fn escape_keeps_everything() {
    let mut form = empty();
    form.paste("two\nlines");
    go_to(&mut form, "tags");
    type_text(&mut form, "cats, night");
    go_to(&mut form, "output_format");
    press(&mut form, KeyCode::Right);
    go_to(&mut form, "seed");
    type_text(&mut form, "not a number");
    assert_eq!(press(&mut form, KeyCode::Esc), FormOutcome::Close);
    let draft = form.draft();
    let again = Form::new(Catalog::builtin(), Some(draft.clone()), vec![], true);
    assert_eq!(again.draft(), draft);
    assert_eq!(draft.value("output_format"), "png");
    assert_eq!(draft.value("seed"), "not a number");
    assert_eq!(again.validated.tags, ["cats", "night"]);
}

#[test]
fn model_change_keeps_values_sends_valid_ones() {
    let mut form = empty();
    type_text(&mut form, "x");
    go_to(&mut form, "width");
    type_text(&mut form, "512");
    go_to(&mut form, "seed");
    type_text(&mut form, "9");
    go_to(&mut form, "model");
    type_text(&mut form, "flux-3");
    assert_eq!(form.draft.model, "flux-3-image");
    form.refresh();
    assert!(form.validated.spec.parameters.is_empty(), "{:?}", form.validated.spec);
    control(&mut form, 'u');
    type_text(&mut form, "flux-2-max");
    form.refresh();
    assert_eq!(form.validated.spec, Spec::new("flux-2-max", "x").with("width", 512).with("seed", 9));
}

#[test]
fn a_default_is_shown_and_not_sent() {
    let mut form = empty();
    go_to(&mut form, "disable_pup");
    press(&mut form, KeyCode::Char(' '));
    form.refresh();
    assert_eq!(form.validated.spec.parameters["disable_pup"], true);
    press(&mut form, KeyCode::Char(' '));
    form.refresh();
    assert!(form.validated.spec.parameters.is_empty());
    go_to(&mut form, "output_format");
    press(&mut form, KeyCode::Char('w'));
    form.refresh();
    assert_eq!(form.validated.spec.parameters["output_format"], "webp");
    press(&mut form, KeyCode::Right);
    form.refresh();
    assert!(form.validated.spec.parameters.is_empty(), "round to jpeg, the default");
}

#[test]
fn model_without_prompt_keeps_prompt_unsent() {
    let mut form = empty();
    type_text(&mut form, "kept");
    go_to(&mut form, "model");
    type_text(&mut form, "erase");
    form.refresh();
    assert_eq!(form.validated.spec.prompt, "");
    assert_eq!(form.draft().prompt, "kept");
    go_to(&mut form, "mask");
    assert!(shown(&mut form, 80, 24).contains("not used by this model"));
    control(&mut form, 'p');
    assert_eq!(form.draft().prompt, "kept");
}

#[test]
fn history_key_shows_the_last_prompt() {
    let mut form = empty();
    go_to(&mut form, "seed");
    control(&mut form, 'p');
    assert_eq!(form.draft().prompt, "an old prompt");
    assert!(shown(&mut form, 80, 24).contains("prompt 1 of 1 in the history"));
    control(&mut form, 'n');
    assert_eq!(form.draft().prompt, "");
}

#[test]
fn unknown_model_is_named() {
    let spec = Spec::new("flux-9-gone", "x");
    let mut form = clone_of(spec, vec![], false);
    let text = shown(&mut form, 120, 24);
    assert!(text.contains("unknown model 'flux-9-gone'"), "{text}");
    assert!(text.contains("Clone of a job"));
    assert!(!text.contains("simulated"));
}

#[test]
fn field_paste_drops_control_characters() {
    let mut form = empty();
    go_to(&mut form, "tags");
    form.paste("a\u{1b}]52;c;aGk=\u{7}\r\nb\u{202e}");
    assert_eq!(form.draft.tags, "a]52;c;aGk= b");
    go_to(&mut form, "output_format");
    form.paste("png");
    assert_eq!(form.draft.value("output_format"), "", "a choice is not pasted");
}

#[test]
fn down_in_prompt_moves_rows_then_field() {
    let mut form = empty();
    form.paste(&"word ".repeat(40));
    shown(&mut form, 60, 24);
    press(&mut form, KeyCode::Home);
    for _ in 0..3 {
        press(&mut form, KeyCode::Up);
    }
    press(&mut form, KeyCode::Down);
    assert_eq!(form.focus, Field::Prompt, "the second of four rows");
    for _ in 0..4 {
        press(&mut form, KeyCode::Down);
    }
    assert_ne!(form.focus, Field::Prompt);
}

#[test]
fn typing_replaces_a_cloned_value() {
    let mut form = clone_of(Spec::new("flux-2-pro", "x").with("seed", 42), vec![], true);
    go_to(&mut form, "seed");
    type_text(&mut form, "78");
    assert_eq!(form.draft().value("seed"), "78");
}

#[test]
fn typed_text_is_validated_once_when_needed() {
    let mut form = empty();
    for _ in 0..500 {
        type_text(&mut form, "a long raw paste, key by key ");
    }
    assert_eq!(form.validated.spec.prompt, "", "no key validates the whole text");
    shown(&mut form, 80, 24);
    assert_eq!(form.validated.spec.prompt.len(), 500 * 29);
}

#[test]
fn held_enter_does_not_confirm_real_money() {
    let mut form = Form::new(Catalog::builtin(), None, vec![], false);
    type_text(&mut form, "x");
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    let mut repeated = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    repeated.kind = crossterm::event::KeyEventKind::Repeat;
    assert_eq!(form.key(repeated), FormOutcome::Nothing);
    assert!(matches!(press(&mut form, KeyCode::Enter), FormOutcome::Submit(_)));
}

#[test]
fn without_any_model_nothing_is_submitted() {
    static EMPTY: Catalog = Catalog { models: Vec::new() };
    let mut form = Form::new(&EMPTY, None, vec![], true);
    type_text(&mut form, "x");
    for _ in 0..3 {
        assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
        press(&mut form, KeyCode::Tab);
        press(&mut form, KeyCode::Right);
    }
    assert!(shown(&mut form, 80, 24).contains("is not a known model"));
}

#[test]
fn ascii_means_ascii() {
    let theme = Theme { ascii: true, ..Theme::dark() };
    let mut form = empty();
    go_to(&mut form, "model");
    let text = screen(80, 24, |frame| form.draw(frame, frame.area(), &theme));
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn no_size_is_too_small_for_hostile_text() {
    let hostile = "\u{1b}[2J\u{202e}עברית 漢字\u{301}\u{200d}👩\u{200d}🚀 \t\r\n ﷽ ".repeat(40);
    for (width, height) in SIZES {
        let spec = Spec::new("flux-2-pro", hostile.as_str()).with("seed", hostile.as_str());
        let mut form = clone_of(spec, vec![hostile.clone()], true);
        for _ in 0..4 {
            let text = shown(&mut form, width, height);
            if (24..=116).contains(&width) && (12..=24).contains(&height) {
                assert_whole_border(&text, height);
            }
            assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
            press(&mut form, KeyCode::Tab);
        }
    }
}

#[test]
fn megabyte_prompt_is_drawn_and_rejected() {
    let mut form = empty();
    form.paste(&"a wide 漢字 line\n".repeat(70_000));
    for (width, height) in [(24, 8), (80, 24), (200, 60)] {
        shown(&mut form, width, height);
    }
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    assert!(shown(&mut form, 80, 24).contains("truncated to the first"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn form_any_keys_any_size_never_panics(
        keys in prop::collection::vec((0_usize..24, any::<char>(), 0_u8..8), 0..60),
        width in 1_u16..130,
        height in 1_u16..50,
        pasted in any::<String>(),
    ) {
        let codes = [
            KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home,
            KeyCode::End, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Delete, KeyCode::Enter,
            KeyCode::Esc, KeyCode::Char(' '), KeyCode::F(5),
        ];
        let mut form = empty();
        for (index, character, modifiers) in keys {
            let code = match index {
                22 => KeyCode::Char(['s', 'o', 'r', 't'][usize::from(modifiers) % 4]),
                index => codes.get(index).copied().unwrap_or(KeyCode::Char(character)),
            };
            let modifiers = if index == 22 { 2 } else { modifiers };
            form.key(KeyEvent::new(code, KeyModifiers::from_bits_truncate(modifiers)));
            if index == 3 {
                form.paste(&pasted);
            }
        }
        let text = shown(&mut form, width, height);
        prop_assert!(!text.chars().any(|character| character.is_control() && character != '\n'));
        let again = Form::new(Catalog::builtin(), Some(form.draft()), vec![], true);
        prop_assert_eq!(again.draft(), form.draft());
    }
}

//! The form: keys in, screen out.

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
fn empty_form_names_defaults() {
    insta::assert_snapshot!(shown(&mut empty(), 80, 24), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────╮
    │ Prompt                                                                       │
    │ │  Describe the image, then press Enter                                      │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │   Model              ‹ flux-2-pro ›   1 of 22 · FLUX.2 [pro], 12–14 s        │
    │   Count              1                number of images, 1 to 100             │
    │   Tags               none             labels to filter by, separated by sp…  │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x si…  │
    │ ── parameters of flux-2-pro, all optional                                    │
    │   width              automatic        pixels; absent or 0: the server choo…  │
    │   height             automatic        pixels; absent or 0: the server choo…  │
    │   seed               automatic        the same number gives the same image…  │
    │   output_format      ‹ jpeg ›         file format of the image               │
    │   safety_tolerance   2                0 is the strictest moderation          │
    │   disable_pup        ‹ no ›           take the prompt as it is; otherwise …  │
    │   input_image        none             reference image: file, https URL or …  │
    │                                                                              │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix     │
    │ ~$0.03 for 1 image (simulated, no real money)  the server chooses the size,… │
    ╰ Enter submits · Tab next · Esc keeps the draft · Alt+Enter line break ───────╯
    "#);
}

#[test]
fn a_filled_form_with_a_mistake() {
    let mut form = empty();
    form.paste("neon fox crossing a wet street,\nreflections, 35 mm");
    go_to(&mut form, "count");
    type_text(&mut form, "3");
    go_to(&mut form, "seed");
    type_text(&mut form, "7");
    go_to(&mut form, "width");
    type_text(&mut form, "100");
    insta::assert_snapshot!(shown(&mut form, 80, 24), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────╮
    │ Prompt                                                                       │
    │ │ neon fox crossing a wet street,                                            │
    │ │ reflections, 35 mm                                                         │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │   Model              ‹ flux-2-pro ›   1 of 22 · FLUX.2 [pro], 12–14 s        │
    │   Count              3                number of images, 1 to 100             │
    │   Tags               none             labels to filter by, separated by sp…  │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x si…  │
    │ ── parameters of flux-2-pro, all optional                                    │
    │ ▸ width              100                                                     │
    │     100 is not a multiple of 16; near: 96, 112                               │
    │   height             automatic        pixels; absent or 0: the server choo…  │
    │   seed               7                3 images with one seed are identical   │
    │   output_format      ‹ jpeg ›         file format of the image               │
    │   safety_tolerance   2                0 is the strictest moderation          │
    │   disable_pup        ‹ no ›           take the prompt as it is; otherwise …  │
    │   input_image        none             reference image: file, https URL or …  │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix     │
    │ Fix 1 field above to see the price                                           │
    ╰ Enter submits · Tab next · Esc keeps the draft · Ctrl+U clears ──────────────╯
    "#);
    insta::assert_snapshot!(shown(&mut form, 40, 12), @r#"
    ╭ New job ── simulated, no real money ─╮
    │ Prompt                               │
    │ │ neon fox crossing a wet street,    │
    │ │ reflections, 35 mm                 │
    │   Count           3                ↑ │
    │   Tags            none               │
    │   Matrix          ‹ no ›             │
    │ ── parameters of flux-2-pro, all op… │
    │ ▸ width           100                │
    │     100 is not a multiple of 16; n…↓ │
    │ Fix 1 field above to see the price   │
    ╰ Enter submit · Tab next · Esc close ─╯
    "#);
}

#[test]
fn a_wide_screen_has_the_whole_form() {
    let mut form = empty();
    type_text(&mut form, "paper boat");
    go_to(&mut form, "model");
    type_text(&mut form, "kontext");
    insta::assert_snapshot!(shown(&mut form, 120, 26), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────────────────────────────────────────╮
    │ Prompt                                                                                                           │
    │ │ paper boat                                                                                                     │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ ▸ Model              ‹ flux-kontext-pro › "kontext": 1 of 2 · FLUX.1 Kontext [pro] (deprecated), 7–9 s           │
    │   Count              1                number of images, 1 to 100                                                 │
    │   Tags               none             labels to filter by, separated by spaces                                   │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x sizes x seeds                            │
    │ ── parameters of flux-kontext-pro, all optional                                                                  │
    │   aspect_ratio       automatic        width to height, 9:21 to 21:9                                              │
    │   seed               automatic        the same number gives the same image; random when absent                   │
    │   output_format      ‹ png ›          file format of the image                                                   │
    │   safety_tolerance   2                0 is the strictest moderation                                              │
    │   prompt_upsampling  ‹ no ›           let the server rewrite the prompt                                          │
    │   input_image        none             reference image: file, https URL or base64                                 │
    │                                                                                                                  │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix                                         │
    │ ~$0.04 for 1 image (simulated, no real money)  one image: 4 credits (docs.bfl.ai pricing, 2026-01)               │
    ╰ Enter submits · Tab next · Esc keeps the draft · ←→ or type to choose · Ctrl+P/N history · Ctrl+U clears ────────╯
    "#);
}

#[test]
fn a_price_that_is_not_known_says_why() {
    let mut form = empty();
    type_text(&mut form, "paper boat");
    form.draft.model = "flux-pro-1.0-expand".to_owned();
    go_to(&mut form, "image");
    type_text(&mut form, "photo.png");
    let text = shown(&mut form, 100, 24);
    let estimate = Catalog::builtin().estimate(&form.validated.spec);
    assert_eq!(text.contains("price unknown: "), estimate.amount.is_none(), "{text}");
    form.estimate = Estimate::unknown("no price is published");
    assert!(shown(&mut form, 100, 24).contains("price unknown: no price is published"));
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

#[test]
fn input_images_are_priced_by_their_size() {
    let spec = Spec::new("flux-2-pro", "x").with("width", 1024).with("height", 1024).with("input_image", "a.png");
    let mut form = clone_of(spec, Vec::new(), true);
    let measured = form.next_measurement().expect("an image to measure");
    assert!(form.next_measurement().is_none(), "once");
    let price = |form: &Form| form.estimate.amount.unwrap().to_string();
    assert_eq!(price(&form), "0.045", "one megapixel is assumed");
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into());
    assert_eq!(price(&form), "0.27");
    form.changed();
    form.refresh();
    assert_eq!(price(&form), "0.27", "another change keeps the sizes");
    form.draft.set("input_image", "b.png".to_owned());
    form.changed();
    let other = form.next_measurement().expect("another image");
    assert_eq!(price(&form), "0.045");
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into());
    assert_eq!(price(&form), "0.045", "the sizes of an image that was replaced");
    form.on_measured(&other, [("input_image".to_owned(), vec![Some((2048, 1024))])].into());
    assert_eq!(price(&form), "0.06");
}

#[test]
fn matrix_prices_input_images_by_their_size() {
    let spec = Spec::new("flux-2-pro", "a {fox|owl}").with("width", 1024).with("height", 1024);
    let mut form = clone_of(spec.with("input_image", "a.png"), Vec::new(), true);
    control(&mut form, 't');
    let measured = form.next_measurement().expect("an image to measure");
    let text = shown(&mut form, 80, 24);
    assert!(text.contains("~$0.09 for 2 images, at most $0.66"), "{text}");
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into());
    let text = shown(&mut form, 80, 24);
    assert!(text.contains("~$0.54 for 2 images (simulated"), "{text}");
    form.set_limits(Limits { slots: None, left: vec![("daily budget", "0.50".parse().unwrap())] });
    let text = shown(&mut form, 80, 24);
    assert!(text.contains("$0.54 exceeds the daily budget"), "{text}");
}

fn presets() -> Presets {
    let mut draft = Draft { model: "flux-2-max".to_owned(), tags: "cover".to_owned(), ..Draft::default() };
    draft.set("width", "1024".to_owned());
    [("portrait".to_owned(), draft.preset(Catalog::builtin()))].into()
}

#[test]
fn preset_is_saved_and_chosen_by_keys() {
    let mut form = empty();
    type_text(&mut form, "a fox");
    go_to(&mut form, "width");
    type_text(&mut form, "512");
    control(&mut form, 's');
    type_text(&mut form, "small");
    let FormOutcome::SavePreset(name, preset) = press(&mut form, KeyCode::Enter) else { panic!("not saved") };
    assert_eq!((name.as_str(), preset.summary().as_str()), ("small", "flux-2-pro · width=512"));
    form.set_presets(presets());
    control(&mut form, 'o');
    assert!(shown(&mut form, 80, 24).contains("portrait  flux-2-max · width=1024 · tags cover"));
    press(&mut form, KeyCode::Enter);
    form.refresh();
    assert_eq!(form.validated.spec, Spec::new("flux-2-max", "a fox").with("width", 1024), "the prompt stays");
    assert_eq!(form.validated.tags, ["cover"]);
    control(&mut form, 'o');
    press(&mut form, KeyCode::Delete);
    assert_eq!(press(&mut form, KeyCode::Delete), FormOutcome::RemovePreset("portrait".into()));
}

#[test]
fn history_is_searched_by_words() {
    let history = vec!["a paper boat".to_owned(), "a neon fox".to_owned()];
    let mut form = Form::new(Catalog::builtin(), None, history, true);
    type_text(&mut form, "mine");
    control(&mut form, 'r');
    type_text(&mut form, "neon");
    press(&mut form, KeyCode::Enter);
    assert_eq!(form.draft().prompt, "a neon fox");
    control(&mut form, 'n');
    control(&mut form, 'n');
    assert_eq!(form.draft().prompt, "mine", "what was typed is not lost");
}

#[test]
fn choices_are_text_until_the_matrix_is_on() {
    let mut form = empty();
    type_text(&mut form, "a {fox|owl}");
    assert!(shown(&mut form, 80, 24).contains("{ | } are sent as typed · Ctrl+T makes 2 prompts of them"));
    let FormOutcome::Submit(jobs) = press(&mut form, KeyCode::Enter) else { panic!("not submitted") };
    assert_eq!((jobs.len(), jobs[0].spec.prompt.as_str()), (1, "a {fox|owl}"));
    control(&mut form, 't');
    go_to(&mut form, "seeds");
    type_text(&mut form, "1..3");
    form.set_limits(Limits { slots: Some(3), left: Vec::new() });
    insta::assert_snapshot!(shown(&mut form, 80, 24));
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing, "never at once, even where it is free");
    assert!(
        shown(&mut form, 80, 24).contains("Enter again submits 6 images for $0.18"),
        "{}",
        shown(&mut form, 80, 24)
    );
    let FormOutcome::Submit(jobs) = press(&mut form, KeyCode::Enter) else { panic!("not submitted") };
    let made: Vec<(String, String)> =
        jobs.iter().map(|job| (job.spec.prompt.clone(), job.spec.parameters["seed"].to_string())).collect();
    assert_eq!(made.len(), 6);
    assert_eq!(made[4], ("a owl".to_owned(), "2".to_owned()));
}

#[test]
fn matrix_over_its_budget_is_refused() {
    let mut form = empty();
    type_text(&mut form, "a {fox|owl}");
    control(&mut form, 't');
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    form.set_limits(Limits { slots: None, left: vec![("daily budget", usd("0.05"))] });
    for _ in 0..3 {
        assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    }
    assert!(shown(&mut form, 80, 24).contains("$0.06 exceeds the daily budget: $0.05 left"));
    form.set_limits(Limits { slots: None, left: vec![("daily budget", usd("0.06"))] });
    press(&mut form, KeyCode::Enter);
    assert!(matches!(press(&mut form, KeyCode::Enter), FormOutcome::Submit(jobs) if jobs.len() == 2));
}

#[test]
fn matrix_problems_stand_at_their_field() {
    let mut form = empty();
    type_text(&mut form, "{|x}");
    control(&mut form, 't');
    go_to(&mut form, "models");
    type_text(&mut form, "flux-2-por");
    assert!(shown(&mut form, 100, 30).contains("did you mean flux-2-pro"));
    control(&mut form, 'u');
    type_text(&mut form, "flux-2-pro flux-pro-1.1-ultra");
    go_to(&mut form, "sizes");
    type_text(&mut form, "512x512");
    assert!(shown(&mut form, 100, 30).contains("flux-pro-1.1-ultra takes no size 512x512"));
    control(&mut form, 'u');
    type_text(&mut form, "16:9");
    for _ in 0..3 {
        assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing, "one of the prompts is empty");
    }
    assert!(shown(&mut form, 100, 30).contains("is empty"));
}

#[test]
fn typed_size_shows_what_it_adds() {
    let mut form = empty();
    type_text(&mut form, "x");
    for side in ["width", "height"] {
        go_to(&mut form, side);
        type_text(&mut form, "1440");
    }
    assert!(shown(&mut form, 100, 30).contains("2.0 MP: +$0.015"), "{}", shown(&mut form, 100, 30));
}

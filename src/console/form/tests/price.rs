//! The price line in narrow terminals, and what stands in its place.

use super::*;

#[test]
fn confirmed_price_is_whole_at_any_width() {
    let mut form = Form::new(Catalog::builtin(), None, Vec::new(), false);
    type_text(&mut form, "paper boat");
    press(&mut form, KeyCode::Enter);
    for width in 24..120 {
        let text = shown(&mut form, width, 12);
        assert!(text.contains("~$0.03 "), "{width}\n{text}");
    }
    assert!(shown(&mut form, 40, 12).contains("│ Enter again: ~$0.03 "), "{}", shown(&mut form, 40, 12));
    assert!(shown(&mut form, 40, 12).contains("Esc goes back"));
}

#[test]
fn confirmed_bound_is_whole_at_forty_columns() {
    let spec = Spec::new("flux-2-pro", "a {fox|owl}").with("width", 1024).with("height", 1024);
    let mut form = clone_of(spec.with("input_image", "a.png"), Vec::new(), false);
    control(&mut form, 't');
    press(&mut form, KeyCode::Enter);
    let text = shown(&mut form, 40, 12);
    assert!(text.contains("│ Enter again: ~$0.09, at most $0.66 "), "{text}");
}

#[test]
fn price_before_a_submit_is_never_cut() {
    let mut form = empty();
    type_text(&mut form, "x");
    go_to(&mut form, "count");
    type_text(&mut form, "100");
    for width in 30..120 {
        let text = shown(&mut form, width, 12);
        let line = text.lines().nth_back(1).unwrap();
        assert!(line.contains("~$3.00 "), "{width}\n{text}");
        assert!(!line.contains('…'), "{width}\n{text}");
    }
}

#[test]
fn exceeded_cap_is_in_the_price_line() {
    let mut form = empty();
    type_text(&mut form, "a {fox|owl}");
    for side in ["width", "height"] {
        go_to(&mut form, side);
        type_text(&mut form, "1024");
    }
    control(&mut form, 't');
    let left = "0.054".parse().unwrap();
    form.set_limits(Limits { slots: None, left: vec![("daily budget", left)], storage: None });
    let price_line = |text: String| text.lines().nth_back(1).unwrap().to_owned();
    let line = price_line(shown(&mut form, 80, 24));
    assert!(line.contains("$0.060 exceeds the daily budget: $0.054 left"), "{line}");
    let line = price_line(shown(&mut form, 40, 12));
    assert!(line.contains("$0.060 over budget: $0.054 left"), "{line}");
}

#[test]
fn cap_that_holds_a_job_is_in_the_price_line() {
    let mut form = clone_of(Spec::new("flux-2-pro", "x").with("width", 1024).with("height", 1024), Vec::new(), false);
    go_to(&mut form, "count");
    type_text(&mut form, "5");
    let price_line =
        |form: &mut Form, width, height| shown(form, width, height).lines().nth_back(1).unwrap().to_owned();
    let set_limits = |form: &mut Form, left: &str, storage: &str| {
        let (left, storage) = (vec![("daily budget", left.parse().unwrap())], storage.parse().ok());
        form.set_limits(Limits { slots: None, left, storage });
    };
    let set_left = |form: &mut Form, left: &str| set_limits(form, left, "0");
    set_left(&mut form, "0.15");
    assert!(!price_line(&mut form, 80, 24).contains("budget"), "they fit");
    set_limits(&mut form, "0.15", "0.001");
    assert!(price_line(&mut form, 80, 24).contains("the daily budget has $0.15 left"), "with their storage not");
    set_left(&mut form, "0.14");
    let line = price_line(&mut form, 80, 24);
    assert!(line.contains("~$0.15 for 5 images · the daily budget has $0.14 left: jobs over it are held"), "{line}");
    let line = price_line(&mut form, 40, 12);
    assert!(line.contains("~$0.15 · daily budget: $0.14 left"), "{line}");
    press(&mut form, KeyCode::Enter);
    assert!(price_line(&mut form, 40, 12).contains("Enter again: ~$0.15"));
}

#[test]
fn missing_input_file_is_a_field_problem() {
    let spec = Spec::new("flux-2-pro", "x").with("input_image", "/no/such/file.png");
    let mut form = clone_of(spec, Vec::new(), true);
    let measured = form.next_measurement().expect("a file to measure");
    let problems = Catalog::builtin().unreadable_inputs(&measured);
    form.on_measured(&measured, InputSizes::new(), problems.clone());
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    assert_eq!(form.name(form.focus), "input_image");
    assert!(shown(&mut form, 80, 24).contains("no such file: /no/such/file.png"));
    assert!(form.next_measurement().is_some(), "it may exist by now: checked again at Enter");
    form.on_measured(&measured, InputSizes::new(), problems);
    form.draft.set("input_image", "https://example.com/a.png".to_owned());
    form.changed();
    assert!(matches!(press(&mut form, KeyCode::Enter), FormOutcome::Submit(_)), "another image");
}

//! Prices, presets, prompt history and the matrix.

use super::*;

#[test]
fn input_images_are_priced_by_their_size() {
    let spec = Spec::new("flux-2-pro", "x").with("width", 1024).with("height", 1024).with("input_image", "a.png");
    let mut form = clone_of(spec, Vec::new(), true);
    let measured = form.next_measurement().expect("an image to measure");
    assert!(form.next_measurement().is_none(), "once");
    let price = |form: &Form| form.estimate.amount.unwrap().to_string();
    assert_eq!(price(&form), "0.045", "one megapixel is assumed");
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into(), Vec::new());
    assert_eq!(price(&form), "0.27");
    form.changed();
    form.refresh();
    assert_eq!(price(&form), "0.27", "another change keeps the sizes");
    form.draft.set("input_image", "b.png".to_owned());
    form.changed();
    let other = form.next_measurement().expect("another image");
    assert_eq!(price(&form), "0.045");
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into(), Vec::new());
    assert_eq!(price(&form), "0.045", "the sizes of an image that was replaced");
    form.on_measured(&other, [("input_image".to_owned(), vec![Some((2048, 1024))])].into(), Vec::new());
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
    form.on_measured(&measured, [("input_image".to_owned(), vec![Some((4000, 4000))])].into(), Vec::new());
    let text = shown(&mut form, 80, 24);
    assert!(text.contains("~$0.54 for 2 images (simulated"), "{text}");
    form.set_limits(Limits { slots: None, left: vec![("daily budget", "0.50".parse().unwrap())], storage: None });
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
    form.set_limits(Limits { slots: Some(3), left: Vec::new(), storage: None });
    insta::assert_snapshot!(shown(&mut form, 80, 24));
    assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing, "never at once, even where it is free");
    assert!(
        shown(&mut form, 80, 24).contains("Enter again submits 6 images for ~$0.18"),
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
    for side in ["width", "height"] {
        go_to(&mut form, side);
        type_text(&mut form, "1024");
    }
    control(&mut form, 't');
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    form.set_limits(Limits { slots: None, left: vec![("daily budget", usd("0.05"))], storage: None });
    for _ in 0..3 {
        assert_eq!(press(&mut form, KeyCode::Enter), FormOutcome::Nothing);
    }
    assert!(shown(&mut form, 80, 24).contains("$0.06 exceeds the daily budget: $0.05 left"));
    form.set_limits(Limits { slots: None, left: vec![("daily budget", usd("0.06"))], storage: None });
    press(&mut form, KeyCode::Enter);
    assert!(matches!(press(&mut form, KeyCode::Enter), FormOutcome::Submit(jobs) if jobs.len() == 2));
}

#[test]
fn matrix_is_checked_by_what_it_reserves() {
    let mut form = empty();
    type_text(&mut form, "a {fox|owl}");
    control(&mut form, 't');
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    let mut with = |left: &str, storage: &str| {
        let (left, storage) = (vec![("daily budget", usd(left))], Some(usd(storage)));
        form.set_limits(Limits { slots: None, left, storage });
        shown(&mut form, 100, 24)
    };
    // Without a size the provider chooses one, so the submits reserve more than the likely price.
    let text = with("0.06", "0");
    assert!(text.contains("up to $0.15 exceeds the daily budget: $0.06 left"), "{text}");
    let text = with("0.15", "0.01");
    assert!(text.contains("up to $0.17 exceeds the daily budget: $0.15 left"), "{text}");
    assert!(with("0.17", "0.01").contains("~$0.06 for 2 images"));
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

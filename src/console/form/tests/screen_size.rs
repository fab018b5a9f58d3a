//! What stays in its place when the size of the screen or the focus changes.

use super::*;

#[test]
fn prompt_uses_its_rows_after_a_resize() {
    let mut form = empty();
    form.paste("one\ntwo\nthree\nfour\nfive");
    let small = shown(&mut form, 40, 12);
    assert!(small.contains("│ │ five") && !small.contains("│ │ one"), "{small}");
    let large = shown(&mut form, 80, 24);
    assert!(large.contains("│ │ one") && large.contains("│ │ five"), "{large}");
    type_text(&mut form, "!");
    assert_eq!(form.draft().prompt, "one\ntwo\nthree\nfour\nfive!", "the cursor stays");
}

#[test]
fn focused_empty_row_stays_in_its_column() {
    let mut form = empty();
    let column = |text: &str, name: &str| {
        let row = text.lines().find(|row| row.contains(name)).unwrap().to_owned();
        row.split("automatic").next().unwrap().chars().count()
    };
    go_to(&mut form, "seed");
    let text = shown(&mut form, 80, 24);
    assert_eq!(column(&text, "▸ seed"), column(&text, "  height"), "{text}");
}

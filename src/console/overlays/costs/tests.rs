//! The cost screen as people meet it: keys in, screen out.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, costs, no_costs, noon, screen, usd};
use crate::costs::{Basis, CostRow, CostTable};

fn shown(cost_screen: &mut CostScreen, costs: &CostOverview, width: u16, height: u16) -> String {
    let label = || JobLabel { prompt: "neon fox".into(), model: "flux-2-max".into(), day: "21 Nov".into() };
    let label_of = |id: &str| (id == "job-a").then(label);
    let view = CostView { costs: Some(costs), usage: None, label_of: &label_of, theme: &Theme::dark() };
    screen(width, height, |frame| cost_screen.draw(frame, frame.area(), &view))
}

fn press(cost_screen: &mut CostScreen, keys: &[KeyCode]) {
    for key in keys {
        assert_ne!(cost_screen.key((*key).into()), CostKey::Ignored, "{key:?}");
    }
}

fn job(id: &str, usd: &str, uncertain: &str, count: u64) -> JobCost {
    JobCost { job_id: id.into(), usd: usd.parse().unwrap(), uncertain_usd: uncertain.parse().unwrap(), count }
}

/// Spending on many models, one a day.
fn many_models(count: usize) -> CostOverview {
    let row = |number: usize| CostRow {
        day: noon().date_naive(),
        model: format!("model-{number:02}"),
        service: "bfl_api".into(),
        cause: "picture".into(),
        basis: Basis::Settled,
        amount: Some(usd("0.03")),
        count: 1,
    };
    let table = CostTable::new(last_days(noon(), 30), true, (0..count).map(row).collect());
    CostOverview { table: Arc::new(table), ..costs(true) }
}

#[test]
fn chosen_range_is_the_range_shown() {
    let mut cost_screen = CostScreen::new();
    let costs = costs(false);
    let text = shown(&mut cost_screen, &costs, 80, 40);
    assert!(text.contains("[30 days]") && text.contains("total $27.76") && text.contains(" 25 Oct"), "{text}");
    press(&mut cost_screen, &[KeyCode::BackTab]);
    let text = shown(&mut cost_screen, &costs, 80, 40);
    assert!(text.contains("[7 days]") && text.contains("total $7.26"), "{text}");
    assert!(!text.contains("25 Oct") && text.contains("22 Nov"), "the chart has seven days\n{text}");
    press(&mut cost_screen, &[KeyCode::BackTab]);
    let text = shown(&mut cost_screen, &costs, 80, 40);
    assert!(text.contains("[today]") && text.contains("total $1.26"), "{text}");
    press(&mut cost_screen, &[KeyCode::BackTab]);
    let text = shown(&mut cost_screen, &costs, 80, 40);
    assert!(text.contains("[this month]") && text.contains("total $24.76"), "{text}");
}

#[test]
fn every_grouping_covers_every_range() {
    for range in 0..RANGES.len() {
        for grouping in 0..GROUPINGS.len() {
            let mut cost_screen = CostScreen { grouping, range, ..CostScreen::new() };
            let text = shown(&mut cost_screen, &costs(true), 100, 40);
            assert!(text.contains("charges"), "{range} {grouping}\n{text}");
            assert!(!cost_screen.keys.is_empty(), "{range} {grouping}");
        }
    }
    let mut by_status = CostScreen { grouping: 5, ..CostScreen::new() };
    let text = shown(&mut by_status, &costs(true), 100, 40);
    assert!(text.contains("done") && text.contains("failed") && text.contains("running"), "{text}");
    let mut by_week = CostScreen { grouping: 2, ..CostScreen::new() };
    let text = shown(&mut by_week, &costs(true), 100, 40);
    assert!(text.find("2026-W47") < text.find("2026-W44"), "newest first\n{text}");
}

#[test]
fn wide_screen_has_jobs_beside_the_lines() {
    let mut cost_screen = CostScreen::new();
    cost_screen.load(None, Ok(vec![job("job-a", "0.14", "0", 2), job("job-b", "0.07", "0.03", 1)]));
    let mut costs = costs(false);
    costs.daily_cap = Some(usd("1.50"));
    costs.monthly_cap = Some(usd("20"));
    costs.credits = Some(usd("18.42"));
    insta::assert_snapshot!(shown(&mut cost_screen, &costs, 130, 36));
}

#[test]
fn a_line_opens_its_jobs() {
    let mut cost_screen = CostScreen::new();
    let costs = costs(true);
    shown(&mut cost_screen, &costs, 80, 24);
    press(&mut cost_screen, &[KeyCode::Down]);
    assert_eq!(cost_screen.key(KeyCode::Enter.into()), CostKey::Load);
    let (span, only, _) = cost_screen.wanted_jobs(noon());
    assert_eq!((span, only.clone()), (last_days(noon(), 30), Some((CostGrouping::Model, "flux-2-max".into()))));
    assert!(shown(&mut cost_screen, &costs, 80, 24).contains("Loading"));
    cost_screen.load(None, Ok(vec![job("job-z", "9", "0", 1)]));
    assert!(!shown(&mut cost_screen, &costs, 80, 24).contains("job-z"), "an answer that came too late");
    cost_screen.load(only.as_ref(), Ok(vec![job("job-a", "0.14", "0", 2), job("job-b", "0", "0.07", 1)]));
    let text = shown(&mut cost_screen, &costs, 80, 24);
    assert!(text.contains("jobs of flux-2-max") && text.contains("neon fox  2 charges"), "{text}");
    assert!(text.contains("$0.07?  job-b"), "{text}");
    press(&mut cost_screen, &[KeyCode::Down]);
    assert_eq!(cost_screen.key(KeyCode::Enter.into()), CostKey::Open("job-b".into()));
    assert_eq!(cost_screen.key(KeyCode::Esc.into()), CostKey::Load, "back to the lines");
    assert_eq!(cost_screen.key(KeyCode::Esc.into()), CostKey::Ignored);
}

#[test]
fn most_expensive_jobs_have_money_model_and_day() {
    let mut cost_screen = CostScreen::new();
    cost_screen
        .load(None, Ok(vec![job("job-a", "0.14", "0", 1), job("job-b", "0", "0.075", 1), job("job-c", "0", "0", 1)]));
    let text = shown(&mut cost_screen, &costs(false), 130, 36);
    assert!(text.contains("$0.140   neon fox") || text.contains("$0.140  neon fox"), "{text}");
    assert!(text.contains("flux-2-max  21 Nov") && text.contains("$0.075?  job-b"), "{text}");
    assert!(!text.contains("job-c"), "it cost nothing\n{text}");
}

#[test]
fn usual_terminal_has_the_chart_of_days() {
    let mut capped = costs(false);
    capped.daily_cap = Some(usd("5"));
    capped.monthly_cap = Some(usd("50"));
    for (width, height) in [(80, 22), (60, 18), (100, 30)] {
        let text = shown(&mut CostScreen::new(), &capped, width, height);
        assert!(text.contains('█') && text.contains("flux-2-pro"), "{width}x{height}\n{text}");
    }
}

#[test]
fn group_without_counted_money_shows_its_sum() {
    let row = |cause: &str, basis, amount| CostRow {
        day: noon().date_naive(),
        model: "flux-2-pro".into(),
        service: "bfl_api".into(),
        cause: cause.into(),
        basis,
        amount: Some(usd(amount)),
        count: 12,
    };
    let rows = vec![row("picture", Basis::Settled, "0.045"), row("content_moderated", Basis::Unknown, "0.03")];
    let table = CostTable::new(last_days(noon(), 30), true, rows);
    let costs = CostOverview { table: Arc::new(table), ..costs(true) };
    let mut by_cause = CostScreen { grouping: 7, ..CostScreen::new() };
    let text = shown(&mut by_cause, &costs, 80, 30);
    let line = text.lines().find(|line| line.contains("content moderated")).unwrap();
    assert!(line.contains("$0.36?"), "{text}");
}

#[test]
fn uncertain_and_wasted_money_is_explained() {
    let text = shown(&mut CostScreen::new(), &costs(true), 80, 30);
    for part in ["wasted        $0.06", "unknown       $0.07", "unconfirmed   $0.05", "unpriced          3"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains("this month $24.76, $2.90 a day, forecast $49.44"), "{text}");
}

#[test]
fn nothing_spent_is_not_a_table_of_zeros() {
    let text = shown(&mut CostScreen::new(), &no_costs(), 80, 12);
    assert!(text.contains("No charges in the last 30 days") && !text.contains("$0.00  "), "{text}");
}

#[test]
fn selected_line_stays_in_sight() {
    let costs = many_models(50);
    let mut cost_screen = CostScreen::new();
    let text = shown(&mut cost_screen, &costs, 80, 16);
    assert!(text.contains("▸model-00") && text.contains("of 50"), "{text}");
    press(&mut cost_screen, &[KeyCode::End]);
    assert!(shown(&mut cost_screen, &costs, 80, 16).contains("▸model-49"));
    press(&mut cost_screen, &[KeyCode::Up]);
    assert!(shown(&mut cost_screen, &costs, 80, 16).contains("▸model-48"));
    press(&mut cost_screen, &[KeyCode::Home]);
    assert!(shown(&mut cost_screen, &costs, 80, 16).contains("▸model-00"));
}

#[test]
fn keys_of_others_are_left_to_them() {
    let mut cost_screen = CostScreen::new();
    for key in [KeyCode::Esc, KeyCode::Char('q'), KeyCode::Char('$')] {
        assert_eq!(cost_screen.key(key.into()), CostKey::Ignored, "{key:?}");
    }
}

#[test]
fn ascii_means_ascii() {
    let mut cost_screen = CostScreen::new();
    press(&mut cost_screen, &[KeyCode::Right]);
    let theme = Theme { ascii: true, ..Theme::dark() };
    let overview = costs(true);
    let view = CostView { costs: Some(&overview), usage: None, label_of: &|_| None, theme: &theme };
    let text = screen(80, 24, |frame| cost_screen.draw(frame, frame.area(), &view));
    assert!(text.is_ascii(), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn costs_any_keys_keep_the_border(
        keys in prop::collection::vec(0_usize..12, 0..12),
        width in 1_u16..140,
        height in 1_u16..60,
        names in prop::collection::vec(any::<String>(), 0..6),
    ) {
        let all = [
            KeyCode::Left, KeyCode::Right, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Enter, KeyCode::Esc,
        ];
        let row = |name: &String| CostRow {
            day: noon().date_naive(),
            model: name.clone(),
            service: name.clone(),
            cause: name.clone(),
            basis: Basis::Settled,
            amount: Some(usd("0.03")),
            count: 1,
        };
        let table = CostTable::new(last_days(noon(), 30), true, names.iter().map(row).collect());
        let costs = CostOverview { table: Arc::new(table), ..costs(true) };
        let mut cost_screen = CostScreen::new();
        for key in keys {
            shown(&mut cost_screen, &costs, width, height);
            cost_screen.key(all[key].into());
            let (_, only, _) = cost_screen.wanted_jobs(noon());
            cost_screen.load(only.as_ref(), Ok(names.iter().map(|name| job(name, "0.03", "0", 1)).collect()));
        }
        let text = shown(&mut cost_screen, &costs, width, height);
        if width >= 3 && height >= 3 {
            assert_whole_border(&text, height);
        }
    }
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in SIZES {
        let mut cost_screen = CostScreen::new();
        shown(&mut cost_screen, &costs(true), width, height);
        let view = CostView { costs: None, usage: None, label_of: &|_| None, theme: &Theme::dark() };
        screen(width, height, |frame| cost_screen.draw(frame, frame.area(), &view));
    }
}

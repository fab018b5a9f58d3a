//! The cost screen as people meet it: keys in, screen out.

use proptest::prelude::*;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, costs, no_costs, screen, usd};

fn shown(cost_screen: &mut CostScreen, costs: &CostOverview, width: u16, height: u16) -> String {
    screen(width, height, |frame| cost_screen.draw(frame, frame.area(), Some(costs), &Theme::dark()))
}

fn press(cost_screen: &mut CostScreen, keys: &[KeyCode]) {
    for key in keys {
        assert!(cost_screen.key((*key).into()), "{key:?}");
    }
}

#[test]
fn thirty_days_by_model() {
    insta::assert_snapshot!(shown(&mut CostScreen::new(), &costs(true), 80, 24), @r#"
    ╭ Costs ── simulated · days in UTC ────────────────────────────────────────────╮
    │ by   [model] day  service  cause     over  today  7 days [30 days]           │
    │ total $31.00  890 charges · $0.12 uncertain, 3 unpriced                      │
    │                                                                              │
    │ model         spent                                       charges            │
    │ flux-2-pro   $21.00  ━━━━━━━━━━━━━━━━━━━━            67%      700            │
    │ flux-2-max    $8.40  ━━━━━━━━                        27%      121            │
    │ flux-dev      $1.60  ━━                               5%       66            │
    │ vto-v2      unknown                                    ?        3            │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │ total        $31.00  estimated, quoted and settled charges                   │
    │ unknown       $0.07  accepted, then failed: may be billed                    │
    │ unconfirmed   $0.05  no answer to the submit: may be billed                  │
    │ unpriced          3  charges without a known price: not in any sum           │
    ╰ ←→ group by · Tab range · Esc back · ↑↓ scroll ──────────────────────────────╯
    "#);
}

#[test]
fn the_days_have_bars() {
    let mut cost_screen = CostScreen::new();
    press(&mut cost_screen, &[KeyCode::Right]);
    insta::assert_snapshot!(shown(&mut cost_screen, &costs(false), 80, 24), @r#"
    ╭ Costs ── days in UTC ────────────────────────────────────────────────────────╮
    │ by    model [day] service  cause     over  today  7 days [30 days]           │
    │ total $31.00  890 charges · $0.12 uncertain, 3 unpriced                      │
    │                                                                              │
    │    $7.80                   █             ▄                                   │
    │                            █             █                     ▇             │
    │                            █             █                     █             │
    │                  ▇         █             █           ▆         █             │
    │                  █         █             █           █         █   ▆         │
    │    $0.00 ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ? ─         │
    │            25 Oct        1             8             15            22        │
    │ day 1–6 of 7    spent                                       charges          │
    │ 2026-11-22      $1.26  ━                                4%       42          │
    │ 2026-11-21    unknown                                    ?        1          │
    │ 2026-11-20      $6.00  ━━━━━━                          21%      200          │
    │ 2026-11-15      $2.70  ━━━                              9%       90          │
    │ 2026-11-09      $7.00  ━━━━━━━━                        25%      100          │
    │ 2026-11-02      $7.80  ━━━━━━━━                        28%      260          │
    │                                                                              │
    │ total        $31.00  estimated, quoted and settled charges                   │
    │ unknown       $0.07  accepted, then failed: may be billed                    │
    │ unconfirmed   $0.05  no answer to the submit: may be billed                  │
    │ unpriced          3  charges without a known price: not in any sum           │
    ╰ ←→ group by · Tab range · Esc back · ↑↓ scroll ──────────────────────────────╯
    "#);
}

#[test]
fn unavailable_range_is_reported() {
    let mut cost_screen = CostScreen::new();
    press(&mut cost_screen, &[KeyCode::Left, KeyCode::BackTab]);
    insta::assert_snapshot!(shown(&mut cost_screen, &costs(false), 80, 24), @r#"
    ╭ Costs ── days in UTC ────────────────────────────────────────────────────────╮
    │ by    model  day  service [cause]    over  today [7 days] 30 days            │
    │ by cause: only the last 30 days are available                                │
    │ total $31.00  890 charges · $0.12 uncertain, 3 unpriced                      │
    │                                                                              │
    │ cause                spent                                       charges     │
    │ image               $24.00  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  99%      800     │
    │ in progress          $0.09  ━                               <1%        3     │
    │ content moderated  unknown                                    ?        1     │
    │ submit unknown     unknown                                    ?        2     │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │ total        $31.00  estimated, quoted and settled charges                   │
    │ unknown       $0.07  accepted, then failed: may be billed                    │
    │ unconfirmed   $0.05  no answer to the submit: may be billed                  │
    │ unpriced          3  charges without a known price: not in any sum           │
    ╰ ←→ group by · Tab range · Esc back · ↑↓ scroll ──────────────────────────────╯
    "#);
}

#[test]
fn small_cost_screen_keeps_total_and_table() {
    insta::assert_snapshot!(shown(&mut CostScreen::new(), &costs(true), 40, 12), @r#"
    ╭ Costs ── simulated · days in UTC ────╮
    │ by   [model] day  service  cause     │
    │ over  today  7 days [30 days]        │
    │ total $31.00 · $0.12 uncertain, 3 u… │
    │ model         spent  charges         │
    │ flux-2-pro   $21.00      700         │
    │ flux-2-max    $8.40      121         │
    │ flux-dev      $1.60       66         │
    │ vto-v2      unknown        3         │
    │                                      │
    │                                      │
    ╰ ←→ group by · Tab range · Esc back ──╯
    "#);
}

#[test]
fn large_cost_screen_shows_budgets_and_chart() {
    let mut costs = costs(false);
    costs.daily_cap = Some(usd("1.50"));
    costs.monthly_cap = Some(usd("100"));
    costs.credits = Some(usd("18.42"));
    insta::assert_snapshot!(shown(&mut CostScreen::new(), &costs, 120, 50), @r#"
    ╭ Costs ── days in UTC ────────────────────────────────────────────────────────────────────────────────────────────────╮
    │ by   [model] day  service  cause     over  today  7 days [30 days]                                                   │
    │ total $31.00  890 charges · $0.12 uncertain, 3 unpriced                                                              │
    │                                                                                                                      │
    │ day   ━━━━━━━━━━━━━━━━━━━━━━━━━━──── 85% of $1.50                                                                    │
    │ month ━━━━━━━─────────────────────── 24% of $100.00, incl. unconfirmed                                               │
    │ $18.42 left on the account                                                                                           │
    │                                                                                                                      │
    │    $7.80                            ██                   ▁▁                                                          │
    │                                     ██                   ██                               ▁▁                         │
    │                                     ██                   ██                               ██                         │
    │                                     ██                   ██                               ██                         │
    │                      ▁▁             ██                   ██                               ██                         │
    │                      ██             ██                   ██                ▆▆             ██                         │
    │                      ██             ██                   ██                ██             ██    ▂▂                   │
    │                      ██             ██                   ██                ██             ██    ██                   │
    │    $0.00 ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ── ?? ──                   │
    │             25 Oct               1                    8                    15                   22                   │
    │ model         spent                                                 charges                                          │
    │ flux-2-pro   $21.00  ━━━━━━━━━━━━━━━━━━━━━━━━━━━               67%      700                                          │
    │ flux-2-max    $8.40  ━━━━━━━━━━━                               27%      121                                          │
    │ flux-dev      $1.60  ━━                                         5%       66                                          │
    │ vto-v2      unknown                                              ?        3                                          │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │                                                                                                                      │
    │ total        $31.00  estimated, quoted and settled charges                                                           │
    │ unknown       $0.07  accepted, then failed: may be billed                                                            │
    │ unconfirmed   $0.05  no answer to the submit: may be billed                                                          │
    │ unpriced          3  charges without a known price: not in any sum                                                   │
    ╰ ←→ group by · Tab range · Esc back · ↑↓ scroll ──────────────────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn nothing_spent_is_not_a_table_of_zeros() {
    insta::assert_snapshot!(shown(&mut CostScreen::new(), &no_costs(), 80, 12), @r#"
    ╭ Costs ── simulated · days in UTC ────────────────────────────────────────────╮
    │ by   [model] day  service  cause     over  today  7 days [30 days]           │
    │ No charges in the last 30 days                                               │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    ╰ ←→ group by · Tab range · Esc back · ↑↓ scroll ──────────────────────────────╯
    "#);
}

#[test]
fn cost_table_scroll_is_bounded() {
    let mut costs = costs(false);
    let line = costs.month.by[0].clone();
    costs.month.by =
        (0..50).map(|number| crate::costs::CostLine { key: format!("model-{number}"), ..line.clone() }).collect();
    let mut cost_screen = CostScreen::new();
    let text = shown(&mut cost_screen, &costs, 80, 16);
    assert!(text.contains("model 1–11 of 50"), "{text}");
    press(&mut cost_screen, &[KeyCode::End]);
    assert!(shown(&mut cost_screen, &costs, 80, 16).contains("model-49"));
    press(&mut cost_screen, &[KeyCode::Up]);
    assert!(!shown(&mut cost_screen, &costs, 80, 16).contains("model-49"));
    press(&mut cost_screen, &[KeyCode::Home]);
    assert!(shown(&mut cost_screen, &costs, 80, 16).contains("model-0 "));
}

#[test]
fn keys_of_others_are_left_to_them() {
    let mut cost_screen = CostScreen::new();
    for key in [KeyCode::Esc, KeyCode::Char('q'), KeyCode::Char('$'), KeyCode::Enter] {
        assert!(!cost_screen.key(key.into()), "{key:?}");
    }
}

#[test]
fn ascii_means_ascii() {
    let mut cost_screen = CostScreen::new();
    press(&mut cost_screen, &[KeyCode::Right]);
    let theme = Theme { ascii: true, ..Theme::dark() };
    let text = screen(80, 24, |frame| cost_screen.draw(frame, frame.area(), Some(&costs(true)), &theme));
    assert!(text.is_ascii(), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn costs_any_keys_keep_the_border(
        keys in prop::collection::vec(0_usize..10, 0..12),
        width in 1_u16..140,
        height in 1_u16..60,
        names in prop::collection::vec(any::<String>(), 0..6),
    ) {
        let all = [
            KeyCode::Left, KeyCode::Right, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Home, KeyCode::End,
        ];
        let mut costs = costs(true);
        let line = costs.month.by[0].clone();
        costs.month.by.extend(names.iter().map(|name| crate::costs::CostLine { key: name.clone(), ..line.clone() }));
        costs.by_day.by.extend(names.iter().map(|name| crate::costs::CostLine { key: name.clone(), ..line.clone() }));
        let mut cost_screen = CostScreen::new();
        for key in keys {
            cost_screen.key(all[key].into());
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
        screen(width, height, |frame| cost_screen.draw(frame, frame.area(), None, &Theme::dark()));
    }
}

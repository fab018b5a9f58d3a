//! The spend pane as people meet it.

use proptest::prelude::*;

use super::*;
use crate::console::test_fixtures::{SIZES, assert_whole_border, costs, no_costs, screen, usd};
use crate::costs::CostLine;

fn shown(costs: Option<&CostOverview>, width: u16, height: u16) -> String {
    screen(width, height, |frame| draw(frame, frame.area(), costs, false, &Theme::dark()))
}

fn capped(daily: &str, monthly: &str) -> CostOverview {
    let mut costs = costs(false);
    costs.daily_cap = Some(usd(daily));
    costs.monthly_cap = Some(usd(monthly));
    costs.credits = Some(usd("18.42"));
    costs
}

#[test]
fn spend_pane_with_costs() {
    insta::assert_snapshot!(shown(Some(&costs(true)), 50, 9), @r#"
    ╭ Spend ── simulated · days in UTC ──────────────╮
    │ today $1.285   7 d $8.100   30 d $31.000       │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━━ $0.930 │
    │ flux-2-max  ━━━━━━━━                    $0.280 │
    │ flux-dev    ━━                          $0.075 │
    │ 30 d may be billed as well $0.12 · 3 unpriced  │
    │                                                │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn spend_pane_with_budgets() {
    insta::assert_snapshot!(shown(Some(&capped("1.50", "100")), 60, 10), @r#"
    ╭ Spend ── days in UTC ────────────────────────────────────╮
    │ today $1.285   7 d $8.100   30 d $31.000                 │
    │ day   ━━━━━━━━━━━━━━── 85% of $1.50                      │
    │ month ━━━━──────────── 24% of $100.00, incl. unconfirmed │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ $0.930 │
    │ flux-2-max  ━━━━━━━━━━━                           $0.280 │
    │ flux-dev    ━━━                                   $0.075 │
    │ 30 d may be billed as well $0.12 · 3 unpriced            │
    │ $18.42 credit left                                       │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn little_room_keeps_what_matters_most() {
    let costs = capped("1.50", "100");
    insta::assert_snapshot!(shown(Some(&costs), 42, 3), @r#"
    ╭ Spend ── days in UTC ──────────────────╮
    │today $1.285   7 d $8.100   30 d $31.000│
    ╰────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&costs), 42, 5), @r#"
    ╭ Spend ── days in UTC ──────────────────╮
    │today $1.285   7 d $8.100   30 d $31.000│
    │day   ━━━━━━━━━━━━━━━━─── 85% of $1.50  │
    │30 d may be billed $0.12 · 3 unpriced   │
    ╰────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&costs), 24, 7), @r#"
    ╭ Spend ── days in UTC ╮
    │today $1.285          │
    │day   ━ 85% of $1.50  │
    │month ━ 24% of $100.00│
    │may be billed $0.12   │
    │$18.42 credit left    │
    ╰──────────────────────╯
    "#);
}

#[test]
fn reached_budget_shows_100_percent() {
    let mut costs = capped("1.285", "0");
    costs.today.unknown_usd = usd("0.01");
    let text = shown(Some(&costs), 60, 10);
    assert!(text.contains("100% of $1.285") && text.contains("100% of $0.00"), "{text}");
    assert!(costs_view::caps(&costs).iter().all(costs_view::BudgetUse::is_close));
}

#[test]
fn nothing_today_falls_back_to_the_month() {
    let mut costs = costs(true);
    costs.today = no_costs().today;
    insta::assert_snapshot!(shown(Some(&costs), 50, 9), @r#"
    ╭ Spend ── simulated · days in UTC ──────────────╮
    │ today $0.00   7 d $8.10   30 d $31.00          │
    │ nothing today; last 30 days:                   │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━  $21.00 │
    │ flux-2-max  ━━━━━━━━━━                   $8.40 │
    │ flux-dev    ━━                           $1.60 │
    │ vto-v2                                 unknown │
    │ 30 d may be billed as well $0.12 · 3 unpriced  │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn certain_spending_has_no_uncertain_line() {
    let mut costs = costs(true);
    (costs.month.unknown_usd, costs.month.unconfirmed_usd) = (Usd::ZERO, Usd::ZERO);
    assert!(shown(Some(&costs), 50, 9).contains("│ 30 d may be billed as well 3 unpriced "), "of unknown amount");
    costs.month.unpriced_count = 0;
    insta::assert_snapshot!(shown(Some(&costs), 50, 9), @r#"
    ╭ Spend ── simulated · days in UTC ──────────────╮
    │ today $1.285   7 d $8.100   30 d $31.000       │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━━ $0.930 │
    │ flux-2-max  ━━━━━━━━                    $0.280 │
    │ flux-dev    ━━                          $0.075 │
    │                                                │
    │                                                │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn spend_before_data_and_before_charges() {
    insta::assert_snapshot!(shown(None, 50, 4), @r#"
    ╭ Spend ── days in UTC ──────────────────────────╮
    │ Loading costs…                                 │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&no_costs()), 60, 4), @r#"
    ╭ Spend ── simulated · days in UTC ────────────────────────╮
    │ today $0.00   7 d $0.00   30 d $0.00                     │
    │ No charges yet                                           │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spend_any_content_keeps_the_border(
        lines in prop::collection::vec((any::<String>(), any::<u32>(), any::<u64>()), 0..20),
        width in 3_u16..120,
        height in 3_u16..30,
    ) {
        let mut costs = capped("1.50", "100");
        costs.today.by = lines
            .into_iter()
            .map(|(key, cents, count)| CostLine {
                key,
                usd: usd("0.0001") * u64::from(cents),
                uncertain_usd: Usd::ZERO,
                count,
            })
            .collect();
        assert_whole_border(&shown(Some(&costs), width, height), height);
    }
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in SIZES {
        shown(Some(&capped("1.50", "100")), width, height);
    }
}

#[test]
fn ascii_means_ascii() {
    let theme = Theme { ascii: true, ..Theme::dark() };
    let text = screen(50, 12, |frame| draw(frame, frame.area(), Some(&capped("1.50", "100")), true, &theme));
    assert!(text.is_ascii(), "{text}");
    assert!(screen(50, 4, |frame| draw(frame, frame.area(), None, true, &theme)).is_ascii());
}

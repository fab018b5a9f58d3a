//! The spend pane as people meet it.

use proptest::prelude::*;

use super::*;
use crate::console::samples::{SIZES, assert_whole_border, costs, no_costs, screen, usd};
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
fn what_was_spent() {
    insta::assert_snapshot!(shown(Some(&costs(true)), 50, 9), @r#"
    ╭ Spend ── simulated, no real money ─────────────╮
    │ today $1.285   7 d $8.10   30 d $31.00         │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━━  $0.93 │
    │ flux-2-max  ━━━━━━━━                     $0.28 │
    │ flux-dev    ━━                          $0.075 │
    │ 30 d unknown $0.07 · unconfirmed $0.05 · 3 un… │
    │                                                │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn with_caps() {
    insta::assert_snapshot!(shown(Some(&capped("1.50", "100")), 60, 10), @r#"
    ╭ Spend ───────────────────────────────────────────────────╮
    │ today $1.285   7 d $8.10   30 d $31.00                   │
    │ day   ━━━━━━━━━━━━━━━━━━━━━━━━━━──── 85% of $1.50        │
    │ month ━━━━──────────── 24% of $100.00, uncertain counted │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  $0.93 │
    │ flux-2-max  ━━━━━━━━━━━                            $0.28 │
    │ flux-dev    ━━━                                   $0.075 │
    │ 30 d unknown $0.07 · unconfirmed $0.05 · 3 unpriced      │
    │ $18.42 left on the account                               │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

#[test]
fn little_room_keeps_what_matters_most() {
    let costs = capped("1.50", "100");
    insta::assert_snapshot!(shown(Some(&costs), 42, 3), @r#"
    ╭ Spend ─────────────────────────────────╮
    │today $1.285   7 d $8.10   30 d $31.00  │
    ╰────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&costs), 42, 5), @r#"
    ╭ Spend ─────────────────────────────────╮
    │today $1.285   7 d $8.10   30 d $31.00  │
    │day   ━━━━━━━━━━━━━━━━━━─── 85% of $1.50│
    │30 d unknown $0.07 · unconfirmed $0.05 …│
    ╰────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&costs), 24, 7), @r#"
    ╭ Spend ───────────────╮
    │today $1.285          │
    │day   ━━━ 85% of $1.50│
    │month ━ 24% of $100.00│
    │30 d unknown $0.07 · …│
    │$18.42 left on the acc│
    ╰──────────────────────╯
    "#);
}

#[test]
fn a_cap_that_is_reached_is_whole_and_red() {
    let mut costs = capped("1.285", "0");
    costs.today.unknown_usd = usd("0.01");
    let text = shown(Some(&costs), 60, 10);
    assert!(text.contains("100% of $1.285") && text.contains("100% of $0.00"), "{text}");
    assert!(money::caps(&costs).iter().all(money::CapUse::is_close));
}

#[test]
fn nothing_today_falls_back_to_the_month() {
    let mut costs = costs(true);
    costs.today = no_costs().today;
    insta::assert_snapshot!(shown(Some(&costs), 50, 9), @r#"
    ╭ Spend ── simulated, no real money ─────────────╮
    │ today $0.00   7 d $8.10   30 d $31.00          │
    │ nothing today; the last 30 days:               │
    │ flux-2-pro  ━━━━━━━━━━━━━━━━━━━━━━━━    $21.00 │
    │ flux-2-max  ━━━━━━━━━━                   $8.40 │
    │ flux-dev    ━━                           $1.60 │
    │ vto-v2                               not known │
    │ 30 d unknown $0.07 · unconfirmed $0.05 · 3 un… │
    ╰────────────────────────────────────────────────╯
    "#);
}

#[test]
fn before_anything_is_known_and_before_anything_is_spent() {
    insta::assert_snapshot!(shown(None, 50, 4), @r#"
    ╭ Spend ─────────────────────────────────────────╮
    │ Adding up what was spent…                      │
    │                                                │
    ╰────────────────────────────────────────────────╯
    "#);
    insta::assert_snapshot!(shown(Some(&no_costs()), 60, 4), @r#"
    ╭ Spend ── simulated, no real money ───────────────────────╮
    │ today $0.00   7 d $0.00   30 d $0.00                     │
    │ Nothing ordered yet: each image's price counts here.   │
    ╰──────────────────────────────────────────────────────────╯
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_name_and_amount_at_any_size_keep_the_border_whole(
        lines in prop::collection::vec((any::<String>(), any::<u32>(), any::<u64>()), 0..20),
        width in 3_u16..120,
        height in 3_u16..30,
    ) {
        let mut costs = capped("1.50", "100");
        costs.today.by = lines
            .into_iter()
            .map(|(key, cents, count)| CostLine { key, usd: usd("0.0001") * u64::from(cents), count })
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

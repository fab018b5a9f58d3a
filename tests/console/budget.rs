//! The budget screen: caps, uncertain charges, and the answers to them.

use chrono::Duration;
use crossterm::event::KeyCode;
use darkroom::console::{Effect, Message};
use darkroom::costs::{BalanceReading, Basis, Budget, BudgetEdit, Usd};
use darkroom::engine::{Command, CommandKind, CommandOutcome, CostOverview, Event, UncertainCharges, UncertainItem};
use darkroom::jobs::BillingAnswer;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn item(number: u32, amount: Option<&str>, basis: Basis, why: &str) -> UncertainItem {
    UncertainItem {
        job_id: fixtures::id(number).as_str().to_owned(),
        attempt: Some(1),
        amount: amount.map(|amount| amount.parse().unwrap()),
        basis,
        model: "flux-2-pro".into(),
        at: fixtures::ago(3_600),
        why: why.into(),
        can_resolve: true,
        balance_before: Some(BalanceReading { at: fixtures::ago(3_700), usd: "18.42".parse().unwrap() }),
        balance_after: Some(BalanceReading { at: fixtures::ago(3_500), usd: "18.39".parse().unwrap() }),
    }
}

fn opened(width: u16, height: u16) -> ConsoleHarness {
    let mut harness = ConsoleHarness::busy_with(width, height, &options(false));
    let effects = harness.keys("B");
    assert!(effects.contains(&Effect::Send(Command::LoadUncertain)), "{effects:?}");
    let moderated = "accepted, then content_moderated: the image was withheld";
    let items = vec![
        item(8, Some("0.03"), Basis::Unconfirmed, "no answer arrived; it may have been billed"),
        item(9, Some("0.045"), Basis::Unknown, moderated),
        item(16, None, Basis::Unknown, moderated),
    ];
    harness.event(Event::Uncertain(Ok(UncertainCharges { items, has_more: false })));
    harness
}

fn sent(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|effect| if let Effect::Send(command) = effect { Some(command) } else { None }).collect()
}

#[test]
fn budget_screen_frames() {
    for (width, height) in super::SIZES {
        insta::assert_snapshot!(format!("budget_{width}x{height}"), opened(width, height).frame());
    }
}

#[test]
fn answers_are_confirmed_and_recorded() {
    let mut harness = opened(120, 40);
    harness.keys("b");
    assert!(harness.frame().contains("amount on the bill: $0.03"), "{}", harness.frame());
    harness.press(KeyCode::Backspace);
    harness.keys("5");
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("Book $0.05 as billed?"), "{}", harness.frame());
    assert_eq!(harness.press(KeyCode::Enter), [], "Enter is no answer to a question about money");
    harness.now += Duration::seconds(1);
    let booked = Command::ResolveCharge {
        id: fixtures::id(8),
        attempt: 1,
        answer: BillingAnswer::Billed(Some("0.05".parse().unwrap())),
        by: "ada@studio".into(),
    };
    assert_eq!(sent(&harness.keys("y")), [&booked]);
    harness.keys("jn");
    assert!(harness.frame().contains("Remove the charge as not billed?"), "{}", harness.frame());
    harness.keys("n");
    let outcome = CommandOutcome {
        kind: CommandKind::Resolved,
        succeeded: vec![fixtures::id(8)],
        rejected: Vec::new(),
        previous: Vec::new(),
        estimate: None,
        tag_edit: None,
    };
    let effects = harness.event(Event::CommandCompleted(outcome));
    assert!(sent(&effects).contains(&&Command::LoadUncertain), "the list is read again: {effects:?}");
    assert!(harness.frame().contains("Resolved the charge of 1 job"), "{}", harness.frame());
}

#[test]
fn amount_must_be_valid() {
    let mut harness = opened(120, 40);
    harness.keys("jjb");
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("not an amount in dollars"), "{}", harness.frame());
    harness.keys("0");
    harness.press(KeyCode::Enter);
    assert!(harness.frame().contains("above zero"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("b billed"), "{}", harness.frame());
}

#[test]
fn uncertain_charge_opens_its_job() {
    let mut harness = opened(120, 40);
    harness.keys("j");
    harness.press(KeyCode::Enter);
    let frame = harness.frame();
    assert!(!frame.contains("Budget ──") && frame.contains(fixtures::id(9).as_str()), "{frame}");
}

#[test]
fn observer_cannot_resolve_charges() {
    let mut observe = options(false);
    observe.read_only = true;
    let mut harness = ConsoleHarness::busy_with(120, 40, &observe);
    harness.keys("B");
    let items = vec![item(8, Some("0.03"), Basis::Unconfirmed, "no answer arrived")];
    harness.event(Event::Uncertain(Ok(UncertainCharges { items, has_more: true })));
    assert_eq!(sent(&harness.keys("n")), [] as [&Command; 0]);
    assert!(harness.frame().contains("cannot resolve charges"), "{}", harness.frame());
}

#[test]
fn caps_and_soft_mark_are_set_here() {
    let mut harness = opened(120, 40);
    for (keys, typed, question, edit) in [
        (
            "d",
            "20",
            "Set the daily cap to $20.00?",
            BudgetEdit::Set {
                model: None,
                caps: Budget { daily: Some("20".parse().unwrap()), monthly: None },
                soft_percent: None,
            },
        ),
        (
            "m",
            "$300",
            "Set the monthly cap to $300.00?",
            BudgetEdit::Set {
                model: None,
                caps: Budget { daily: None, monthly: Some("300".parse().unwrap()) },
                soft_percent: None,
            },
        ),
        (
            "s",
            "80%",
            "Warn from 80 % of a cap on?",
            BudgetEdit::Set { model: None, caps: Budget::default(), soft_percent: Some(80) },
        ),
    ] {
        harness.keys(keys);
        harness.keys(typed);
        harness.press(KeyCode::Enter);
        assert!(harness.frame().contains(question), "{}", harness.frame());
        harness.now += Duration::seconds(1);
        let command = Command::ChangeBudget { edit, by: "ada@studio".into() };
        assert_eq!(sent(&harness.keys("y")), [&command]);
    }
    harness.keys("c");
    assert!(harness.frame().contains("Remove all caps of this store?"), "{}", harness.frame());
    harness.keys("n");
    harness.event(Event::BudgetChanged(Ok("daily cap $20.00".into())));
    assert!(harness.frame().contains("Budget: daily cap $20.00"), "{}", harness.frame());
    harness.event(Event::BudgetChanged(Err("no connection".into())));
    assert!(harness.frame().contains("The budget was not changed: no connection"), "{}", harness.frame());
}

#[test]
fn invalid_caps_are_not_sent() {
    let mut harness = opened(120, 40);
    for (field, typed, hint) in [
        ("d", "lots", "not an amount in dollars"),
        ("d", "", "not an amount in dollars"),
        ("m", "0", "above zero"),
        ("m", "-3", "above zero"),
        ("s", "0", "from 1 to 100"),
        ("s", "101", "from 1 to 100"),
    ] {
        harness.keys(field);
        harness.keys(typed);
        assert_eq!(sent(&harness.press(KeyCode::Enter)), [] as [&Command; 0], "{field} {typed}");
        assert!(harness.frame().contains(hint), "{}", harness.frame());
        harness.press(KeyCode::Esc);
    }
}

#[test]
fn observer_cannot_change_the_budget() {
    let mut observe = options(false);
    observe.read_only = true;
    let mut harness = ConsoleHarness::busy_with(120, 40, &observe);
    harness.keys("Bd20");
    assert_eq!(sent(&harness.press(KeyCode::Enter)), [] as [&Command; 0]);
    assert!(harness.frame().contains("cannot change the budget"), "{}", harness.frame());
}

#[test]
fn soft_mark_is_reported_once() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    let overview = |soft_percent, cap: &str| {
        let costs = CostOverview { soft_percent, daily_cap: Some(cap.parse().unwrap()), ..fixtures::costs() };
        Event::Costs(Box::new(costs))
    };
    let used = fixtures::costs().today.committed();
    let notice = format!("daily budget: {} of $20.00 used", used.display());
    harness.event(overview(Some(50), "20"));
    assert!(!harness.frame().contains(&notice), "the mark is not reached: {}", harness.frame());
    harness.event(overview(Some(5), "20"));
    assert!(harness.frame().contains(&notice), "{}", harness.frame());
    // The same again is no news; a raised cap and a new day may be reported again.
    harness.now += Duration::minutes(5);
    harness.send(Message::Tick);
    harness.event(overview(Some(5), "20"));
    assert!(!harness.frame().contains(&notice), "{}", harness.frame());
    harness.event(overview(Some(5), "2000"));
    harness.event(overview(Some(5), "20"));
    assert!(harness.frame().contains(&notice), "{}", harness.frame());
    harness.now += Duration::minutes(5);
    harness.send(Message::Tick);
    let costs = fixtures::costs();
    let used_by_model = costs.table.committed_of("flux-2-pro", (costs.today.from, costs.today.to));
    assert!(used_by_model > Usd::ZERO);
    let caps = Budget { daily: Some(used_by_model * 4_u64), monthly: None };
    let of_model = |soft_percent| {
        let model_caps = [("flux-2-pro".to_owned(), caps)].into();
        Event::Costs(Box::new(CostOverview { soft_percent, model_caps, daily_cap: None, ..fixtures::costs() }))
    };
    harness.event(of_model(Some(26)));
    assert!(!harness.frame().contains("budget of"), "{}", harness.frame());
    harness.event(of_model(Some(25)));
    let notice = format!("daily budget of flux-2-pro: {} of", used_by_model.display());
    assert!(harness.frame().contains(&notice), "{}", harness.frame());
    // A cap that is used up is reported with the job that it holds.
    assert_eq!(CostOverview { daily_cap: Some(used), ..fixtures::costs() }.soft_marks(), []);
}

//! Actions on many jobs: counted down, paused, stopped, undone; tags and clones with edits.

use chrono::Duration;
use crossterm::event::KeyCode;
use darkroom::console::Effect;
use darkroom::engine::{
    BulkAction, BulkControl, BulkLease, BulkPlan, BulkRecord, BulkState, BulkTarget, Command, Event, SpecEdit, TagEdit,
};

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn sends(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|effect| if let Effect::Send(command) = effect { Some(command) } else { None }).collect()
}

fn record(by: &str) -> BulkRecord {
    let body = serde_json::json!({
        "action": "retry", "chosen": "status:failed since:1h", "by": by, "from": "console",
        "created_at": fixtures::now(), "starts_at": fixtures::now() + Duration::seconds(5),
        "state": "running", "total": 244, "position": 0, "changed": 0, "unchanged": 0, "price_usd": "9.76",
    });
    let mut record: BulkRecord = serde_json::from_value(body).unwrap();
    "1".clone_into(&mut record.id);
    record
}

#[test]
fn countdown_is_shown_and_cancelled_by_u() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.event(Event::BulkActions(vec![record("ada@studio")]));
    let frame = harness.frame();
    assert!(frame.contains("Retry 244 jobs: begins in 5 s, about $9.76 · u cancels · b shows it"), "{frame}");
    assert!(harness.app.next_tick().is_some(), "the seconds are counted");
    harness.keys("n");
    assert!(harness.frame().contains("about $9.76 · Esc, then u cancels"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    harness.now += Duration::seconds(2);
    harness.send(darkroom::console::Message::Tick);
    assert!(harness.frame().contains("begins in 3 s"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [&Command::ControlBulk("1".into(), BulkControl::Stop)]);
    let mut stopped = record("ada@studio");
    stopped.state = BulkState::Stopped;
    harness.event(Event::BulkActions(vec![stopped]));
    assert!(harness.frame().contains("cancelled before the first job"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [] as [&Command; 0], "it has ended");
}

#[test]
fn screen_of_bulk_actions_pauses_and_stops() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let mut running = record("ben@office");
    (running.position, running.changed, running.unchanged) = (122, 120, 2);
    running.starts_at = fixtures::ago(10);
    running.reasons = vec!["it changed after it was counted".to_owned()];
    running.lease = Some(BulkLease { worker: "w".into(), until: fixtures::now() + Duration::seconds(30) });
    harness.event(Event::BulkActions(vec![running.clone()]));
    assert!(!harness.frame().contains("u stops"), "that of another operator");
    harness.keys("b");
    let frame = harness.frame();
    for part in
        ["122 of 244", "ben@office from console", "status:failed since:1h", "$9.76", "2 not changed: it changed"]
    {
        assert!(frame.contains(part), "{part}: {frame}");
    }
    assert_eq!(sends(&harness.keys("p")), [&Command::ControlBulk("1".into(), BulkControl::Pause)]);
    assert_eq!(sends(&harness.keys("x")), [&Command::ControlBulk("1".into(), BulkControl::Stop)]);
    assert_eq!(sends(&harness.keys("u")), [&Command::ControlBulk("1".into(), BulkControl::Stop)]);
    running.state = BulkState::Paused;
    harness.event(Event::BulkActions(vec![running]));
    assert!(harness.frame().contains("paused at 122 of 244"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("p")), [&Command::ControlBulk("1".into(), BulkControl::Resume)]);
    harness.press(KeyCode::Esc);
    assert!(harness.frame().contains("Queue"), "{}", harness.frame());
}

#[test]
fn stopped_action_is_undone_after_its_last_batch() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let mut own = record("ada@studio");
    own.undoable = true;
    harness.event(Event::BulkActions(vec![own.clone()]));
    (own.state, own.position, own.changed) = (BulkState::Stopped, 50, 50);
    own.lease = Some(BulkLease { worker: "w".to_owned(), until: harness.now + Duration::seconds(20) });
    harness.event(Event::BulkActions(vec![own.clone()]));
    assert!(harness.frame().contains("u to undo"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [] as [&Command; 0]);
    assert!(harness.frame().contains("Cannot undo: a worker still completes its last jobs"), "{}", harness.frame());
    own.lease = None;
    harness.event(Event::BulkActions(vec![own]));
    let undo = BulkAction::Undo { of: "1".to_owned(), action: BulkAction::Retry.into() };
    assert_eq!(sends(&harness.keys("u")), [&Command::PlanBulk(undo, BulkTarget::ChangedBy("1".to_owned()))]);
}

#[test]
fn ended_action_is_undone_after_a_question() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let mut done = record("ben@office");
    (done.state, done.position, done.changed, done.undoable) = (BulkState::Done, 244, 240, true);
    harness.event(Event::BulkActions(vec![done.clone()]));
    assert_eq!(sends(&harness.keys("u")), [] as [&Command; 0]);
    assert!(harness.frame().contains("Nothing to undo · b lists bulk actions"), "{}", harness.frame());
    let undo = BulkAction::Undo { of: "1".to_owned(), action: BulkAction::Retry.into() };
    let plan = Command::PlanBulk(undo.clone(), BulkTarget::ChangedBy("1".to_owned()));
    assert_eq!(sends(&harness.keys("bu")), [&plan]);
    harness.event(Event::BulkPlanned(Ok(Box::new(BulkPlan {
        ids: vec![fixtures::id(1), fixtures::id(2)],
        fingerprints: vec![0, 50],
        ..BulkPlan::new(undo)
    }))));
    for part in ["Restore 2 jobs?", "Undoes: retry.", "Jobs that changed since stay as they are."] {
        assert!(harness.frame().contains(part), "{part}: {}", harness.frame());
    }
    harness.now += Duration::seconds(1);
    let effects = harness.keys("y");
    assert!(
        matches!(sends(&effects)[..], [Command::StartBulk { chosen, .. }] if chosen == "bulk action 1"),
        "{effects:?}"
    );
    done.undone_by = Some("2".to_owned());
    harness.event(Event::BulkActions(vec![done.clone()]));
    assert!(harness.frame().contains("done, 240 changed, undo interrupted: undo it again"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [&plan], "its process died before the undo was recorded");
    harness.event(Event::BulkPlanned(Err("later".to_owned())));
    let mut undo = record("ada@studio");
    "2".clone_into(&mut undo.id);
    undo.state = BulkState::Done;
    harness.event(Event::BulkActions(vec![undo.clone(), done.clone()]));
    assert!(harness.frame().contains("done, 240 changed, undone"), "{}", harness.frame());
    undo.state = BulkState::Running;
    undo.starts_at = harness.now + Duration::seconds(4);
    undo.action = BulkAction::Undo { of: "1".to_owned(), action: BulkAction::Retry.into() };
    harness.event(Event::BulkActions(vec![undo, done]));
    let frame = harness.frame();
    assert!(frame.contains("undo retry of 244 jobs: begins in 4 s"), "{frame}");
    assert!(frame.contains("done, 240 changed, undo begins soon"), "{frame}");

    // An own action that ends in any process is what `u` undoes next.
    let mut harness = ConsoleHarness::busy(120, 40);
    let mut own = record("ada@studio");
    own.undoable = true;
    harness.event(Event::BulkActions(vec![own.clone()]));
    (own.state, own.position, own.changed) = (BulkState::Done, 244, 244);
    harness.event(Event::BulkActions(vec![own]));
    assert!(harness.frame().contains("done, 244 changed · u to undo"), "{}", harness.frame());
    assert_eq!(sends(&harness.keys("u")), [&plan]);
}

#[test]
fn tags_are_typed_for_one_or_the_marked() {
    let mut harness = ConsoleHarness::busy(120, 40);
    harness.keys("/boat");
    harness.press(KeyCode::Enter);
    harness.keys("Tcover -draft");
    assert!(harness.frame().contains("Tag 1 job"), "{}", harness.frame());
    let edit = TagEdit::parse("cover -draft").unwrap();
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [&Command::Tag(vec![fixtures::id(6)], edit)]);
    harness.keys("T - ");
    assert_eq!(sends(&harness.press(KeyCode::Enter)), [] as [&Command; 0]);
    assert!(harness.frame().contains("a minus needs the tag"), "the line stays: {}", harness.frame());
}

#[test]
fn marked_jobs_are_cloned_with_edits() {
    let mut harness = ConsoleHarness::busy_with(120, 40, &options(false));
    harness.keys("g  C");
    assert!(harness.frame().contains("Clone 2 marked jobs with edits"), "{}", harness.frame());
    harness.keys("sede=");
    assert!(harness.frame().contains("did you mean seed?"), "{}", harness.frame());
    for _ in 0..5 {
        harness.press(KeyCode::Backspace);
    }
    harness.keys("seed=");
    let effects = harness.press(KeyCode::Enter);
    let [Command::PlanBulk(BulkAction::Clone { edit, simulated: false }, BulkTarget::Jobs(ids))] = sends(&effects)[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((edit, ids.len()), (&SpecEdit::parse("seed=").unwrap(), 2));
}

//! What stays in sight where there is little room: a price under a notice, a typed filter behind its problem.

use crossterm::event::KeyCode;
use darkroom::console::Message;
use darkroom::engine::{CommandKind, Event};

use super::harness::{ConsoleHarness, options};

fn long_notice(harness: &mut ConsoleHarness) {
    let reason = "the store is busy: another process holds its lock since 12 s; try again later".to_owned();
    harness.event(Event::CommandFailed { kind: CommandKind::Retried, reason });
}

#[test]
fn notice_never_covers_a_price_or_its_keys() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let mut harness = ConsoleHarness::busy_with(width, height, &options(false));
        harness.keys("n");
        harness.send(Message::Paste("paper boat".into()));
        harness.press(KeyCode::Enter);
        long_notice(&mut harness);
        let frame = harness.frame();
        for shown in ["try again later", "Enter again", "~$0.03", "Enter confirms", "╰"] {
            assert!(frame.contains(shown), "{shown} is missing\n{frame}");
        }
    }
}

#[test]
fn notice_leaves_the_keys_of_the_money_screens() {
    for (keys, shown) in [("$", "Esc back"), ("B", "caps")] {
        let mut harness = ConsoleHarness::busy(40, 12);
        harness.keys(keys);
        long_notice(&mut harness);
        let frame = harness.frame();
        assert!(frame.contains("try again later") && frame.contains("╰") && frame.contains(shown), "{frame}");
    }
}

#[test]
fn typed_filter_stays_in_sight() {
    for text in ["status:fial", "since:2x", "nosuchkey:1", "cost>abc", "status:failed"] {
        for (width, height) in [(40, 12), (80, 24)] {
            let mut harness = ConsoleHarness::busy(width, height);
            harness.keys("/");
            harness.keys(text);
            let frame = harness.frame();
            assert!(frame.contains(&format!(" / {text}▏")), "{text}\n{frame}");
        }
    }
}

#[test]
fn queue_title_has_no_count_without_its_word() {
    for width in 40..130 {
        let mut harness = ConsoleHarness::busy(width, 12);
        let frame = harness.frame();
        let title = frame.lines().find(|line| line.contains(" Queue ─") || line.contains("╭ Queue")).unwrap();
        let title = title.split(['╮', '▁', '█']).next().unwrap().trim_matches(|end| "\"╭─ ".contains(end));
        let last = title.split_whitespace().next_back().unwrap();
        assert!(last.parse::<u64>().is_err(), "{width}: {title}");
    }
}

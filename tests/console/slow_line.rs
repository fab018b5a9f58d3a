//! A slow line shows images on request; failures are notified outside of the screen.

use crossterm::event::KeyCode;
use darkroom::console::{Effect, ImagesMode, Message, NotifyOptions};
use darkroom::engine::{Command, Event};
use darkroom::jobs::StageName;

use super::fixtures;
use super::harness::{ConsoleHarness, options};

fn loads(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Send(Command::LoadImage(_)))).count()
}

#[test]
fn slow_line_loads_images_on_request_only() {
    let mut options = options(true);
    options.images = ImagesMode::HalfBlocks;
    let mut harness = ConsoleHarness::busy_with(160, 45, &options);
    harness.send(Message::LineSpeed(Some(18_000)));
    assert!(harness.frame().contains("slow line 18"), "{}", harness.frame());
    let effects = harness.keys("g");
    assert_eq!(loads(&effects), 0);
    assert!(harness.frame().contains("I shows images"), "{}", harness.frame());
    assert!(loads(&harness.keys("I")) > 0);
    assert!(!harness.frame().contains("I shows images"), "{}", harness.frame());
    // A key while the images are written: they are not sent again by themselves.
    harness.send(Message::FrameCut);
    assert!(harness.frame().contains("I shows images"), "{}", harness.frame());
    harness.send(Message::LineSpeed(None));
    assert!(!harness.frame().contains("slow line"), "{}", harness.frame());
    harness.press(KeyCode::Esc);
    harness.keys("I");
    assert!(harness.frame().contains("The line is fast"), "{}", harness.frame());
}

#[test]
fn failures_are_notified_where_that_is_on() {
    for ways in ["off", "bell"] {
        let mut options = options(true);
        options.notify = NotifyOptions { ways: ways.parse().unwrap(), command: None };
        let mut harness = ConsoleHarness::busy_with(120, 40, &options);
        let mut counts = fixtures::counts();
        *counts.by_stage.entry(StageName::Failed).or_insert(0) += 2;
        let effects = harness.event(Event::Counts(counts));
        let texts: Vec<&str> = effects
            .iter()
            .filter_map(
                |effect| if let Effect::Notify(notification) = effect { Some(&*notification.text) } else { None },
            )
            .collect();
        assert_eq!(texts, if ways == "off" { vec![] } else { vec!["2 jobs failed"] });
    }
}

//! The words of the queue's rows and of its title.

use chrono::Duration;
use darkroom::engine::Event;
use darkroom::store::Counts;

use super::harness::ConsoleHarness;

#[test]
fn status_has_its_whole_word_from_60_columns_on() {
    for width in [60, 80, 120, 200] {
        let mut harness = ConsoleHarness::busy(width, 60);
        let frame = harness.frame();
        for word in ["↑ submitting", "▶ generating", "★ approved", "⊘ cancelled"] {
            assert!(frame.contains(word), "{width}: {word}\n{frame}");
        }
    }
    let narrow = ConsoleHarness::busy(40, 60).frame();
    assert!(narrow.contains("★ appr."), "no other word for the stage: {narrow}");
}

#[test]
fn running_job_with_expired_claim_has_no_worker() {
    let mut harness = ConsoleHarness::busy(120, 40);
    assert!(!harness.frame().contains("no worker"), "{}", harness.frame());
    harness.now += Duration::minutes(5);
    harness.keys("j");
    let frame = harness.frame();
    let row = frame.lines().find(|line| line.contains("↑ submitting")).unwrap();
    assert!(row.contains("no worker"), "{frame}");
}

#[test]
fn title_has_no_rate_after_two_idle_minutes() {
    let mut harness = ConsoleHarness::busy(200, 60);
    let title = |harness: &mut ConsoleHarness| {
        harness.keys("j");
        harness.frame().lines().find(|line| line.contains("Queue ──")).unwrap().to_owned()
    };
    harness.event(Event::Counts(Counts::default()));
    assert!(title(&mut harness).contains("/h $"), "an image was finished in this minute or the last one");
    harness.now += Duration::minutes(2);
    let idle = title(&mut harness);
    assert!(!idle.contains("/h") && !idle.contains("/min") && idle.contains('█'), "only the bars are left: {idle}");
    // While a job runs, the rate of the last minutes stays.
    let mut busy = ConsoleHarness::busy(200, 60);
    busy.now += Duration::minutes(2);
    assert!(title(&mut busy).contains("/h $"));
}

#[test]
fn title_counts_done_and_approved_apart() {
    let mut harness = ConsoleHarness::busy(120, 40);
    let frame = harness.frame();
    assert!(frame.contains("10 done · 1 approved"), "{frame}");
}

//! A real worker and a real console on a line that first loses answers at random moments, then is slow, then is cut for ten seconds.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::pty::terminal::Terminal;
use crate::support::firestore_emulator::{fresh_project, shared};
use crate::support::line::Line;
use crate::support::{House, books, text};

const JOBS: usize = 200;

/// How long the line stays cut.
const CUT: Duration = Duration::from_secs(10);

/// How long anything may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(5);

/// Jobs that are done, as a well connected look at the server tells.
fn done(house: &House) -> usize {
    house.json(&["jobs", "list", "--json", "--status", "done", "--limit", "1000"]).as_array().unwrap().len()
}

fn until_done(house: &House, wanted: usize) {
    let begun = Instant::now();
    while done(house) < wanted {
        assert!(begun.elapsed() < PATIENCE, "{wanted} jobs did not end: {:?}", done(house));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything that the processes of that house logged.
fn logs(house: &House) -> String {
    let files = std::fs::read_dir(house.path("logs")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn a_line_that_loses_answers_is_slow_and_is_cut_loses_no_job_and_bills_none_twice() {
    let Some(emulator) = shared() else { return };
    let line = Line::to(&emulator.host());
    let mut house = House::new();
    house.set("DARKROOM_STORE", "firestore");
    house.set("GOOGLE_CLOUD_PROJECT", &fresh_project());
    house.set("DARKROOM_SIMULATOR_SPEED", "20");
    house.set("FIRESTORE_EMULATOR_HOST", &emulator.host());
    house.queue(JOBS);
    house.set("FIRESTORE_EMULATOR_HOST", &line.host());
    let mut console = Terminal::start(&house, &["--observe"], 120, 40);
    console.wait_for("● live");
    let worker = house.command(&["worker", "--until-idle"]).spawn().expect("the worker starts");
    house.set("FIRESTORE_EMULATOR_HOST", &emulator.host());

    until_done(&house, 5);
    // Moments spread over the run by a fixed sequence; which request each hits is the machine's choice.
    for moment in [230_u64, 90, 310, 150, 40, 260, 500, 120, 350, 200] {
        std::thread::sleep(Duration::from_millis(moment));
        line.lose_answers();
        std::thread::sleep(Duration::from_millis(60));
        line.cut();
        line.mend();
    }
    assert!(line.lost() > 0, "no answer was lost");
    line.slow_down(Duration::from_millis(40));
    let before = done(&house);
    until_done(&house, before + 5);
    line.mend();

    let running = done(&house);
    assert!(running < JOBS, "the line is cut too late");
    line.cut();
    let cut = Instant::now();
    console.wait_for("○ down");
    std::thread::sleep(CUT.saturating_sub(cut.elapsed()));
    let mended = Instant::now();
    line.mend();
    console.wait_for("● live");
    let healed = mended.elapsed();
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "the line was live again {:.1} s after it was mended", healed.as_secs_f64());
    assert!(healed < Duration::from_secs(20), "{healed:?}");
    until_done(&house, JOBS);
    let output = worker.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (gone, back) = (said.find("no jobs are heard of until the store is back"), said.rfind("the store is back"));
    assert!(gone.is_some() && gone < back, "{said}");
    console.send("q");
    console.wait_for_end();
    assert_eq!(books::check(&house, JOBS), JOBS, "nobody lost track of an order");
    assert!(logs(&house).contains("saved already; the store's answer had been lost"), "no answer of a save was lost");
}

//! The board against a plain model of itself.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::jobs::Spec;
use crate::jobs::sort::SortKey;

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn job(number: u8, revision: u64, prompt: &str) -> Arc<Job> {
    let id = JobId::new(format!("job{number:03}")).unwrap();
    let mut job = Job::new(id, Spec::new("flux-dev", prompt), true, time(i64::from(number / 2)));
    job.revision = revision;
    Arc::new(job)
}

/// A board that knows the whole store, which is empty.
fn complete() -> Board {
    let mut board = Board::default();
    board.begin_window(Vec::new(), (true, true), time(0));
    assert!(board.is_complete());
    board
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, time(0))
}

fn shown(board: &Board) -> Vec<String> {
    board.rows(0..board.len()).map(|(id, _)| id.to_string()).collect()
}

#[test]
fn newest_first_and_the_newest_revision_wins() {
    let mut board = complete();
    assert!(board.upsert(job(1, 5, "new"), true, time(9)));
    assert!(!board.upsert(job(1, 4, "old"), true, time(9)));
    assert!(!board.upsert(job(1, 5, "new"), true, time(9)), "the same again is no change");
    board.upsert(job(7, 1, "later"), true, time(9));
    board.upsert(job(0, 1, "earlier"), true, time(9));
    assert_eq!(shown(&board), ["job007", "job001", "job000"]);
    assert_eq!(board.job(&JobId::new("job001").unwrap()).unwrap().spec.prompt, "new");
}

#[test]
fn readable_version_replaces_unreadable_one() {
    let mut board = complete();
    board.upsert_unreadable(JobId::new("job003").unwrap(), "no stage", time(50));
    assert_eq!(board.len(), 1);
    board.upsert(job(3, 1, "fixed"), true, time(51));
    assert_eq!((board.len(), board.known()), (1, 1));
    assert!(board.entry(&JobId::new("job003").unwrap()).unwrap().job().is_some());
}

#[test]
fn hidden_job_is_removed_stale_one_ignored() {
    let mut board = complete();
    board.upsert(job(1, 5, "x"), true, time(9));
    let mut hidden = (*job(1, 4, "x")).clone();
    hidden.hidden = true;
    board.upsert(Arc::new(hidden.clone()), true, time(9));
    assert_eq!(board.len(), 1);
    hidden.revision = 6;
    board.upsert(Arc::new(hidden), true, time(9));
    assert_eq!(board.known(), 0);
}

#[test]
fn marks_take_ranges_and_all() {
    let mut board = complete();
    for number in 0..6 {
        board.upsert(job(number, 1, "x"), true, time(9));
    }
    board.mark_range(3, 1);
    assert_eq!(board.marked(), 3);
    board.toggle_all();
    assert_eq!(board.marked(), 6);
    board.toggle_all();
    assert_eq!(board.marked(), 0);
}

fn jobs(numbers: std::ops::Range<i64>) -> Vec<Arc<Job>> {
    let job = |number: i64| {
        let id = JobId::new(format!("job{number:06}")).unwrap();
        Arc::new(Job::new(id, Spec::new("flux-dev", format!("image {number}")), true, time(number)))
    };
    numbers.map(job).collect()
}

#[test]
fn window_leaves_out_what_is_not_loaded() {
    let mut board = Board::default();
    board.begin_window(jobs(50..100), (true, false), time(200));
    assert_eq!((board.len(), board.is_complete()), (50, false));
    board.upsert(jobs(10..11).remove(0), true, time(200));
    assert_eq!(board.len(), 50, "a change of an older job is no row");
    board.upsert(jobs(100..101).remove(0), true, time(200));
    assert_eq!(board.len(), 51, "a new job is");
    board.extend_below(jobs(0..50), true, time(200));
    assert_eq!((board.len(), board.is_complete()), (101, true));
    board.set_filter(parse("image -99"));
    assert_eq!(board.len(), 100);
}

#[test]
fn rows_are_bounded_around_the_selection() {
    let mut board = complete();
    for job in jobs(0..5_000) {
        board.upsert(job, false, time(9_999));
    }
    let cut = board.bound(3_000).unwrap();
    assert_eq!((board.len(), board.entries.len(), cut.rows_above), (ROWS_AFTER_CUT, ROWS_AFTER_CUT, 2_000));
    assert_eq!(board.id_at(1_000), Some(&jobs(1_999..2_000)[0].id), "the selected row is still a row");
    assert_eq!(cut.above.as_ref().map(|place| place.at), Some(time(2_999)));
    assert_eq!(cut.below.as_ref().map(|place| place.at), Some(time(1_000)));
    board.extend_above(jobs(3_000..3_200), false, time(9_999));
    assert_eq!(board.len(), ROWS_AFTER_CUT + 200);
    assert!(!board.is_complete());
    board.set_filter(parse("image"));
    board.begin_window(jobs(0..10), (false, true), time(9_999));
    assert_eq!((board.len(), board.entries.len()), (10, 10));
}

#[test]
fn wrong_filter_shows_nothing() {
    let mut board = complete();
    board.upsert(job(1, 1, "x"), true, time(9));
    board.set_filter(parse("sinc:1h"));
    assert!(board.is_empty() && board.problem().is_some());
    board.set_filter(parse(""));
    assert_eq!(board.len(), 1);
}

#[test]
fn sorted_window_takes_only_what_belongs_to_it() {
    let mut board = Board::default();
    let sort = Sort::by(SortKey::Attempts);
    board.set_sort(sort);
    let with_attempts = |number: i64, attempts: u32| {
        let mut job = (*jobs(number..number + 1).remove(0)).clone();
        job.attempts = (1..=attempts).map(|attempt| crate::jobs::Attempt::new(attempt, time(number))).collect();
        Arc::new(job)
    };
    board.begin_window(vec![with_attempts(1, 9), with_attempts(5, 4), with_attempts(4, 4)], (true, false), time(99));
    assert_eq!(shown(&board), ["job000001", "job000005", "job000004"]);
    board.upsert(with_attempts(7, 3), true, time(99));
    assert_eq!(board.len(), 3, "it is behind the last loaded row");
    board.upsert(with_attempts(8, 5), true, time(99));
    assert_eq!(shown(&board), ["job000001", "job000008", "job000005", "job000004"]);
    board.extend_below(vec![with_attempts(7, 3)], true, time(99));
    assert_eq!((board.len(), board.is_complete()), (5, true));
    let mut again = (*with_attempts(7, 10)).clone();
    again.revision = 9;
    board.upsert(Arc::new(again), true, time(99));
    assert_eq!(shown(&board)[0], "job000007", "a changed job moves to its new place");
    board.set_sort(Sort::NEWEST_FIRST.reversed());
    assert_eq!(shown(&board), ["job000001", "job000004", "job000005", "job000007", "job000008"]);
    assert_eq!(board.position(&JobId::new("job000008").unwrap()), Some(4));
}

proptest! {
    #[test]
    fn board_matches_a_sorted_list(
        steps in proptest::collection::vec((0u8..12, 0u64..4, prop_oneof![Just("cat"), Just("dog"), Just("catfish")], 0u8..10), 0..60)
    ) {
        let mut board = complete();
        let mut model: HashMap<JobId, Arc<Job>> = HashMap::new();
        let mut filter = "";
        for (number, revision, prompt, what) in steps {
            match what {
                0 => {
                    let id = job(number, 0, "").id.clone();
                    prop_assert_eq!(board.remove(&id), model.remove(&id).is_some());
                }
                1..=3 => {
                    filter = ["", "cat", "catf"][usize::from(what - 1)];
                    board.set_filter(parse(filter));
                }
                _ => {
                    let job = job(number, revision, prompt);
                    if model.get(&job.id).is_none_or(|old| old.revision <= job.revision) {
                        model.insert(job.id.clone(), Arc::clone(&job));
                    }
                    board.upsert(job, true, time(0));
                }
            }
            let mut expected: Vec<&Arc<Job>> = model.values().filter(|job| job.spec.prompt.contains(filter)).collect();
            expected.sort_by(|left, right| (right.created_at, &right.id).cmp(&(left.created_at, &left.id)));
            let expected: Vec<String> = expected.iter().map(|job| job.id.to_string()).collect();
            prop_assert_eq!(shown(&board), expected);
            for (index, (id, _)) in board.rows(0..board.len()).enumerate() {
                prop_assert_eq!(board.position(id), Some(index));
            }
        }
    }
}

//! `jobs`: list, show and actions on jobs that no worker has run.

use crate::support::{TestEnv, text};

#[test]
fn list_is_newest_first_and_filtered() {
    let env = TestEnv::new();
    let made = env.queue(5);
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    let listed =
        |arguments: &[&str]| crate::support::ids(&env.json(&[&["jobs", "list", "--json"], arguments].concat()));
    assert_eq!(listed(&[]), newest_first);
    assert_eq!(listed(&["--limit", "2"]), newest_first[..2]);
    assert_eq!(listed(&["--status", "done,failed"]).len(), 0);
    assert_eq!(listed(&["--status", "queued", "--since", "1h"]).len(), 5);
    assert_eq!(listed(&["--since", "2200-01-01"]).len(), 0);
    assert_eq!(listed(&["--search", "JOB 3"]), [made[3].clone()]);
    assert_eq!(listed(&["--search", "no such words"]).len(), 0);
    assert!(env.fails(2, &["jobs", "list", "--status", "held"]).contains("use queued"));
    assert_eq!(env.json(&["jobs", "--json"]).as_array().unwrap().len(), 5, "list is the default");
}

#[test]
fn unreadable_job_hides_no_other_outcome() {
    let env = TestEnv::new();
    let made = env.queue(2);
    let database = rusqlite::Connection::open(env.data().join("darkroom.db")).unwrap();
    database.execute("UPDATE jobs SET document = '{}' WHERE id = ?1", [&made[1]]).unwrap();
    let output = env.run(&["jobs", "cancel", &made[0], &made[1], "--json"]);
    let (changed, named) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{named}");
    let changed: serde_json::Value = serde_json::from_str(&changed).unwrap_or_else(|error| panic!("{error}: {named}"));
    assert_eq!((&changed[0]["id"], &changed[0]["status"]), (&made[0].as_str().into(), &"cancelled".into()));
    assert!(named.contains(&format!("job {} was not cancelled: ", made[1])), "{named}");
    let named = env.fails(1, &["jobs", "retry", &made[0], &made[1]]);
    assert!(named.contains(&format!("job {} was not retried: ", made[1])), "{named}");
    assert_eq!(env.json(&["jobs", "show", &made[0], "--json"])["status"], "queued");
}

#[test]
fn hidden_jobs_are_listed_on_request() {
    let env = TestEnv::new();
    let made = env.queue(2);
    let listed =
        |arguments: &[&str]| crate::support::ids(&env.json(&[&["jobs", "list", "--json"], arguments].concat()));
    assert!(
        env.fails(1, &["jobs", "hide", &made[0]]).contains("cancel it first"),
        "a job that will run cannot be hidden"
    );
    env.json(&["jobs", "cancel", &made[0], "--json"]);
    env.json(&["jobs", "hide", &made[0], "--json"]);
    assert!(env.fails(1, &["jobs", "hide", &made[0]]).contains("it is already hidden"));
    assert!(text(&env.run(&["jobs", "list", "--hidden"]).stdout).contains("cancelled, hidden"));
    assert_eq!(listed(&[]), [made[1].clone()]);
    assert_eq!(listed(&["--hidden"]), [made[1].clone(), made[0].clone()]);
    env.json(&["jobs", "unhide", &made[0], "--json"]);
    assert_eq!(listed(&[]).len(), 2);
}

#[test]
fn empty_list_shows_the_first_command() {
    let env = TestEnv::new();
    let output = env.run(&["jobs"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("darkroom submit"), "{}", text(&output.stdout));
    assert_eq!(env.json(&["jobs", "list", "--json"]), serde_json::json!([]));
}

#[test]
fn long_list_is_complete() {
    let env = TestEnv::new();
    env.queue(1_203);
    assert_eq!(env.json(&["jobs", "list", "--json", "--limit", "1100"]).as_array().unwrap().len(), 1_100);
    assert_eq!(env.jobs().len(), 1_203);
}

#[test]
fn unambiguous_id_prefix_is_accepted() {
    let env = TestEnv::new();
    // 63 jobs and 62 letters and digits: two of them begin alike.
    let made = env.queue(63);
    let id = &made[0];
    assert_eq!(env.json(&["jobs", "show", id, "--json"])["id"], id.as_str());
    let shortest =
        (1..=id.len()).find(|length| made.iter().filter(|other| other.starts_with(&id[..*length])).count() == 1);
    let beginning = &id[..shortest.unwrap()];
    assert_eq!(env.json(&["jobs", "show", beginning, "--json"])["id"], id.as_str());
    let shared = made.iter().find(|id| made.iter().filter(|other| other[..1] == id[..1]).count() > 1).unwrap();
    let line = env.fails(1, &["jobs", "show", &shared[..1]]);
    assert!(line.contains("is a prefix of several ids"), "{line}");
    assert!(made.iter().any(|id| line.contains(id.as_str())), "{line}");
    assert!(env.fails(1, &["jobs", "show", "no-such-job"]).contains("no job id starts with 'no-such-job'"));
    assert_eq!(env.run(&["jobs", "show", ""]).status.code(), Some(2));
}

#[test]
fn show_prints_sanitized_details() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a fox\u{202e} in\ntwo lines", "--seed", "7", "--tag", "t", "--json"]);
    let shown = text(&env.run(&["jobs", "show", made[0]["id"].as_str().unwrap()]).stdout);
    for part in
        ["queued", "seed = 7", "tags        t", "a fox in\ntwo lines", "attempt 1 of 1", "simulated: no real money"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{202e}'));
}

#[test]
fn actions_report_changed_and_rejected_jobs() {
    let env = TestEnv::new();
    let made = env.queue(2);
    let cancelled = env.json(&["jobs", "cancel", &made[0], "--json"]);
    assert_eq!((&cancelled[0]["id"], &cancelled[0]["status"]), (&made[0].as_str().into(), &"cancelled".into()));
    // One succeeds, one fails: both are reported, and the command fails.
    let output = env.run(&["jobs", "cancel", &made[0], &made[1], "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(crate::support::ids(&done), [made[1].clone()]);
    assert!(text(&output.stderr).contains("a job that is cancelled cannot be cancelled"), "{}", text(&output.stderr));
    let retried = env.json(&["jobs", "retry", &made[0], "--json"]);
    assert_eq!((&retried[0]["status"], &retried[0]["attempt"]), (&"queued".into(), &1.into()));
    assert!(env.fails(1, &["jobs", "approve", &made[0]]).contains("a job that is queued cannot be approved"));
    assert!(env.fails(1, &["jobs", "retry", "zzz-none"]).contains("no job id starts with"));
    assert_eq!(env.run(&["jobs", "retry"]).status.code(), Some(2));
}

#[test]
fn show_json_contains_attempts_and_charges() {
    let env = TestEnv::new();
    let small = ["--width", "64", "--height", "64", "--wait", "--json"];
    let output = env.run(&[&["submit", "a fox [sim:content-moderated*1]"][..], &small].concat());
    let jobs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = jobs[0]["id"].as_str().unwrap();
    env.json(&["jobs", "retry", id, "--json"]);
    env.run(&["worker", "--until-idle"]);
    let shown = env.json(&["jobs", "show", id, "--json"]);
    let attempts = shown["attempts"].as_array().unwrap();
    assert_eq!((shown["id"].as_str(), attempts.len()), (Some(id), 2), "{shown}");
    assert_eq!((&attempts[0]["number"], &attempts[0]["outcome"]), (&1.into(), &"failed".into()));
    assert_eq!(attempts[0]["error"]["code"], "content_moderated");
    for attempt in attempts {
        assert!(attempt["task_id"].is_string() && attempt["accepted_at"].is_string(), "{attempt}");
        assert_eq!(attempt["charges"][0]["service"], "bfl_api", "{attempt}");
        assert!(attempt["charges"][0]["usd"].is_string() && attempt["charges"][0]["simulated"] == true, "{attempt}");
        assert!(attempt["steps"].as_array().unwrap().len() > 2, "{attempt}");
    }
}

#[test]
fn filter_chooses_jobs_of_the_whole_store() {
    let env = TestEnv::new();
    let made = env.queue(620);
    let listed = |filter: &str| {
        crate::support::ids(&env.json(&["jobs", "list", "--json", "--limit", "1000", "--filter", filter]))
    };
    assert_eq!(listed("status:queued since:1h attempts:1 cost:0").len(), 620);
    assert_eq!(listed("\"job 3\" -\"job 30\"").len(), 100, "3, 30 to 39, 300 to 399, without 30, 300 to 309");
    let refused = env.fails(2, &["jobs", "list", "--filter", "fox stats:failed"]);
    assert!(refused.contains("unknown key 'stats': did you mean 'status'? (at 'stats:failed')"), "{refused}");

    let refused = env.fails(2, &["jobs", "cancel", "--filter", "status:queued"]);
    assert!(refused.contains("this would cancel 620 jobs; pass --yes to confirm"), "{refused}");
    env.fails(2, &["jobs", "cancel", &made[0], "--filter", "status:queued"]);
    env.fails(2, &["jobs", "cancel"]);
    let output = env.run(&["jobs", "cancel", "--yes", "--filter", "status:queued -\"job 7\""]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim(), "609 jobs cancelled");
    assert_eq!(listed("status:cancelled").len(), 609);
    assert_eq!(
        listed("status:queued"),
        made.iter().rev().filter(|id| listed("\"job 7\"").contains(id)).cloned().collect::<Vec<_>>()
    );
    let retried = env.json(&["jobs", "retry", "--json", "--filter", "status:cancelled \"job 61\""]);
    assert_eq!(retried.as_array().unwrap().len(), 11, "simulated jobs are retried without a question");
}

#[test]
fn audit_names_who_did_what_to_which_jobs() {
    let mut env = TestEnv::new();
    env.set("USER", "ana");
    let made = env.queue(3);
    env.json(&["jobs", "cancel", &made[0], "--json"]);
    env.fails(1, &["jobs", "cancel", &made[0]]);
    env.json(&["jobs", "retry", "--filter", "status:cancelled", "--json"]);
    env.json(&["pause", "--reason", "invoice", "--json"]);
    let entries = env.json(&["audit", "--json"]);
    let actions: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["pause", "retry", "cancel", "submit"], "{entries}");
    assert!(entries[0]["by"].as_str().unwrap().starts_with("ana@") && entries[0]["from"] == "cli", "{entries}");
    assert_eq!((&entries[0]["note"], &entries[3]["count"]), (&"invoice".into(), &3.into()));
    let of_job = env.json(&["audit", "--job", &made[1], "--json"]);
    assert_eq!(of_job.as_array().unwrap().len(), 1, "only the submit: {of_job}");
    assert!(text(&env.run(&["audit"]).stdout).contains("3 jobs"));
}

//! `darkroom bulk`, and actions on all jobs that match: recorded, listed, and carried out once.

use crate::support::TestEnv;

#[test]
fn filtered_action_is_recorded_with_its_author() {
    let env = TestEnv::new();
    env.json(&["submit", "a fox", "--count", "12", "--json"]);
    assert_eq!(env.json(&["bulk", "--json"]), serde_json::json!([]));
    let cancelled = env.json(&["jobs", "cancel", "--filter", "fox", "--yes", "--json"]);
    assert_eq!(cancelled.as_array().unwrap().len(), 12);
    let listed = env.json(&["bulk", "--json"]);
    let record = &listed[0];
    assert_eq!(
        (&record["action"], &record["state"], &record["chosen"]),
        (&"cancel".into(), &"done".into(), &"fox".into())
    );
    assert_eq!((&record["total"], &record["changed"], &record["from"]), (&12.into(), &12.into(), &"cli".into()));
    assert!(record["by"].as_str().unwrap().contains('@'), "{record}");
    let audit = env.json(&["audit", "--json"]);
    assert_eq!((&audit[0]["action"], &audit[0]["count"]), (&"cancel".into(), &12.into()));
    assert!(audit[0]["note"].as_str().unwrap().contains(record["id"].as_str().unwrap()), "{audit}");
    let id = record["id"].as_str().unwrap();
    assert!(env.fails(1, &["bulk", "stop", id]).contains("done already"));
    assert!(env.fails(1, &["bulk", "stop", "nothing"]).contains("no id of a bulk action starts with 'nothing'"));
}

#[test]
fn jobs_are_tagged_and_cloned_with_edits() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a fox", "--count", "2", "--seed", "7", "--tag", "draft", "--json"]);
    let id = made[0]["id"].as_str().unwrap();
    let tagged = env.json(&["jobs", "tag", id, "--add", "cover", "--remove", "draft", "--json"]);
    assert_eq!(tagged[0]["tags"], serde_json::json!(["cover"]));
    assert!(env.fails(2, &["jobs", "tag", id]).contains("<--add <WORD>|--remove <WORD>>"));
    assert!(env.fails(1, &["jobs", "tag", id, "--add", "cover"]).contains("it has these tags already"));
    let clones = env.json(&[
        "jobs",
        "clone",
        "--filter",
        "tag:cover",
        "--set",
        "seed=",
        "--set",
        "prompt={prompt}, at night",
        "--yes",
        "--json",
    ]);
    assert_eq!((clones.as_array().unwrap().len(), &clones[0]["prompt"]), (1, &"a fox, at night".into()));
    assert_eq!((&clones[0]["parameters"], &clones[0]["tags"]), (&serde_json::json!({}), &serde_json::json!(["cover"])));
    assert!(env.fails(2, &["jobs", "clone", id, "--set", "sede=1"]).contains("did you mean seed?"));
    assert!(env.fails(1, &["jobs", "clone", id, "--set", "width=7", "--yes"]).contains("no job was cloned"));
    assert!(
        env.fails(2, &["jobs", "clone", "--filter", "fox", "--set", "seed="]).contains("--yes"),
        "a script confirms nothing"
    );
    assert_eq!(env.jobs().len(), 3);
}

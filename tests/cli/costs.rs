//! `darkroom costs`: uncertain charges and what the bill says of them.

use serde_json::{Value, json};

use crate::support::{TestEnv, text};

/// An environment with one job whose accepted request was moderated: $0.03 that may or may not be billed.
fn moderated() -> (TestEnv, String) {
    let env = TestEnv::new();
    let prompt = "a fox [sim:content-moderated]";
    env.run(&["submit", prompt, "--model", "flux-2-pro", "--width", "64", "--height", "64", "--wait"]);
    let id = env.jobs()[0]["id"].as_str().unwrap().to_owned();
    (env, id)
}

fn costs(env: &TestEnv) -> [Value; 4] {
    let costs = env.json(&["costs", "--json"]);
    ["total_usd", "unknown_usd", "unconfirmed_usd", "count"].map(|name| costs[name].clone())
}

#[test]
fn uncertain_charge_is_booked_with_its_amount() {
    let (env, id) = moderated();
    let listed = env.json(&["costs", "uncertain", "--json"]);
    assert_eq!(
        (&listed["unknown_usd"], &listed["unconfirmed_usd"], &listed["has_more"]),
        (&json!("0.03"), &json!("0"), &json!(false))
    );
    let charge = &listed["charges"][0];
    assert_eq!((&charge["job"], &charge["attempt"], &charge["usd"]), (&json!(id), &json!(1), &json!("0.03")));
    assert_eq!((&charge["basis"], &charge["can_resolve"]), (&json!("unknown"), &json!(true)));
    assert!(charge["why"].as_str().unwrap().contains("content_moderated"), "{charge}");
    let table = text(&env.run(&["costs", "uncertain"]).stdout);
    assert!(table.contains("$0.03") && table.contains("simulated: no real money"), "{table}");
    assert_eq!(costs(&env), [json!("0"), json!("0.03"), json!("0"), json!(1)]);

    let job = env.json(&["costs", "resolve", &id[..10], "--billed", "0.02", "--json"]);
    let resolution = &job["attempts"][0]["resolution"];
    assert_eq!((&resolution["billed"], &resolution["charge"]["usd"]), (&json!(true), &json!("0.03")));
    assert!(resolution["by"].as_str().unwrap().contains('@') && resolution["at"].is_string(), "{resolution}");
    assert_eq!(job["attempts"][0]["charges"][0]["usd"], "0.02");
    assert_eq!(costs(&env), [json!("0.02"), json!("0"), json!("0"), json!(1)]);
    assert_eq!(env.json(&["costs", "uncertain", "--json"])["charges"], json!([]));
    let shown = text(&env.run(&["jobs", "show", &id]).stdout);
    assert!(shown.contains("booked as billed by "), "{shown}");
    let again = env.fails(1, &["costs", "resolve", &id, "--not-billed", "--yes"]);
    assert!(again.contains("already resolved as billed by"), "{again}");
}

#[test]
fn charge_is_released_only_with_confirmation() {
    let (env, id) = moderated();
    let refused = env.fails(2, &["costs", "resolve", &id, "--not-billed"]);
    assert!(refused.contains("removes $0.03 of attempt 1") && refused.contains("--yes"), "{refused}");
    assert_eq!(costs(&env)[1], json!("0.03"));
    let output = env.run(&["costs", "resolve", &id, "--not-billed", "--yes"]);
    assert!(text(&output.stdout).contains("$0.00, released as not billed by "), "{}", text(&output.stdout));
    assert_eq!(costs(&env), [json!("0"), json!("0"), json!("0"), json!(0)]);
    env.fails(2, &["costs", "resolve", &id]);
    env.fails(2, &["costs", "resolve", &id, "--billed", "0.01", "--not-billed"]);
    env.fails(1, &["costs", "resolve", "no-such-job", "--billed"]);
}

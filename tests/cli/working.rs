//! Commands that run jobs or servers: `submit --wait`, `worker`, `costs`, `doctor`, `simulate`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use darkroom::costs::Usd;
use darkroom::simulator::Ledger;
use serde_json::Value;

use crate::support::{TestEnv, path_text, text};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap().parse().unwrap()
}

/// The bill of the simulator.
fn bill(env: &TestEnv) -> Usd {
    Ledger::read(&env.data()).unwrap().iter().map(|entry| entry.credits.to_usd()).sum()
}

#[test]
fn submit_wait_returns_image_and_cost() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--count", "3", "--wait", "--json"]);
    let jobs = made.as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    let mut total = Usd::ZERO;
    for job in jobs {
        assert_eq!((&job["status"], &job["error"]), (&"done".into(), &Value::Null), "{job}");
        assert_eq!((&job["image"]["width"], &job["image"]["height"]), (&64.into(), &64.into()));
        let steps: Vec<&str> =
            job["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
        assert_eq!(steps, ["claim", "reserve", "submit", "generate", "download", "store", "settle"]);
        for step in job["steps"].as_array().unwrap() {
            assert_eq!((&step["state"], &step["tries"]), (&"done".into(), &1.into()), "{step}");
            assert!(step["duration_ms"].is_u64() && step["started_at"].is_string(), "{step}");
        }
        let url: url::Url = job["image_url"].as_str().unwrap().parse().unwrap();
        let bytes = std::fs::read(url.to_file_path().unwrap()).unwrap();
        assert_eq!(job["image"]["bytes"], bytes.len());
        assert_eq!(job["cost_basis"], "settled");
        total += usd(&job["cost_usd"]);
    }
    assert!(total > Usd::ZERO);
    assert_eq!(total, bill(&env));
    let costs = env.json(&["costs", "--json", "--days", "1"]);
    assert_eq!((usd(&costs["total_usd"]), &costs["count"]), (total, &3.into()));
    assert_eq!(costs["by"], serde_json::json!([{"key": "flux-2-pro", "usd": costs["total_usd"], "count": 3}]));
    for name in ["unknown_usd", "unconfirmed_usd"] {
        assert_eq!(usd(&costs[name]), Usd::ZERO);
    }
    for by in ["day", "service", "cause"] {
        assert_eq!(usd(&env.json(&["costs", "--json", "--by", by])["by"][0]["usd"]), total, "{by}");
    }
    let table = text(&env.run(&["costs"]).stdout);
    assert!(table.contains("simulated: no real money") && table.contains(&total.display()), "{table}");
}

#[test]
fn wait_reports_other_queued_jobs() {
    let env = TestEnv::new();
    env.queue(2);
    let output = env.run(&["submit", "a fox", "--width", "64", "--height", "64", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("2 other jobs are queued; those for simulator run as well"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn wait_fails_with_a_failed_job() {
    let env = TestEnv::new();
    let output = env.run(&["submit", "a fox [sim:moderated]", "--width", "64", "--height", "64", "--wait", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let jobs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&jobs[0]["status"], &jobs[0]["error"]["code"]), (&"failed".into(), &"request_moderated".into()));
    let id = jobs[0]["id"].as_str().unwrap();
    let shown = text(&env.run(&["jobs", "show", &id[..10]]).stdout);
    assert!(shown.contains("request_moderated"), "{shown}");
}

#[test]
fn worker_until_idle_exits_with_summary() {
    let env = TestEnv::new();
    let ids = env.queue(20);
    let summary = env.json(&["worker", "--until-idle", "--slots", "8", "--json"]);
    assert_eq!(summary, serde_json::json!({"interrupted": false, "simulated": true, "jobs": {"done": 20}}));
    let approved = env.json(&["jobs", "approve", &ids[0], &ids[1], "--json"]);
    assert!(approved.as_array().unwrap().iter().all(|job| job["status"] == "approved"));
    assert_eq!(crate::support::ids(&env.json(&["jobs", "list", "--json", "--status", "approved"])).len(), 2);
    let rejected = env.json(&["jobs", "reject", &ids[0], "--json"]);
    assert_eq!(
        (&rejected[0]["status"], &rejected[0]["review"]),
        (&serde_json::json!("done"), &serde_json::json!("rejected"))
    );
    assert!(env.fails(1, &["jobs", "reject", &ids[0]]).contains("it is already rejected"));
    let filtered = env.json(&["jobs", "list", "--json", "--filter", "review:rejected"]);
    assert_eq!(crate::support::ids(&filtered), [ids[0].clone()]);
    let audit = env.json(&["audit", "--json"]);
    assert_eq!((&audit[0]["action"], &audit[0]["jobs"]), (&serde_json::json!("reject"), &serde_json::json!([ids[0]])));
    assert_eq!(bill(&env), env.jobs().iter().map(|job| usd(&job["cost_usd"])).sum());
    let log = std::fs::read_dir(env.path("logs")).unwrap().next().unwrap().unwrap().path();
    let lines = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in &ids {
        assert!(lines.iter().any(|line| line["job"] == id.as_str() && line["attempt"] == 1), "no log line of {id}");
    }
    let found = env.json(&["logs", "--contains", "COMMAND=reject", "--job", &ids[0][..6], "--json"]);
    assert_eq!((found.as_array().unwrap().len(), &found[0]["command"]), (1, &serde_json::json!("reject")), "{found}");
    let pid = found[0]["pid"].to_string();
    let lines = env.json(&["logs", "--pid", &pid, "--contains", "command=", "--json"]);
    assert_eq!(lines, found, "each command is a process of its own");
    assert!(text(&env.run(&["logs", "--contains", "command=reject"]).stdout).contains(" command=reject job="));
    assert!(env.fails(2, &["logs", "--contains", ""]).contains("--contains"));
    let nothing = text(&env.run(&["logs", "--log-dir", "elsewhere", "--job", &ids[0]]).stdout);
    assert!(nothing.contains("No log lines in ") && nothing.contains("elsewhere"), "{nothing}");
    let unknown = env.fails(1, &["logs", "--job", "no-such-job"]);
    assert!(unknown.contains("no job id starts with 'no-such-job'"), "{unknown}");
    let empty = TestEnv::new();
    assert!(empty.fails(1, &["logs", "--job", "no-such-job"]).contains("no job id starts with 'no-such-job'"));
    assert!(!empty.data().join("darkroom.db").exists(), "reading logs creates no store");
}

#[test]
fn unwritable_log_directory_is_one_warning() {
    let mut env = TestEnv::new();
    let file = env.file("not-a-directory", "");
    env.set("DARKROOM_LOG_DIR", path_text(&file));
    let output = env.run(&["worker", "--until-idle"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stderr);
    assert_eq!(printed.matches("is not writable").count(), 1, "{printed}");
}

#[test]
fn verbose_worker_logs_to_standard_error() {
    let env = TestEnv::new();
    let ids = env.queue(1);
    let output = env.run(&["worker", "--until-idle", "--verbose"]);
    assert!(text(&output.stderr).contains(&format!("job={}", ids[0])), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
}

#[test]
fn doctor_reports_each_check() {
    let mut env = TestEnv::new();
    let well = env.json(&["doctor", "--json"]);
    assert_eq!(well["ok"], true, "{well}");
    let named = |name: &str| -> Value {
        let checks = well["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    for name in ["configuration", "data directory", "store", "bucket", "provider", "clock", "log directory", "terminal"]
    {
        assert_eq!(named(name)["ok"], true, "{name}");
    }
    assert!(named("provider")["message"].as_str().unwrap().contains("credits"));
    assert!(named("money")["message"].as_str().unwrap().starts_with("simulated, no cap set"));
    env.json(&["budget", "set", "--model", "flux-dev", "--daily", "5", "--json"]);
    let checks = env.json(&["doctor", "--json"]);
    assert!(checks.to_string().contains("simulated, at most $5.00 a day with flux-dev"), "{checks}");
    env.json(&["budget", "clear", "--model", "flux-dev", "--json"]);
    env.json(&["budget", "set", "--daily", "20", "--json"]);
    env.set("DARKROOM_BUDGET_MONTHLY_USD", "100");
    env.set("DARKROOM_PROVIDER", "bfl");
    let output = env.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let ill: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ill["ok"], false);
    let provider = ill["checks"].as_array().unwrap().iter().find(|check| check["name"] == "provider").unwrap();
    assert!(provider["message"].as_str().unwrap().contains("BFL_API_KEY"), "{provider}");
    assert!(provider["advice"].as_str().unwrap().contains("get a key"), "not the network: {provider}");
    let money = ill["checks"].as_array().unwrap().iter().find(|check| check["name"] == "money").unwrap();
    assert_eq!(
        money["message"], "real money, at most $20.00 a day, $100.00 a month",
        "of the store and of the process"
    );
    assert!(text(&env.run(&["doctor"]).stdout).contains("problem"));
}

#[test]
fn blocked_account_waits_for_paid_images() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "10");
    // The second request meets the empty account while the first one is generated.
    let prompts = ["an owl [sim:slow]", "a fox [sim:429*2][sim:402]"];
    let lines = prompts.map(|prompt| {
        serde_json::json!({"prompt": prompt, "model": "flux-2-klein-4b", "width": 64, "height": 64}).to_string()
    });
    let file = env.file("jobs.jsonl", &lines.join("\n"));
    let line = env.fails(1, &["submit", "--file", path_text(&file), "--wait", "--timeout", "100s"]);
    assert!(line.contains("credits") && line.contains("1 of 2 finished"), "{line}");
    let states: Vec<_> = env.jobs().iter().map(|job| (job["prompt"].clone(), job["status"].clone())).collect();
    assert!(states.contains(&(prompts[0].into(), "done".into())), "its image is paid: {states:?}");
}

#[test]
fn doctor_explains_an_unused_key() {
    let mut env = TestEnv::new();
    env.set("BFL_API_KEY", "any");
    let well = text(&env.run(&["doctor"]).stdout);
    assert!(well.contains("BFL_API_KEY is not used: DARKROOM_PROVIDER=bfl requests real images"), "{well}");
}

#[test]
fn doctor_names_the_missing_credentials() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_STORE", "firestore");
    let ill = text(&env.run(&["doctor"]).stdout);
    assert!(ill.contains("GOOGLE_APPLICATION_CREDENTIALS is not set: gcloud's login"), "{ill}");
}

#[test]
fn doctor_without_store_knows_no_caps() {
    let mut env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "20", "--json"]);
    std::fs::write(env.data().join("darkroom.db"), "not a database").unwrap();
    let _ = std::fs::remove_file(env.data().join("darkroom.db-wal"));
    let ill = text(&env.run(&["doctor"]).stdout);
    assert!(ill.contains("the caps of the store are unknown") && !ill.contains("no cap set"), "{ill}");
    env.set("DARKROOM_BUDGET_DAILY_USD", "5");
    let ill = text(&env.run(&["doctor"]).stdout);
    assert!(ill.contains("the caps of the store are unknown"), "a lower one may exist: {ill}");
}

/// A simulator that serves, ended with the value.
struct Server {
    child: Child,
    serving: Value,
}

impl Server {
    fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        let port: &[&str] = if arguments.contains(&"--port") { &[] } else { &["--port", "0"] };
        let arguments = [&["simulate", "--json"], port, arguments].concat();
        let mut child = env.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut document = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !document.trim_end().ends_with('}') {
            assert_ne!(lines.read_line(&mut document).unwrap(), 0, "it ended: {document}");
        }
        let serving = serde_json::from_str(&document).unwrap();
        Self { child, serving }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn simulator_serves_like_the_real_api() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant", "--credits", "10"]);
    assert_eq!(server.serving["pid"], server.child.id());
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", server.serving["api_url"].as_str().unwrap());
    env.set("BFL_API_KEY", "any-key-does");
    let well = env.json(&["doctor", "--json"]);
    assert!(well.to_string().contains("10 credits ($0.10)"), "{well}");
    assert!(well.to_string().contains("POST /v1/"), "the submit route is checked: {well}");
    let order = ["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"];
    let printed = env.fails(2, &order);
    assert!(printed.contains("real money") && printed.contains("--yes"), "{printed}");
    assert_eq!(env.jobs().len(), 0);
    let made = env.json(&[&order[..], &["--yes"]].concat());
    assert_eq!((&made[0]["status"], &made[0]["simulated"]), (&"done".into(), &false.into()));
    let everything = std::fs::read_dir(env.path("logs")).unwrap().map(|entry| {
        let mut text = String::new();
        std::fs::File::open(entry.unwrap().path()).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    assert!(everything.into_iter().all(|text| !text.contains("any-key-does")));
    env.set("BFL_API_KEY", "bad");
    let output = env.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("rejected the key"), "{}", text(&output.stdout));
    let output = env.run(&["worker", "--until-idle"]);
    assert_eq!(output.status.code(), Some(0), "no job waits for the key: {}", text(&output.stderr));
}

/// A retry is not called free where it may end in a paid attempt.
#[test]
fn retry_for_real_money_names_price_and_risks() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant"]);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", server.serving["api_url"].as_str().unwrap());
    env.set("BFL_API_KEY", "any-key-does");
    for prompt in ["[sim:task-gone]", "[sim:500]"] {
        env.json(&[
            "submit",
            prompt,
            "--model",
            "flux-2-klein-4b",
            "--width",
            "64",
            "--height",
            "64",
            "--yes",
            "--json",
        ]);
    }
    env.run(&["worker", "--until-idle"]);
    let jobs = env.jobs();
    let ids: Vec<&str> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    let line = env.fails(2, &[&["jobs", "retry"][..], &ids].concat());
    for part in [
        "real money (2 jobs: 1 may be fetched for free, 1 costs $0.014, 1 may be billed a second time",
        "1 earlier task checked free of charge: without an image the job fails again, unpaid",
        "pass --yes to confirm",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(env.jobs().iter().all(|job| job["status"] == "failed"), "nothing was retried");
    // Confirmed as a whole, the job that may be billed already is left out and named.
    let line = env.fails(1, &[&["jobs", "retry", "--yes"][..], &ids].concat());
    assert!(line.contains("1 job: 1 may be fetched for free"), "{line}");
    assert!(line.contains("may already be billed (submit_unknown)") && line.contains("--maybe-billed"), "{line}");
    let retried = |jobs: &[Value]| jobs.iter().filter(|job| job["status"] != "failed").count();
    assert_eq!(retried(&env.jobs()), 1);
    let unknown = env.jobs().into_iter().find(|job| job["prompt"] == "[sim:500]").unwrap();
    assert!(env.run(&["jobs", "retry", "--yes", unknown["id"].as_str().unwrap()]).status.success(), "named alone");
}

#[test]
fn wait_without_credits_keeps_the_job() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant", "--credits", "0"]);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", server.serving["api_url"].as_str().unwrap());
    env.set("BFL_API_KEY", "any-key-does");
    let line = env.fails(1, &["submit", "a fox", "--wait", "--yes"]);
    assert!(line.contains("credits") && line.contains("to continue with the rest"), "{line}");
    assert_eq!(env.jobs()[0]["status"], "queued");
}

#[test]
fn simulate_rejects_invalid_flags() {
    let env = TestEnv::new();
    assert!(env.fails(2, &["simulate", "--fault", "moderatd=1"]).contains("unknown fault 'moderatd'"));
    assert!(env.fails(2, &["simulate", "--fault", "moderated"]).contains("WORD=PROBABILITY"));
    assert!(env.fails(2, &["simulate", "--speed", "fast"]).contains("simulator_speed"));
    assert!(env.fails(2, &["simulate", "--credits=-1"]).contains("--credits"));
}

#[test]
fn simulate_without_folder_names_what_to_do() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.data()).unwrap();
    std::fs::write(env.data().join("simulate"), "not a directory").unwrap();
    let line = env.fails(1, &["simulate", "--port", "0"]);
    assert!(line.contains("check its permissions and free space, or pass another --data-dir"), "{line}");
}

#[cfg(unix)]
#[test]
fn wait_timeout_keeps_the_job() {
    let env = TestEnv::new();
    let line = env.fails(1, &["submit", "a fox [sim:stuck]", "--wait", "--timeout", "2s"]);
    assert!(line.contains("timed out: 0 of 1 finished") && line.contains("worker --until-idle"), "{line}");
    assert_eq!(env.jobs()[0]["status"], "generating", "it was ordered, and is neither lost nor cancelled");
    assert_eq!(env.run(&["submit", "a fox", "--timeout", "2s"]).status.code(), Some(2), "a limit of what?");
}

#[test]
fn interrupted_wait_keeps_the_job() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_SPEED", "0.001");
    let mut child = env.command(&["submit", "a fox", "--wait", "--json"]).spawn().unwrap();
    // It has been accepted when the store says so.
    while env.jobs().first().is_none_or(|job| job["status"] != "generating") {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        crate::support::ids(&reported),
        crate::support::ids(&Value::from(env.jobs())),
        "the created jobs are reported"
    );
    assert!(text(&output.stderr).contains("darkroom worker --until-idle"), "{}", text(&output.stderr));
    assert_eq!(env.jobs()[0]["status"], "generating");
    // Its image takes hours; the claim was released, so that any worker may act on it at once.
    assert_eq!(
        env.json(&["jobs", "cancel", env.jobs()[0]["id"].as_str().unwrap(), "--json"])[0]["status"],
        "cancelled"
    );
    assert_eq!(env.json(&["worker", "--until-idle", "--json"])["jobs"], serde_json::json!({"cancelled": 1}));
}

#[test]
fn api_url_may_contain_the_version() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant"]);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", &format!("{}v1/", server.serving["api_url"].as_str().unwrap()));
    env.set("BFL_API_KEY", "any-key-does");
    let jobs = env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--yes", "--json"]);
    assert_eq!(jobs[0]["status"], "done", "{jobs}");
}

#[test]
fn wrong_endpoint_pauses_the_intake() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant"]);
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", &format!("{}elsewhere", server.serving["api_url"].as_str().unwrap()));
    env.set("BFL_API_KEY", "any-key-does");
    env.json(&["submit", "a fox", "--count", "5", "--yes", "--json"]);
    let line = env.fails(1, &["worker", "--until-idle"]);
    assert!(line.contains("BFL_API_URL"), "{line}");
    assert!(env.jobs().iter().all(|job| job["status"] == "queued"), "no job fails for a wrong address");
    let output = env.run(&["doctor"]);
    assert!(text(&output.stdout).contains("not a route of the FLUX API"), "{}", text(&output.stdout));
}

#[test]
fn worker_resumes_when_the_account_has_credits() {
    let mut env = TestEnv::new();
    let server = Server::start(&env, &["--speed", "instant", "--credits", "0"]);
    let api_url = server.serving["api_url"].as_str().unwrap().to_owned();
    env.set("DARKROOM_PROVIDER", "bfl");
    env.set("BFL_API_URL", &api_url);
    env.set("BFL_API_KEY", "any-key-does");
    env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--yes", "--json"]);
    let mut worker = env.command(&["worker"]).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(worker.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("intake paused: ")));
    drop(server);
    let port = url::Url::parse(&api_url).unwrap().port().unwrap().to_string();
    let _server = Server::start(&env, &["--speed", "instant", "--credits", "100", "--port", &port]);
    let resumed = lines.any(|line| line == "intake resumed");
    let jobs = env.jobs();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(resumed);
    assert_eq!(jobs[0]["status"], "done", "{jobs:?}");
}

#[test]
fn logs_show_lines_of_other_processes() {
    let env = TestEnv::new();
    env.json(&["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"]);
    let id = crate::support::ids(&Value::Array(env.jobs())).remove(0);
    let lines = env.json(&["logs", "--job", &id[..8], "--json"]);
    let lines = lines.as_array().unwrap();
    assert!(lines.len() > 1 && lines.iter().all(|line| line["job"] == *id && line["pid"].is_u64()), "{lines:?}");
    let shown = text(&env.run(&["logs", "--level", "info"]).stdout);
    assert!(shown.contains(&format!("job={id}")), "{shown}");
    assert_eq!(env.json(&["logs", "--level", "error", "--json"]).as_array().unwrap().len(), 0);
    assert_eq!(env.json(&["logs", "--lines", "1", "--json"]).as_array().unwrap().len(), 1);
    assert!(env.fails(2, &["logs", "--level", "loud"]).contains("use error, warn"));
}

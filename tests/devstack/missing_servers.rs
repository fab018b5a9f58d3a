//! A missing server is reported with the command that installs it, a failed one with the last lines of its log.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Dev;
use crate::support::{TestEnv, path_text};

/// An environment in which no server is installed.
fn bare_env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SERVERS_DIR", path_text(&env.path("servers")));
    env.set("PATH", path_text(&env.path("nothing")));
    env
}

#[test]
fn missing_servers_are_replaced_and_reported() {
    let env = bare_env();
    let dev = Dev::start(&env, &[]);
    assert!(dev.servers().is_empty());
    let missing = |name: &str| {
        let list = dev.report["missing"].as_array().unwrap();
        list.iter().find(|missing| missing["name"] == name).unwrap()["install"].as_str().unwrap().to_owned()
    };
    assert_eq!(missing("firestore"), "gcloud components install cloud-firestore-emulator");
    assert_eq!(missing("storage"), "go install github.com/fsouza/fake-gcs-server@v1.56.1");
    assert_eq!(missing("temporal"), "go install github.com/temporalio/cli/cmd/temporal@v1.5.1");
    let job = &dev.json(&env, &["submit", "a fox", "--width", "64", "--height", "64", "--wait", "--json"])[0];
    assert_eq!(job["status"], "done", "{job}");
    assert!(Path::new(&env.data()).join("dev/darkroom.db").is_file(), "its data is in its own directory");
    dev.signal(rustix::process::Signal::TERM);
    let (code, printed) = dev.end();
    assert_eq!(code, Some(0), "{printed}");
    for words in
        ["the Firestore emulator is not installed", "the Cloud Storage server is not", "the Temporal server is not"]
    {
        assert!(printed.contains(words), "{printed}");
    }
}

#[test]
fn failed_server_is_reported_with_its_log() {
    let env = bare_env();
    let program = env.path("servers/temporal-v1.5.1/temporal");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "#!/bin/sh\necho first >&2\necho 'unable to open the \x1b[31mdatabase'\nexit 3\n")
        .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let printed = env.fails(1, &["dev", "--headless"]);
    assert!(printed.contains("the Temporal server exited unexpectedly; last lines of"), "{printed}");
    assert!(printed.contains("\nfirst\nunable to open the") && !printed.contains('\x1b'), "{printed}");
    // A file that is not a program.
    std::fs::write(&program, "\0\0").unwrap();
    let printed = env.fails(1, &["dev", "--headless"]);
    assert!(printed.contains("cannot start the Temporal server"), "{printed}");
}

#[test]
fn invalid_flags_start_nothing() {
    let env = bare_env();
    for (arguments, words) in [
        (&["dev"][..], "run `darkroom dev --headless` without one"),
        (&["dev", "--json"], "--json needs --headless"),
        (&["dev", "--no-worker"], "--headless"),
    ] {
        let printed = env.fails(2, arguments);
        assert!(printed.contains(words), "{arguments:?}: {printed}");
    }
    assert!(!env.data().exists());
}

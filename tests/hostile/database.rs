//! Database files that cannot be used: one clear line, exit code 1, and the file is left as it is, to the byte.

use std::path::Path;

use crate::support::{TestEnv, text};

/// Commands that open the store.
const COMMANDS: [&[&str]; 5] =
    [&["jobs", "list"], &["jobs", "list", "--json"], &["costs"], &["worker", "--until-idle"], &["submit", "a fox"]];

/// An environment with three finished jobs whose database is one closed file.
fn lived_in() -> TestEnv {
    let env = TestEnv::new();
    env.queue(3);
    assert!(env.run(&["worker", "--until-idle"]).status.success());
    let database = rusqlite::Connection::open(env.data().join("darkroom.db")).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    database.close().unwrap();
    env
}

fn refuses(env: &TestEnv, words: &str) {
    for command in COMMANDS {
        let output = env.run(command);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {printed}");
        assert!(output.stdout.is_empty(), "{command:?}");
        assert_eq!(printed.lines().count(), 1, "{command:?}: {printed}");
        assert!(printed.starts_with("darkroom: the database") && printed.contains(words), "{command:?}: {printed}");
    }
}

#[test]
fn unusable_files_are_rejected_and_unchanged() {
    let whole = {
        let env = lived_in();
        std::fs::read(env.data().join("darkroom.db")).unwrap()
    };
    let scribbled = |from: usize, length: usize| {
        let mut bytes = whole.clone();
        let end = (from + length).min(bytes.len());
        bytes[from..end].fill(0xa5);
        bytes
    };
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut other_program = whole.clone();
    other_program[68..72].copy_from_slice(b"abcd");
    for (contents, words) in [
        (Vec::new(), "is empty"),
        (b"not a database".to_vec(), "is not a database"),
        (vec![0; 8_192], "is not a database"),
        (b"<html>".repeat(2_000), "is not a database"),
        (whole[..whole.len() / 2].to_vec(), "is damaged"),
        (whole[..100].to_vec(), "is cut short"),
        (scribbled(0, 16), "is not a database"),
        (scribbled(100, 4_000), "is damaged"),
        (newer, "was written by a newer darkroom (version 99"),
        (other_program, "belongs to another program"),
    ] {
        let env = TestEnv::new();
        std::fs::create_dir_all(env.data()).unwrap();
        let file = env.data().join("darkroom.db");
        std::fs::write(&file, &contents).unwrap();
        refuses(&env, words);
        assert!(std::fs::read(&file).unwrap() == contents, "{words}: the file was changed");
    }
}

#[test]
fn data_directory_that_is_a_file_is_an_error() {
    let mut env = TestEnv::new();
    let file = env.file("a-file", "contents");
    for place in [file.clone(), file.join("below")] {
        env.set("DARKROOM_DATA_DIR", place.to_str().unwrap());
        for command in COMMANDS {
            let output = env.run(command);
            let printed = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {printed}");
            assert_eq!(printed.lines().count(), 1, "{command:?}: {printed}");
            assert!(printed.starts_with("darkroom: ") && printed.contains("a-file"), "{command:?}: {printed}");
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"contents");
    std::fs::create_dir_all(env.data().join("darkroom.db")).unwrap();
    env.set("DARKROOM_DATA_DIR", env.data().to_str().unwrap());
    refuses(&env, "is not a file");
}

/// Whether this user may write there all the same: permissions do not bind root.
#[cfg(unix)]
fn is_above_permissions(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let written = std::fs::write(&probe, "x").is_ok();
    let _ = std::fs::remove_file(probe);
    written
}

#[cfg(unix)]
#[test]
fn read_only_data_directory_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let env = lived_in();
    let folder = env.data();
    let bytes = std::fs::read(folder.join("darkroom.db")).unwrap();
    let allow = |mode| {
        std::fs::set_permissions(folder.join("darkroom.db"), std::fs::Permissions::from_mode(mode & 0o666)).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(0o555);
    if is_above_permissions(&folder) {
        // Nothing can be forbidden to this user, so the program must simply work.
        assert!(env.run(&["jobs", "list"]).status.success());
    } else {
        refuses(&env, "cannot be written");
    }
    allow(0o755);
    assert!(std::fs::read(folder.join("darkroom.db")).unwrap() == bytes, "the file was changed");
}

#[test]
fn damage_is_found_by_doctor_and_after_a_crash() {
    let env = lived_in();
    let file = env.data().join("darkroom.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len();
    // An index page: reading jobs does not need it.
    bytes[end - 4_096..].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();
    let report = text(&env.run(&["doctor"]).stdout);
    assert!(report.contains("is damaged"), "{report}");
    // What a killed process leaves behind: a log that no process uses.
    std::fs::write(env.data().join("darkroom.db-wal"), "left behind").unwrap();
    assert!(env.fails(1, &["jobs", "list"]).contains("is damaged"));
}

//! Whether the tests that need a server ran, see `build.rs`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use darkroom::devstack::{Server, ServerLocator};

use crate::support::python_clients;

const REQUIREMENTS: &str = include_str!("python_clients/requirements.txt");

/// Each server: whether it was installed when the tests were compiled, and where it is now, or how it is installed.
fn servers() -> [(bool, Result<PathBuf, String>); 4] {
    let locator = ServerLocator::from_env();
    let find = |server| locator.find(server).map_err(|missing| missing.to_string());
    let python = python_clients::python(REQUIREMENTS).ok_or("Google's Python clients are not installed".to_owned());
    [
        (cfg!(firestore_emulator_installed), find(Server::Firestore)),
        (cfg!(storage_server_installed), find(Server::Storage)),
        (cfg!(temporal_server_installed), find(Server::Temporal)),
        (cfg!(python_clients_installed), python),
    ]
}

#[test]
fn servers_installed_since_the_build_are_noticed() {
    for (at_build, now) in servers() {
        if at_build == now.is_ok() {
            continue;
        }
        // The next build searches again.
        let stamp = Path::new(env!("OUT_DIR")).join("servers");
        File::options().write(true).open(stamp).unwrap().set_modified(SystemTime::now()).unwrap();
        match now {
            Ok(path) => panic!("{} was installed after the tests were compiled: run the tests again", path.display()),
            Err(missing) => panic!("{missing}; it was installed when the tests were compiled: run the tests again"),
        }
    }
}

/// `.ci/run` sets `DARKROOM_REQUIRE_SERVERS=1`: there no test may be ignored for want of a server.
#[test]
fn required_servers_are_installed() {
    if std::env::var_os("DARKROOM_REQUIRE_SERVERS").is_some_and(|value| value == "1") {
        let missing: Vec<String> = servers().into_iter().filter_map(|(_, found)| found.err()).collect();
        assert!(missing.is_empty(), "run .ci/install-servers: {missing:#?}");
    }
}

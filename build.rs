//! Finds the test servers, so that a test whose server is missing is compiled with `#[ignore]` and reported as ignored. A build
//! without tests is the same with and without servers.
//!
//! Cargo cannot watch for files that do not exist yet. So the test `servers::servers_installed_since_the_build_are_noticed` compares the result with
//! the machine and touches the stamp in `OUT_DIR` where they differ, which makes the next build run this script again.

#![allow(dead_code, reason = "of the included modules only the search is used")]
#![allow(clippy::print_stdout, reason = "instructions for Cargo are printed")]

#[path = "src/devstack/locate.rs"]
mod locate;
#[path = "tests/support/python_clients.rs"]
mod python_clients;
#[path = "src/devstack/server.rs"]
mod server;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use locate::ServerLocator;
use server::Server;

const REQUIREMENTS: &str = include_str!("tests/python_clients/requirements.txt");

fn main() -> std::io::Result<()> {
    let locator = ServerLocator::from_env();
    let installed = [
        ("firestore_emulator_installed", locator.find(Server::Firestore).is_ok()),
        ("storage_server_installed", locator.find(Server::Storage).is_ok()),
        ("temporal_server_installed", locator.find(Server::Temporal).is_ok()),
        ("python_clients_installed", python_clients::python(REQUIREMENTS).is_some()),
    ];
    for (name, installed) in installed {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if installed {
            println!("cargo::rustc-cfg={name}");
        }
    }
    for file in ["build.rs", "src/devstack/locate.rs", "src/devstack/server.rs", "tests/support/python_clients.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-changed=tests/python_clients/requirements.txt");
    println!("cargo::rerun-if-env-changed=DARKROOM_SERVERS_DIR");
    // Older than this run: a file that is written during the run would count as changed.
    let folder = std::env::var_os("OUT_DIR").ok_or(std::io::ErrorKind::NotFound)?;
    let stamp = Path::new(&folder).join("servers");
    File::create(&stamp)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(24))?;
    println!("cargo::rerun-if-changed={}", stamp.display());
    Ok(())
}

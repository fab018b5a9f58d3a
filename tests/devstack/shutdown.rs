//! No process outlives `darkroom dev`, and a server that exits is reported.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::{Dev, env, installed, listens, lives, wait_until};
use crate::support::{TestEnv, text};

fn parent(process: Pid) -> Pid {
    let answer =
        Command::new("ps").args(["-o", "ppid=", "-p", &process.as_raw_nonzero().to_string()]).output().unwrap();
    Pid::from_raw(text(&answer.stdout).trim().parse().expect("a process id")).unwrap()
}

#[test]
fn killed_dev_leaves_no_process() {
    let env = env();
    let dev = Dev::start(&env, &["--no-worker"]);
    assert_eq!(dev.names(), installed());
    let (pids, addresses) = (dev.pids(), dev.addresses());
    assert!(pids.iter().all(|pid| lives(*pid)));
    let watchdogs: Vec<Pid> = pids.iter().map(|pid| parent(*pid)).collect();
    let second = env.fails(1, &["dev", "--headless"]);
    assert!(second.contains("another `darkroom dev` is running on it"), "{second}");
    dev.signal(Signal::KILL);
    wait_until("every server exited", || !pids.iter().any(|pid| lives(*pid)));
    wait_until("every port is closed", || !addresses.iter().any(|address| listens(*address)));
    wait_until("every watchdog exited", || !watchdogs.iter().any(|watchdog| lives(*watchdog)));
}

#[test]
fn killed_watchdog_stops_the_stack() {
    let env = env();
    let dev = Dev::start(&env, &["--no-worker"]);
    let Some(victim) = dev.pids().pop() else { return };
    let name = dev.servers().last().unwrap()["name"].as_str().unwrap().to_owned();
    let pids = dev.pids();
    kill_process(parent(victim), Signal::KILL).unwrap();
    let (code, printed) = dev.end();
    assert_eq!(code, Some(1), "{printed}");
    let log = format!("dev-{name}.log");
    assert!(printed.contains("exited unexpectedly") && printed.contains(&log), "{printed}");
    wait_until("every server exited", || !pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn watchdog_stops_orphans_of_its_server() {
    let env = TestEnv::new();
    let script = "sleep 1000 & echo child $!; exit 3";
    let mut watchdog = env.command(&["guard-server", "--", "sh", "-c", script]);
    let mut watchdog = watchdog.stdin(std::process::Stdio::piped()).spawn().unwrap();
    // `wait` closes the pipe of a child that still owns it.
    let _pipe = watchdog.stdin.take();
    let mut printed = BufReader::new(watchdog.stderr.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    let child = line.trim().strip_prefix("child ").expect("a process id").parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    let status = watchdog.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(!lives(child));
    let mut id = String::new();
    watchdog.stdout.take().unwrap().read_to_string(&mut id).unwrap();
    assert!(id.trim().parse::<u32>().is_ok(), "its process id comes first: {id}");
}

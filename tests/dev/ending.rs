//! However it ends, nothing of it is left; what ends by itself is told.

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
fn a_killed_dev_leaves_no_server_and_no_guard() {
    let env = env();
    let dev = Dev::start(&env, &["--no-worker"]);
    assert_eq!(dev.names(), installed());
    let (pids, addresses) = (dev.pids(), dev.addresses());
    assert!(pids.iter().all(|pid| lives(*pid)));
    let guards: Vec<Pid> = pids.iter().map(|pid| parent(*pid)).collect();
    let second = env.fails(1, &["dev", "--headless"]);
    assert!(second.contains("another `darkroom dev` runs on it"), "{second}");
    dev.signal(Signal::KILL);
    wait_until("every server's end", || !pids.iter().any(|pid| lives(*pid)));
    wait_until("the end of what servers started", || !addresses.iter().any(|address| listens(*address)));
    wait_until("every guard's end", || !guards.iter().any(|guard| lives(*guard)));
}

#[test]
fn a_guard_that_is_killed_alone_ends_the_stack() {
    let env = env();
    let dev = Dev::start(&env, &["--no-worker"]);
    // Any of them will do.
    let Some(victim) = dev.pids().pop() else { return };
    let name = dev.servers().last().unwrap()["name"].as_str().unwrap().to_owned();
    let pids = dev.pids();
    kill_process(parent(victim), Signal::KILL).unwrap();
    let (code, said) = dev.end();
    assert_eq!(code, Some(1), "{said}");
    let log = format!("dev-{name}.log");
    assert!(said.contains("ended by itself") && said.contains(&log), "{said}");
    wait_until("every server's end", || !pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn what_a_server_leaves_behind_ends_with_it() {
    let env = TestEnv::new();
    let script = "sleep 1000 & echo child $!; exit 3";
    let mut guard = env.command(&["guard-server", "--", "sh", "-c", script]);
    let mut guard = guard.stdin(std::process::Stdio::piped()).spawn().unwrap();
    // Waiting for a child closes its pipe, unless somebody else has it.
    let _pipe = guard.stdin.take();
    let mut said = BufReader::new(guard.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let child = line.trim().strip_prefix("child ").expect("a process id").parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    let status = guard.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(!lives(child));
    let mut id = String::new();
    guard.stdout.take().unwrap().read_to_string(&mut id).unwrap();
    assert!(id.trim().parse::<u32>().is_ok(), "its process id comes first: {id}");
}

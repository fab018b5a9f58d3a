//! `darkroom dev` with the real servers: it starts what is installed, names the rest, and leaves nothing behind, however it ends.

mod missing_servers;
mod shutdown;
mod stack;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use darkroom::devstack::{Server, ServerLocator};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::support::{TestEnv, text};

/// How long anything may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// An environment whose processes find the servers installed on this machine.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    // `TestEnv` sets a home directory of its own.
    if let Some(servers) = ServerLocator::from_env().servers {
        env.set("DARKROOM_SERVERS_DIR", &servers.display().to_string());
    }
    env
}

/// The names of the servers that are installed.
fn installed() -> BTreeSet<String> {
    let locator = ServerLocator::from_env();
    let found = Server::ALL.into_iter().filter(|server| locator.find(*server).is_ok());
    found.map(|server| server.as_str().to_owned()).collect()
}

/// `darkroom dev --headless --json`, once it says where everything is. Dropping it kills it.
struct Dev {
    child: Child,
    report: Value,
}

impl Dev {
    fn start(env: &TestEnv, arguments: &[&str]) -> Self {
        Self::of(env.command(&[&["dev", "--headless", "--json"], arguments].concat()))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut document = String::new();
        let report = loop {
            if lines.read_line(&mut document).expect("it is read") == 0 {
                let mut printed = String::new();
                let _ = child.stderr.take().expect("a pipe").read_to_string(&mut printed);
                panic!("it ended: {document}{printed}");
            }
            if let Ok(report) = serde_json::from_str(&document) {
                break report;
            }
        };
        Self { child, report }
    }

    fn servers(&self) -> &[Value] {
        self.report["servers"].as_array().expect("a list")
    }

    fn names(&self) -> BTreeSet<String> {
        self.servers().iter().map(|server| server["name"].as_str().expect("a name").to_owned()).collect()
    }

    fn pids(&self) -> Vec<Pid> {
        self.servers().iter().map(|server| pid(&server["pid"])).collect()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.servers()
            .iter()
            .map(|server| server["address"].as_str().expect("text").parse().expect("an address"))
            .collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(&self.report["pid"]), signal).expect("it can be signalled");
    }

    /// Its exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        wait_until("the end of darkroom dev", || self.child.try_wait().expect("it can be asked").is_some());
        let mut printed = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut printed).expect("text");
        (self.child.wait().expect("its end").code(), printed)
    }

    /// The program in the environment that it report.
    fn run(&self, env: &TestEnv, arguments: &[&str]) -> Output {
        let environment = self.report["environment"].as_object().expect("an object");
        let environment = environment.iter().map(|(name, value)| (name, value.as_str().expect("text")));
        env.command(arguments).envs(environment).output().expect("the program starts")
    }

    fn json(&self, env: &TestEnv, arguments: &[&str]) -> Value {
        let output = self.run(env, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(number: &Value) -> Pid {
    let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
    number.and_then(Pid::from_raw).expect("a process id")
}

fn lives(process: Pid) -> bool {
    test_kill_process(process).is_ok()
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

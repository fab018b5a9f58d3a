//! Owns the servers while they run: started under a guard, waited for until they answer, ended. Must not print.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{GUARD, Launch, Server, group};
use crate::text::sanitize_line;

/// How long a server may take until it answers: a JVM on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a server is asked whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How long the guards may take to end their servers; a little longer than they give themselves.
const LEAVING: Duration = Duration::from_secs(12);

/// How much of a server's log is repeated where it failed.
const TAIL: usize = 8;

/// A server that does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It cannot even be started.
    #[error("the {server} cannot be started: {why}")]
    NotStarted {
        /// Which one.
        server: Server,
        /// Why.
        why: io::Error,
    },
    /// It ended by itself.
    #[error("the {server} ended by itself; the last of {log}:\n{tail}")]
    Ended {
        /// Which one.
        server: Server,
        /// Its log.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It runs and says nothing.
    #[error("the {server} does not answer at {url}; the last of {log}:\n{tail}")]
    Silent {
        /// Which one.
        server: Server,
        /// Where it was asked.
        url: String,
        /// Its log.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It answers, but not as it must.
    #[error("the {server} does not make the bucket: {why}")]
    NoBucket {
        /// Which one.
        server: Server,
        /// Why.
        why: String,
    },
}

/// A server under its guard. Dropping it ends the server in the background.
#[derive(Debug)]
pub struct Running {
    launch: Launch,
    guard: Child,
    /// Nothing is written to it: it is there to be closed.
    tether: Option<ChildStdin>,
    /// The server's process, which leads a group of its own.
    pub pid: u32,
    /// Where it says what.
    pub log: PathBuf,
    begun: Instant,
}

impl Running {
    /// Starts a server; `guard` is darkroom's own program, `logs` the folder for what the server says. Blocks for a moment.
    pub fn start(launch: Launch, guard: &Path, logs: &Path) -> Result<Self, ServerError> {
        let server = launch.server;
        let log = logs.join(format!("dev-{}.log", server.word()));
        let wrong = |why| ServerError::NotStarted { server, why };
        let mut command = Command::new(guard);
        command.arg(GUARD).arg("--").arg(&launch.program).args(launch.arguments());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(open_log(&log).map_err(wrong)?);
        group::apart(&mut command);
        let mut guard = command.spawn().map_err(wrong)?;
        let tether = guard.stdin.take();
        let (begun, mut first) = (Instant::now(), String::new());
        if let Some(said) = guard.stdout.take() {
            BufReader::new(said).read_line(&mut first).map_err(wrong)?;
        }
        let Ok(pid) = first.trim().parse() else {
            // It has said why in the log and leaves by itself.
            let _ = guard.wait();
            return Err(wrong(io::Error::other(tail(&log))));
        };
        Ok(Self { launch, guard, tether, pid, log, begun })
    }

    /// Which one it is.
    pub fn server(&self) -> Server {
        self.launch.server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.launch.address()
    }

    /// Where its web page is, if it has one.
    pub fn page(&self) -> Option<String> {
        self.launch.page()
    }

    /// Waits until it answers; returns how long that took since its start. Errors: it ended, or it is silent for too long.
    pub async fn ready(&mut self, http: &reqwest::Client) -> Result<Duration, ServerError> {
        let url = self.launch.answers_at();
        loop {
            let answers = http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            // Whoever else answers there: ours must be alive.
            if let Some(error) = self.has_ended() {
                return Err(error);
            }
            if answers {
                return Ok(self.begun.elapsed());
            }
            if self.begun.elapsed() > PATIENCE {
                let (server, log) = (self.server(), self.log.display().to_string());
                return Err(ServerError::Silent { server, url, log, tail: tail(&self.log) });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Whether it has ended by itself, with the last that it said.
    pub fn has_ended(&mut self) -> Option<ServerError> {
        let status = self.guard.try_wait().ok()??;
        if status.code().is_none() {
            // Somebody killed the guard: the server is ours to end.
            group::kill(self.pid);
        }
        let log = self.log.display().to_string();
        Some(ServerError::Ended { server: self.server(), log, tail: tail(&self.log) })
    }
}

/// Ends servers, all at once, and waits until they are gone.
pub async fn stop_all(mut servers: Vec<Running>) {
    for server in &mut servers {
        server.tether.take();
    }
    let until = Instant::now() + LEAVING;
    while servers.iter_mut().any(|server| server.has_ended().is_none()) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What servers are asked with: nothing of the environment's proxies is between us and this machine.
pub fn http() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()
}

/// Makes a bucket in a Cloud Storage server; one that is there already is as good.
pub async fn make_bucket(
    http: &reqwest::Client,
    storage: SocketAddr,
    project: &str,
    bucket: &str,
) -> Result<(), ServerError> {
    let wrong = |why: String| ServerError::NoBucket { server: Server::Storage, why };
    let url = format!("http://{storage}/storage/v1/b?project={project}");
    let answer = http.post(url).json(&serde_json::json!({"name": bucket})).send().await;
    let status = answer.map_err(|error| wrong(sanitize_line(&error.to_string(), 200)))?.status();
    if status.is_success() || status == reqwest::StatusCode::CONFLICT { Ok(()) } else { Err(wrong(status.to_string())) }
}

/// A new log; the guard and the server both write at its end.
fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    file.set_len(0)?;
    Ok(file)
}

/// The last lines of a log, cleaned one by one.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| sanitize_line(line, 300)).collect();
    if lines.is_empty() {
        return "(nothing)".to_owned();
    }
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

//! Running servers: started under a watchdog, awaited until they are ready, stopped.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Launch, Server, WATCHDOG_COMMAND, process_group};
use crate::text::sanitize_line;

/// How long a server may take to become ready: a JVM on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// Interval between readiness checks.
const READY_INTERVAL: Duration = Duration::from_millis(100);

/// How long the watchdogs may take to stop their servers; a little longer than their own limit.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

/// Lines of a server's log that an error repeats.
const TAIL_LINES: usize = 8;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The servers cannot be started from this process.
    #[error("{0}")]
    Setup(String),
    /// It cannot be started.
    #[error("cannot start the {server}: {why}")]
    NotStarted {
        /// The server.
        server: Server,
        /// Why.
        why: io::Error,
    },
    /// It exited unexpectedly.
    #[error("the {server} exited unexpectedly; last lines of {log}:\n{tail}")]
    Exited {
        /// The server.
        server: Server,
        /// Its log.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It runs but does not respond.
    #[error("the {server} does not respond at {url}; last lines of {log}:\n{tail}")]
    NotReady {
        /// The server.
        server: Server,
        /// The requested URL.
        url: String,
        /// Its log.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// The bucket cannot be created.
    #[error("the {server} cannot create the bucket: {why}")]
    NoBucket {
        /// The server.
        server: Server,
        /// Why.
        why: String,
    },
}

/// A server under its watchdog. Dropping it stops the server in the background.
#[derive(Debug)]
pub struct ServerProcess {
    launch: Launch,
    watchdog: Child,
    /// Closing it stops the server; nothing is written to it.
    stdin: Option<ChildStdin>,
    /// Process id of the server, which leads a process group.
    pub pid: u32,
    /// Its log file.
    pub log: PathBuf,
    started: Instant,
}

impl ServerProcess {
    /// Starts a server. `watchdog` is the darkroom executable, `logs` the directory of its log file. Blocks for a moment.
    pub fn start(launch: Launch, watchdog: &Path, logs: &Path) -> Result<Self, ServerError> {
        let server = launch.server;
        let log = logs.join(format!("dev-{}.log", server.as_str()));
        let wrong = |why| ServerError::NotStarted { server, why };
        let mut command = Command::new(watchdog);
        command.arg(WATCHDOG_COMMAND).arg("--").arg(&launch.program).args(launch.arguments());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(open_log(&log).map_err(wrong)?);
        process_group::apart(&mut command);
        let mut watchdog = command.spawn().map_err(wrong)?;
        let stdin = watchdog.stdin.take();
        let (started, mut first) = (Instant::now(), String::new());
        if let Some(stdout) = watchdog.stdout.take() {
            BufReader::new(stdout).read_line(&mut first).map_err(wrong)?;
        }
        let Ok(pid) = first.trim().parse() else {
            // The watchdog has written the reason to the log and exits.
            let _ = watchdog.wait();
            return Err(wrong(io::Error::other(tail(&log))));
        };
        Ok(Self { launch, watchdog, stdin, pid, log, started })
    }

    /// The server.
    pub fn server(&self) -> Server {
        self.launch.server
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.launch.address()
    }

    /// The URL of its web page, where it has one.
    pub fn page(&self) -> Option<String> {
        self.launch.page()
    }

    /// Waits until it is ready; returns the time since its start. Errors: it exited, or does not respond in time.
    pub async fn ready(&mut self, http: &reqwest::Client) -> Result<Duration, ServerError> {
        let url = self.launch.ready_url();
        loop {
            let responds = http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            // Another server may respond at that address; ours must be running.
            if let Some(error) = self.exited() {
                return Err(error);
            }
            if responds {
                return Ok(self.started.elapsed());
            }
            if self.started.elapsed() > READY_TIMEOUT {
                let (server, log) = (self.server(), self.log.display().to_string());
                return Err(ServerError::NotReady { server, url, log, tail: tail(&self.log) });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    /// Whether it exited unexpectedly, with the last lines of its log.
    pub fn exited(&mut self) -> Option<ServerError> {
        let status = self.watchdog.try_wait().ok()??;
        if status.code().is_none() {
            // The watchdog was killed, so its server must be stopped here.
            process_group::kill(self.pid);
        }
        let log = self.log.display().to_string();
        Some(ServerError::Exited { server: self.server(), log, tail: tail(&self.log) })
    }
}

/// Stops servers concurrently and waits until they have exited.
pub async fn stop_all(mut servers: Vec<ServerProcess>) {
    for server in &mut servers {
        server.stdin.take();
    }
    let until = Instant::now() + STOP_TIMEOUT;
    while servers.iter_mut().any(|server| server.exited().is_none()) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The HTTP client for local servers; it ignores proxies of the environment.
pub fn http() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()
}

/// Creates a bucket in a Cloud Storage server; an existing one is no error.
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

/// An empty log file, to which watchdog and server append.
fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    file.set_len(0)?;
    Ok(file)
}

/// The last lines of a log, sanitized.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| sanitize_line(line, 300)).collect();
    if lines.is_empty() {
        return "(empty)".to_owned();
    }
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

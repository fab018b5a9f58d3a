//! Owns how a server is tied to the suite, and the waiting for its first answer. Must not know which server it is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ends the server as soon as the suite's end of the pipe is closed, which happens however the suite ends: killed as well.
const TETHER: &str = r#""$@" & server=$!; cat >/dev/null; kill -9 $server; wait $server"#;

/// The program, not yet started, alive for as long as the standard input of what is started here is open.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", TETHER, "sh"]).arg(program);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in a terminal reaches the suite only; the tether does the rest.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Polls over plain HTTP until `path` is answered with 200, for at most `patience`.
pub fn answers(host: &str, path: &str, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    while Instant::now() < until {
        if ask().unwrap_or(false) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

//! A small TCP server that says exactly the bytes that a test wants, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server says, and what it does then.
#[derive(Debug, Clone)]
pub struct Answer {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Close,
    Hold,
    CloseUnread,
}

impl Answer {
    /// These bytes, then the end of the connection. `{base}` stands for the server's own URL.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close }
    }

    /// A well-formed answer.
    pub fn http(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        Self::with_length(status, headers, body, body.len())
    }

    /// An answer that lies about its length.
    pub fn with_length(status: u16, headers: &str, body: impl AsRef<[u8]>, length: usize) -> Self {
        let mut bytes =
            format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")
                .into_bytes();
        bytes.extend_from_slice(body.as_ref());
        Self::raw(bytes)
    }

    /// Well-formed JSON.
    pub fn json(status: u16, body: &str) -> Self {
        // The placeholder changes the length, so the end of the connection ends the body.
        Self::raw(format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}"))
    }

    /// The same bytes, but the connection then stays open and silent.
    pub fn hold(self) -> Self {
        Self { then: Then::Hold, ..self }
    }

    /// The same bytes and the end of the connection, before the request was read.
    pub fn unread(self) -> Self {
        Self { then: Then::CloseUnread, ..self }
    }
}

/// A running server; ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:port`
    pub base: String,
    /// The port, for other names of this machine.
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Gives every connection the same answer.
    pub async fn start(answer: Answer) -> Self {
        Self::start_all(vec![answer]).await
    }

    /// Gives each connection the next answer, and the last one again and again.
    pub async fn start_all(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(
            listener,
            answers.iter().map(|answer| with_base(answer, &base)).collect(),
            Arc::clone(&seen),
        ));
        Self { base, port, seen, task }
    }

    /// One text for each connection: the request as far as it was read.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request, as text.
    pub fn only(&self) -> String {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

fn with_base(answer: &Answer, base: &str) -> Answer {
    match std::str::from_utf8(&answer.bytes) {
        Ok(text) => Answer { bytes: text.replace("{base}", base).into_bytes(), ..*answer },
        Err(_) => answer.clone(),
    }
}

async fn serve(listener: TcpListener, answers: Vec<Answer>, seen: Arc<Mutex<Vec<String>>>) {
    let mut connections = 0;
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, seen) = (answers[connections.min(answers.len() - 1)].clone(), Arc::clone(&seen));
        connections += 1;
        tokio::spawn(async move {
            converse(stream, answer, &seen).await;
        });
    }
}

async fn converse(mut stream: TcpStream, answer: Answer, seen: &Mutex<Vec<String>>) {
    let request = match answer.then {
        Then::CloseUnread => String::new(),
        Then::Close | Then::Hold => read_request(&mut stream).await,
    };
    seen.lock().unwrap().push(request);
    let _ = stream.write_all(&answer.bytes).await;
    if answer.then == Then::Hold {
        // Until the client goes away.
        let _ = stream.read(&mut [0; 64]).await;
    }
    let _ = stream.shutdown().await;
}

/// The head and, where it announces one, the whole body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut whole = None;
    while whole.is_none_or(|whole| bytes.len() < whole) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        whole = whole.or_else(|| request_length(&bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The length of the request, once its head is complete.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    Some(head + 4 + body.unwrap_or(0))
}

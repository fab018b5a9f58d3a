//! Hostile requests to `darkroom simulate`: each is answered or cut off, and the server stays up for the next.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::support::TestEnv;

struct Server {
    child: Child,
    address: String,
    cluster: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place(url: &Value) -> String {
    let url: url::Url = url.as_str().unwrap().parse().unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

impl Server {
    fn start(env: &TestEnv) -> Self {
        let mut child = env.command(&["simulate", "--port", "0", "--json"]).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while serde_json::from_str::<Value>(&text).is_err() {
            assert!(reader.read_line(&mut text).unwrap() > 0, "it ended: {text}");
        }
        let serving: Value = serde_json::from_str(&text).unwrap();
        Self { child, address: place(&serving["api_url"]), cluster: place(&serving["cluster_url"]) }
    }

    /// Sends these bytes and reads what comes back until the other side has nothing more to say.
    fn send(address: &str, bytes: &[u8], then_hang_up: bool) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The other side may hang up in the middle of a request that it does not like.
        let _ = stream.write_all(bytes);
        if then_hang_up {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.take(1 << 20).read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nx-key: k\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nx-key: k\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Whole requests with the statuses that are right for them.
fn hostile_requests() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let line = |text: &str| text.as_bytes().to_vec();
    let mut requests: Vec<(&'static str, Vec<u8>, &'static [u16])> = vec![
        ("no JSON", post("/v1/flux-2-pro", b"{oops"), &[422, 400]),
        ("no body", post("/v1/flux-2-pro", b""), &[422, 400]),
        ("a list", post("/v1/flux-2-pro", b"[1,2]"), &[422]),
        ("null", post("/v1/flux-2-pro", b"null"), &[422]),
        ("no UTF-8", post("/v1/flux-2-pro", b"{\"prompt\": \"\xff\"}"), &[422, 400]),
        ("NaN", post("/v1/flux-2-pro", b"{\"prompt\": \"a\", \"seed\": NaN}"), &[422, 400]),
        ("wrong types", post("/v1/flux-2-pro", br#"{"prompt": 7, "width": "x", "seed": []}"#), &[422]),
        ("huge number", post("/v1/flux-2-pro", br#"{"prompt": "a", "width": 1e308}"#), &[422]),
        ("negative", post("/v1/flux-2-pro", br#"{"prompt": "a", "width": -64}"#), &[422]),
        ("deep", post("/v1/flux-2-pro", deep.as_bytes()), &[422, 400]),
        ("deep within", post("/v1/flux-2-pro", format!("{{\"prompt\": {deep}}}").as_bytes()), &[422, 400]),
        (
            "no image",
            post(
                "/v1/flux-2-pro",
                br#"{"prompt": "a", "input_image": "aGVsbG8gd29ybGQsIHRoaXMgaXMgbm8gcGljdHVyZQ=="}"#,
            ),
            &[422],
        ),
        ("a path", post("/v1/flux-2-pro", br#"{"prompt": "a", "input_image": "/etc/passwd"}"#), &[422]),
        ("no model", post("/v1/flux-99", br#"{"prompt": "a"}"#), &[404]),
        ("up and away", post("/v1/../../etc/passwd", br#"{"prompt": "a"}"#), &[404]),
        ("encoded", post("/v1/%2e%2e%2fetc", br#"{"prompt": "a"}"#), &[404]),
        ("bad percent", get("/v1/get_result?id=%zz%"), &[200, 400, 404, 422]),
        ("no id", get("/v1/get_result"), &[404, 422]),
        ("long id", get(&format!("/v1/get_result?id={}", "a".repeat(8_000))), &[200, 404, 414, 431]),
        ("stolen link", get("/delivery/../../../../etc/passwd?se=2099-01-01T00:00:00Z&sig=x"), &[400, 403, 404]),
        ("unsigned link", get("/delivery/x.png"), &[400, 403, 404]),
        ("no key", line("GET /v1/credits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &[401, 403]),
        (
            "bad key",
            line("GET /v1/credits HTTP/1.1\r\nHost: x\r\nx-key: bad\r\nConnection: close\r\n\r\n"),
            &[401, 403],
        ),
        (
            "bytes in the key",
            b"GET /v1/credits HTTP/1.1\r\nHost: x\r\nx-key: \xff\xfe\r\nConnection: close\r\n\r\n".to_vec(),
            &[200, 400, 401, 403, 422],
        ),
        (
            "wrong method",
            line("DELETE /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nConnection: close\r\n\r\n"),
            &[404, 405],
        ),
        (
            "put",
            line("PUT /v1/credits HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            &[404, 405],
        ),
        ("get a submit", get("/v1/flux-2-pro"), &[404, 405]),
        ("trace", line("TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &[404, 405, 400]),
        ("no host", line("GET /v1/credits HTTP/1.1\r\nx-key: k\r\nConnection: close\r\n\r\n"), &[200, 400]),
        (
            "strange host",
            line("GET /v1/credits HTTP/1.1\r\nHost: \"><script>\r\nx-key: k\r\nConnection: close\r\n\r\n"),
            &[200, 400],
        ),
    ];
    // Megabytes that are no order.
    requests.push((
        "huge prompt",
        post("/v1/flux-2-pro", format!(r#"{{"prompt": "{}"}}"#, "x".repeat(5 << 20)).as_bytes()),
        &[413, 422],
    ));
    requests
}

/// What is no whole request: being cut off is right, too.
fn hostile_bytes() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let line = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "longer than it is",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nContent-Length: 999\r\n\r\n{\"prompt\": \"a\"}",
            ),
            &[],
        ),
        (
            "two lengths",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            ),
            &[],
        ),
        (
            "negative length",
            line("POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n"),
            &[],
        ),
        (
            "endless length",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nContent-Length: 99999999999999999999\r\nConnection: close\r\n\r\n",
            ),
            &[],
        ),
        (
            "huge length",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nContent-Length: 999999999999\r\nConnection: close\r\n\r\nabc",
            ),
            &[],
        ),
        (
            "broken chunks",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
            ),
            &[],
        ),
        (
            "smuggled",
            line(
                "POST /v1/flux-2-pro HTTP/1.1\r\nHost: x\r\nx-key: k\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n0\r\n\r\n",
            ),
            &[],
        ),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[]),
        ("zeros", vec![0; 10_000], &[]),
        ("no line end", vec![b'A'; 1_000_000], &[]),
        ("HTTP/9", line("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), &[]),
        ("nothing", Vec::new(), &[]),
        ("many headers", [b"GET / HTTP/1.1\r\n".to_vec(), b"a: b\r\n".repeat(5_000), b"\r\n".to_vec()].concat(), &[]),
        (
            "a long header",
            [b"GET / HTTP/1.1\r\nHost: x\r\na: ".to_vec(), vec![b'b'; 2_000_000], b"\r\n\r\n".to_vec()].concat(),
            &[],
        ),
        ("too large", post("/v1/flux-2-pro", &vec![b' '; 220 << 20]), &[]),
    ]
}

#[test]
fn the_simulator_stays_up_whatever_is_sent() {
    let env = TestEnv::new();
    let mut server = Server::start(&env);
    let requests: Vec<_> = hostile_requests().into_iter().chain(hostile_bytes()).collect();
    assert!(requests.len() >= 40);
    for (name, bytes, statuses) in &requests {
        for address in [&server.address, &server.cluster] {
            let on_api = address == &server.address;
            let answer = Server::send(address, bytes, statuses.is_empty());
            let found = status(&answer);
            match found {
                Some(found) if on_api && !statuses.is_empty() => {
                    assert!(statuses.contains(&found), "{name}: {found}: {}", &answer[..answer.len().min(300)]);
                }
                Some(found) => assert!((200..=505).contains(&found) && found != 500, "{name}: {found}"),
                None => assert!(statuses.is_empty(), "{name} got no answer: {answer:?}"),
            }
            assert!(server.child.try_wait().unwrap().is_none(), "{name} ended the simulator");
        }
    }
    // Nothing of that was an order, and one that is right is served.
    let bill = Server::send(&server.address, &get("/simulator/bill?entries=1"), false);
    assert!(!bill.contains("flux-2-pro"), "{bill}");
    let order = post("/v1/flux-2-pro", br#"{"prompt": "a fox", "width": 64, "height": 64}"#);
    let answer = Server::send(&server.address, &order, false);
    assert_eq!(status(&answer), Some(200), "{answer}");
    assert!(answer.contains("polling_url"), "{answer}");
}

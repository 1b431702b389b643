//! A running node: its log, its servers, its end.

use super::Run;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A node that says nothing for so long hangs: the test ends.
const SILENCE: Duration = Duration::from_mins(2);

/// `fresnel node` as a process.
pub(crate) struct Node {
    child: Child,
    lines: Receiver<String>,
    log: String,
    stdout: Option<std::thread::JoinHandle<String>>,
    api: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Node {
    /// Starts a node with servers on free ports and a log of every step.
    pub(crate) fn start(args: &[&str]) -> Node {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fresnel"))
            .arg("node")
            .args(args)
            .args(["--http-port", "0", "--metrics-port", "0"])
            .args(["--log-level", "debug"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stdout = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Node {
            child,
            lines,
            log: String::new(),
            stdout: Some(stdout),
            api: None,
            metrics: None,
        }
    }

    /// Starts a node and waits until its servers answer.
    pub(crate) fn up(args: &[&str]) -> Node {
        let mut node = Node::start(args);
        node.wait_for("the metrics are at http://");
        node
    }

    /// The next line of the log; `None` at its end.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let line = match self.lines.recv_timeout(SILENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("{error}: the node hangs; its log:\n{}", self.log),
        };
        let address = |start: &str| {
            let rest = line.split_once(start)?.1;
            rest.split('/').next()?.parse().ok()
        };
        self.api = self.api.or_else(|| address("the REST API is at http://"));
        self.metrics = self
            .metrics
            .or_else(|| address("the metrics are at http://"));
        let _ = writeln!(self.log, "{line}");
        Some(line)
    }

    /// Reads the log up to a line with this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        while let Some(line) = self.next_line() {
            if line.contains(text) {
                return line;
            }
        }
        panic!("the node ended without saying '{text}':\n{}", self.log);
    }

    /// What was read of the log.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the REST API.
    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.api.unwrap(), path, "application/json")
    }

    /// Asks the REST API for SSZ.
    pub(crate) fn get_ssz(&self, path: &str) -> Answer {
        get(self.api.unwrap(), path, "application/octet-stream")
    }

    /// Asks the REST API as a web page of `origin` would that calls the node by `host`.
    pub(crate) fn get_from_page(&self, path: &str, host: &str, origin: &str) -> Answer {
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        request(self.api.unwrap(), path, &headers)
    }

    /// The `data` of an answer of the REST API.
    pub(crate) fn data(&self, path: &str) -> serde_json::Value {
        self.get(path).json()["data"].take()
    }

    /// The value of a metric without labels, a whole number.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let answer = self.metrics();
        let value = answer.lines().find_map(|line| {
            let (found, value) = line.split_once(' ')?;
            (found == name).then(|| value.parse().unwrap())
        });
        value.unwrap_or_else(|| panic!("no {name}:\n{answer}"))
    }

    /// All metrics.
    pub(crate) fn metrics(&self) -> String {
        let answer = get(self.metrics.unwrap(), "/metrics", "*/*");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics.unwrap()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn stop(self) -> Run {
        self.signal("-TERM");
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Run {
        while self.next_line().is_some() {}
        let status = self.child.wait().unwrap();
        Run {
            code: status.code().expect("not ended by a signal"),
            stdout: self.stdout.take().unwrap().join().unwrap(),
            stderr: std::mem::take(&mut self.log),
        }
    }
}

impl Drop for Node {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn get(address: SocketAddr, path: &str, accept: &str) -> Answer {
    let headers = format!("Host: {address}\r\nAccept: {accept}\r\n");
    request(address, path, &headers)
}

fn request(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(split.expect("a header") + 4);
    let head = String::from_utf8(head.to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match head.contains("transfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_vec(),
    };
    Answer { status, head, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

/// The options that start a node on a made chain with its genesis.
pub(crate) fn options<'a>(chain: &'a Path, genesis: &'a Path, datadir: &'a Path) -> Vec<&'a str> {
    use super::text;
    vec![
        "--network-dir",
        text(chain),
        "--genesis-state",
        text(genesis),
        "--datadir",
        text(datadir),
    ]
}

//! The server on a loopback port, called over raw sockets.

use super::fixture::{Fixture, MadeArchive};
use crate::limits::Limits;
use crate::serve;
use chain::Event;
use consensus::Root;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes: a test that waits for it has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

struct Server {
    fixture: Fixture,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let fixture = Fixture::with(MadeArchive::default(), limits.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let context = fixture.context.clone();
    let task = tokio::spawn(async move {
        serve(listener, context, limits, async {
            let _ = stopped.await;
        })
        .await;
    });
    Server {
        fixture,
        address,
        stop,
        task,
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address)
            .await
            .expect("a connection")
    }

    async fn end(self) {
        self.stop.send(()).expect("the server runs");
        timely(self.task).await.expect("the server ends");
    }
}

async fn timely<T>(future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(TOO_LONG, future).await;
    result.expect("it took too long")
}

async fn send(stream: &mut TcpStream, text: &str) {
    timely(stream.write_all(text.as_bytes()))
        .await
        .expect("sent");
}

/// Everything until the server closes.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end as well.
    let _ = timely(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until `text` has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(text) {
        let mut buffer = [0; 4096];
        let read = timely(stream.read(&mut buffer)).await.expect("more");
        assert!(read > 0, "no {text} in {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn ask(server: &Server, text: &str) -> String {
    let mut stream = server.connect().await;
    send(&mut stream, text).await;
    read_all(&mut stream).await
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        send(
            &mut stream,
            "GET /eth/v1/node/version HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await;
        let answer = read_until(&mut stream, "\"}}").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"));
    }
    // A list as long as the registry, in chunks.
    let path = "/eth/v1/beacon/states/head/validators";
    send(
        &mut stream,
        &format!("GET {path} HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n"),
    )
    .await;
    let answer = read_all(&mut stream).await;
    assert!(
        answer.contains("transfer-encoding: chunked\r\n"),
        "{answer:.300}"
    );
    assert!(answer.contains("\"index\":\"63\"") && answer.ends_with("\r\n0\r\n\r\n"));
    server.end().await;
}

#[tokio::test]
async fn head_has_no_body() {
    let server = start(Limits::default()).await;
    for path in [
        "/eth/v1/node/version",
        "/eth/v1/beacon/states/head/validators",
    ] {
        let text = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = ask(&server, &text).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.ends_with("\r\n\r\n") && !answer.contains('{'),
            "{answer}"
        );
    }
    server.end().await;
}

#[tokio::test]
async fn errors_on_the_wire() {
    let limits = Limits {
        body_bytes: 1000,
        origins: vec!["http://page.example".into()],
        ..Limits::default()
    };
    let server = start(limits).await;
    let path = "/eth/v1/beacon/states/head/validators";
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        " ".repeat(1001)
    );
    for (request, status) in [
        (format!("DELETE {path}"), "405"),
        (format!("POST {path}\nContent-Length: 1001\r\n\r\n"), "413"),
        (format!("POST {path}\n{chunked}"), "413"),
        (
            format!("POST {path}\nContent-Length: 3\r\n\r\n{{}}x"),
            "400",
        ),
        ("GET /eth".into(), "404"),
        ("BREW /eth/v1/node/version".into(), "405"),
    ] {
        let (line, rest) = request.split_once('\n').unwrap_or((&request, "\r\n"));
        let text = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://page.example\r\n\
             Connection: close\r\n{rest}"
        );
        let answer = ask(&server, &text).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
        assert!(
            answer.contains(&format!("{{\"code\":{status},\"message\":\"")),
            "{answer}"
        );
        let cors = "access-control-allow-origin: http://page.example\r\n";
        assert!(answer.contains(cors), "{answer}");
    }
    let answer = ask(&server, "no HTTP at all\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn slow_headers_and_bodies_are_cut_off() {
    let limits = Limits {
        header_timeout: Duration::from_millis(50),
        body_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut stream = server.connect().await;
    send(
        &mut stream,
        "GET /eth/v1/node/version HTTP/1.1\r\nHost: loc",
    )
    .await;
    let answer = read_all(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");

    let text =
        "POST /eth/v1/beacon/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    let answer = ask(&server, text).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let limits = Limits {
        stall_timeout: Duration::from_millis(50),
        connections: 1,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut stream = server.connect().await;
    // More than the buffers on the way take.
    let path = "/eth/v2/debug/beacon/states/head";
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    send(&mut stream, &request.repeat(400)).await;
    // The only connection is given back, so that another one is served.
    let answer = ask(
        &server,
        "GET /eth/v1/node/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(timely(answer).await.starts_with("HTTP/1.1 200 OK"));
    server.end().await;
}

#[tokio::test]
async fn events_reach_subscribers_until_the_server_ends() {
    let limits = Limits {
        event_streams: 2,
        event_silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits).await;
    let subscribe = |topics: &str| {
        format!("GET /eth/v1/events?topics={topics} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    let mut blocks = server.connect().await;
    send(
        &mut blocks,
        &subscribe("block,finalized_checkpoint&topics=block_gossip"),
    )
    .await;
    let start = read_until(&mut blocks, "\r\n\r\n").await;
    assert!(
        start.contains("content-type: text/event-stream\r\n"),
        "{start}"
    );
    let mut heads = server.connect().await;
    send(&mut heads, &subscribe("chain_reorg")).await;
    read_until(&mut heads, "\r\n\r\n").await;
    // Silence is filled with comments.
    read_until(&mut heads, ":\n\n").await;

    let mut third = server.connect().await;
    send(&mut third, &subscribe("head")).await;
    let refused = read_until(&mut third, "}").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");

    let (block, state) = (Root::repeat_byte(1), Root::repeat_byte(2));
    let events = &server.fixture.context.events;
    let send_event = |event| assert_eq!(events.send(event).ok(), Some(2));
    send_event(Event::Block { slot: 5, block });
    send_event(Event::FinalizedCheckpoint {
        block,
        state,
        epoch: 3,
    });
    let text = read_until(&mut blocks, "\"epoch\"").await;
    let event = format!(
        "event: block\ndata: {{\"slot\":\"5\",\"block\":\"{block:?}\",\
         \"execution_optimistic\":false}}\n\n"
    );
    assert!(text.contains(&event), "{text}");
    assert!(
        text.contains("event: finalized_checkpoint\ndata: {"),
        "{text}"
    );

    server.end().await;
    let rest = read_all(&mut blocks).await;
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream ends in order: {rest}"
    );
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_cut_off() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    let text = "GET /eth/v1/events?topics=head HTTP/1.1\r\nHost: localhost\r\n\r\n";
    send(&mut stream, text).await;
    read_until(&mut stream, "\r\n\r\n").await;
    // More than the queue holds, without a pause for anybody to take them: this test has one
    // thread.
    for slot in 0..200 {
        let block = Root::ZERO;
        let event = Event::Block { slot, block };
        assert!(server.fixture.context.events.send(event).is_ok());
    }
    read_until(&mut stream, "0\r\n\r\n").await;
    server.end().await;
}

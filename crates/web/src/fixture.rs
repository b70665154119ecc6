//! A log with a known event of each kind, and the routes over it without a socket, for the tests of handlers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use event::{Action, CacheState, Ede, Event, Flags, Outcome, Transport};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::{Desk, Sessions, router};

/// The present in these tests.
pub(crate) const NOW: i64 = 1_800_000_000_000_000;
/// Signs in.
pub(crate) const TOKEN: &str = "a-token-for-tests";

/// `client transport opcode rcode tsig tkey key times`.
const LOG: &str = "
    192.0.2.1  udp 0 0    -  -  -    5
    192.0.2.1  udp 0 3    -  -  -    3
    192.0.2.2  tcp 5 9    16 -  ddns 2
    192.0.2.2  tcp 0 0    -  16 ddns 1
    192.0.2.3  udp 0 16   -  -  -    4
    192.0.2.3  udp 0 4001 -  -  -    1
    192.0.2.3  udp 0 -    -  -  -    1
";

/// One event of a client, a minute ago.
pub(crate) fn event(client: &str, domain: &str) -> Event {
    Event {
        time_micros: NOW - 60_000_000,
        client: client.parse().unwrap(),
        client_port: 4242,
        transport: Transport::Udp,
        opcode: 0,
        domain: Some(domain.into()),
        qtype: 1,
        qclass: 1,
        flags: Flags::RD,
        outcome: Outcome::Error,
        rcode: Some(0),
        tsig_error: None,
        tkey_error: None,
        ede: Arc::new([]),
        answer: None,
        answer_count: 0,
        ttl: None,
        action: Action::Pass,
        list: None,
        rule: None,
        trace: None,
        cache: CacheState::None,
        upstream: None,
        upstream_latency_micros: None,
        attempts: 0,
        key: None,
        update: None,
        repeats: 0,
        latency_micros: 100,
        query_size: 40,
        reply_size: 40,
        tenant: None,
        node: None,
    }
}

fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for line in LOG.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [client, transport, opcode, rcode, tsig, tkey, key, times] = words[..] else { panic!("{line}") };
        let number = |word: &str| (word != "-").then(|| word.parse::<u16>().unwrap());
        let event = Event {
            transport: Transport::from_name(transport).unwrap(),
            opcode: opcode.parse().unwrap(),
            outcome: if rcode == "-" { Outcome::Dropped } else { Outcome::Error },
            rcode: number(rcode),
            tsig_error: number(tsig),
            tkey_error: number(tkey),
            ede: if rcode == "3" { Arc::new([Ede { code: 15, text: "".into() }]) } else { Arc::new([]) },
            key: (key != "-").then(|| key.into()),
            ..event(client, "www.example.com")
        };
        events.extend((0..times.parse::<usize>().unwrap()).map(|_| event.clone()));
    }
    events
}

/// The routes over a log of their own.
pub(crate) struct Server {
    pub(crate) desk: Desk,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Over the log at the top of this file.
    pub(crate) async fn start() -> Server {
        Server::with(events()).await
    }

    /// Over these events.
    pub(crate) async fn with(events: Vec<Event>) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let settings = store::Settings {
            folder: folder.path().to_owned(),
            keep_age: None,
            keep_bytes: None,
            segment_rows: 1_000_000,
            segment_age: Duration::from_secs(3_600),
            sync_every: Duration::from_millis(200),
            ..store::Settings::default()
        };
        let (store, _) = store::Store::open(settings).unwrap();
        let (memory_bytes, search_bytes) = (64 << 20, 64 << 20);
        let limits = search::Limits { memory_bytes, search_bytes, time: Duration::from_secs(60), concurrent: 2 };
        let desk = Desk {
            searcher: search::Searcher::new(store.clone(), limits),
            store,
            chores: Arc::new(tokio::sync::Semaphore::new(1)),
            sessions: Arc::new(Sessions::new(TOKEN, |_| ()).unwrap()),
            status: Arc::new(|| panic!("no test asks for the status")),
            lines: Arc::new(|name| api::LinesReply {
                domain: name.text(),
                action: "block".to_owned(),
                list: Some("ads".to_owned()),
                rule: Some("*.ads.example".to_owned()),
                lists: Vec::new(),
            }),
            metrics: Arc::new(String::new),
            now_micros: || NOW,
        };
        let server = Server { desk, _folder: folder };
        server.offer(events).await;
        server
    }

    /// Puts events into the log and waits until they can be searched.
    pub(crate) async fn offer(&self, events: Vec<Event>) {
        let mut feed = self.desk.store.subscribe();
        let mut sender = self.desk.store.sender();
        let mut left = events.len();
        events.into_iter().for_each(|event| event::Sink::offer(&mut sender, event));
        while left > 0 {
            left -= feed.recv().await.unwrap().num_rows();
        }
    }

    /// Asks; the reply's body is left to be read.
    pub(crate) async fn open(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Response {
        let mut request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
        request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        router(self.desk.clone()).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
    }

    /// Status and body of a reply.
    pub(crate) async fn send(&self, method: Method, path: &str, body: String) -> (StatusCode, Vec<u8>) {
        let reply = self.open(method, path, &[], body).await;
        let status = reply.status();
        (status, reply.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// Status and body of what is got.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.send(Method::GET, path, String::new()).await
    }

    /// What is got, as the API's type.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        Json::<T>::from_bytes(&body).unwrap().0
    }

    /// What is wrong with a request, which has to be refused so.
    pub(crate) async fn refused(&self, path: &str, status: StatusCode) -> api::Problem {
        let (got, body) = self.get(path).await;
        assert_eq!(got, status, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

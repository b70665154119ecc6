//! The code endpoints as a client meets them, over a log with a known event of each kind.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use event::{Action, CacheState, Ede, Event, Flags, Outcome, Transport};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;
use wire::code::CODES;

use super::*;
use crate::{Sessions, router};

const NOW: i64 = 1_800_000_000_000_000;
const TOKEN: &str = "a-token-for-tests";

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

fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for line in LOG.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [client, transport, opcode, rcode, tsig, tkey, key, times] = words[..] else { panic!("{line}") };
        let number = |word: &str| (word != "-").then(|| word.parse::<u16>().unwrap());
        let event = Event {
            time_micros: NOW - 60_000_000,
            client: client.parse().unwrap(),
            client_port: 4242,
            transport: Transport::from_name(transport).unwrap(),
            opcode: opcode.parse().unwrap(),
            domain: Some("www.example.com".into()),
            qtype: 1,
            qclass: 1,
            flags: Flags::RD,
            outcome: if rcode == "-" { Outcome::Dropped } else { Outcome::Error },
            rcode: number(rcode),
            tsig_error: number(tsig),
            tkey_error: number(tkey),
            ede: if rcode == "3" { Arc::new([Ede { code: 15, text: "".into() }]) } else { Arc::new([]) },
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
            key: (key != "-").then(|| key.into()),
            update: None,
            latency_micros: 100,
            query_size: 40,
            reply_size: 40,
            tenant: None,
            node: None,
        };
        events.extend((0..times.parse::<usize>().unwrap()).map(|_| event.clone()));
    }
    events
}

struct Server {
    desk: Desk,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Server {
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
        let mut feed = store.subscribe();
        let mut sender = store.sender();
        let events = events();
        let mut left = events.len();
        events.into_iter().for_each(|event| event::Sink::offer(&mut sender, event));
        while left > 0 {
            left -= feed.recv().await.unwrap().num_rows();
        }
        let (memory_bytes, search_bytes) = (64 << 20, 64 << 20);
        let limits = search::Limits { memory_bytes, search_bytes, time: Duration::from_secs(60), concurrent: 2 };
        let desk = Desk {
            searcher: search::Searcher::new(store.clone(), limits),
            store,
            sessions: Arc::new(Sessions::new(TOKEN, |_| ()).unwrap()),
            status: Arc::new(|| panic!("no test asks for the status")),
            metrics: Arc::new(String::new),
            now_micros: || NOW,
        };
        Server { desk, _folder: folder }
    }

    async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let request = Request::get(format!("/api/v1/{path}")).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let reply = router(self.desk.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = reply.status();
        (status, reply.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        Json::<T>::from_bytes(&body).unwrap().0
    }
}

fn told(facet: &Facet) -> String {
    let values = facet.values.iter().filter(|value| value.count > 0);
    values.map(|value| format!("{}={}", value.value, value.count)).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_registry_is_served_whole() {
    let server = Server::start().await;
    let reply: CodesReply = server.read("codes").await;
    assert_eq!(reply, registry());
    assert_eq!((reply.codes.len(), reply.ranges.len(), reply.ede.len()), (CODES.len(), 5, 35));
    // Transports are written as the log and the search know them.
    for code in &reply.codes {
        assert!(code.transports.iter().all(|name| Transport::from_name(name).is_some()), "{}", code.name);
        assert!(code.places.iter().all(|place| event::schema().field_with_name(&place.column).is_ok()));
    }
}

#[tokio::test]
async fn one_code_with_what_the_log_has_of_it() {
    let server = Server::start().await;
    let reply: CodeReply = server.read("codes/badsig").await;
    assert_eq!(reply.codes.iter().map(|code| code.name.as_str()).collect::<Vec<_>>(), ["BADSIG"]);
    assert_eq!((reply.total, reply.of, reply.search.as_str()), (3, 17, "code:BADSIG"));
    let places: Vec<(&str, u64)> = reply.places.iter().map(|place| (place.place.as_str(), place.count)).collect();
    assert_eq!(places, [("TSIG error", 2), ("TKEY error", 1)]);
    for place in &reply.places {
        let found: api::RowsReply =
            server.read(&format!("log/rows?q={}", place.search.replace(' ', "%20").replace('>', "%3E"))).await;
        assert_eq!(found.rows.len() as u64, place.count, "{}", place.search);
    }
    let counts: Vec<String> = reply.counts.iter().map(|facet| format!("{}: {}", facet.field, told(facet))).collect();
    assert_eq!(
        counts,
        ["transport: tcp=3", "opcode: UPDATE=2 QUERY=1", "outcome: error=3", "action: pass=3", "ede: =3"]
    );
    let top: Vec<String> = reply.top.iter().map(|facet| format!("{}: {}", facet.field, told(facet))).collect();
    assert_eq!(top, ["client: 192.0.2.2=3", "domain: www.example.com=3", "upstream: =3", "key: ddns=3"]);
    let lines: Vec<(&str, u64)> = reply.trend.lines.iter().map(|line| (line.value.as_str(), line.total)).collect();
    assert_eq!(lines, [("BADSIG", 3)]);
    assert_eq!(reply.rows.len(), 3);
    assert!(reply.rows.iter().all(|row| row.code.as_deref() == Some("BADSIG") && row.key.as_deref() == Some("ddns")));
}

#[tokio::test]
async fn a_number_gives_all_that_share_it() {
    let server = Server::start().await;
    let both: CodeReply = server.read("codes/16?rows=2").await;
    assert_eq!(both.codes.iter().map(|code| code.name.as_str()).collect::<Vec<_>>(), ["BADVERS", "BADSIG"]);
    assert_eq!((both.total, both.places.len(), both.rows.len(), both.unnamed), (7, 3, 2, None));
    let private: CodeReply = server.read("codes/4001").await;
    assert_eq!((private.total, private.codes.len()), (1, 0));
    assert_eq!(private.unnamed.map(|range| range.name).as_deref(), Some("private use"));
    let named: CodeReply = server.read("codes/CODE4001?q=client:192.0.2.1").await;
    assert_eq!((named.total, named.of), (0, 8));
    let unseen: CodeReply = server.read("codes/DSOTYPENI?from=now-5m").await;
    assert_eq!((unseen.total, unseen.trend.lines.len(), unseen.rows.len()), (0, 0, 0));
    for (path, status) in [
        ("codes/BADTRUNK", StatusCode::NOT_FOUND),
        ("codes/70000", StatusCode::NOT_FOUND),
        ("codes/BADSIG?q=cod:1", StatusCode::UNPROCESSABLE_ENTITY),
        ("codes/BADSIG?from=now&to=now-1h", StatusCode::UNPROCESSABLE_ENTITY),
        ("codes/matrix?by=ede", StatusCode::UNPROCESSABLE_ENTITY),
        ("codes/matrix?by=nonsense", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(server.get(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn the_matrix_has_a_row_for_every_code() {
    let server = Server::start().await;
    let reply: MatrixReply = server.read("codes/matrix?by=src&n=2").await;
    assert_eq!((reply.by.as_str(), reply.total, reply.other), ("client", 17, 3));
    let columns: Vec<(&str, u64)> = reply.columns.iter().map(|column| (column.value.as_str(), column.count)).collect();
    assert_eq!(columns, [("192.0.2.1", 8), ("192.0.2.3", 6)]);
    let names: Vec<&str> = reply.rows.iter().map(|row| row.value.as_str()).collect();
    let table: Vec<&str> = CODES.iter().map(|info| info.name).chain(["CODE4001", ""]).collect();
    assert_eq!(names, table);
    let seen: Vec<String> = reply
        .rows
        .iter()
        .filter(|row| row.total > 0)
        .map(|row| format!("{}: {:?} {} of {}", row.value, row.counts, row.other, row.total))
        .collect();
    assert_eq!(
        seen,
        [
            "NOERROR: [5, 0] 0 of 5",
            "NXDOMAIN: [3, 0] 0 of 3",
            "BADVERS: [0, 4] 0 of 4",
            "BADSIG: [0, 0] 3 of 3",
            "CODE4001: [0, 1] 0 of 1",
            ": [0, 1] 0 of 1",
        ]
    );
    let keys: MatrixReply = server.read("codes/matrix?by=key&q=opcode:UPDATE").await;
    assert_eq!((keys.columns[0].value.as_str(), keys.total), ("ddns", 2));
    let fallback: MatrixReply = server.read("codes/matrix").await;
    assert_eq!(fallback.by, "client");
}

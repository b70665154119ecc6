//! Questions as a client asks them, over a log with a known event of each kind.

use api::{AroundReply, CompareReply, DistinctReply, ExplainReply, QuantilesReply, RowsReply, RunningSearch, SqlReply};
use axum::Json;
use axum::http::{Method, StatusCode};
use event::Event;
use serde_json::json;

use crate::fixture::{NOW, Server, event};

#[tokio::test]
async fn distinct_values_in_all_and_for_each() {
    let server = Server::start().await;
    let all: DistinctReply = server.read("log/distinct?field=src").await;
    assert_eq!((all.field.as_str(), all.by, all.values[0].distinct, all.error), ("client", None, 3, 0.0));
    let each: DistinctReply = server.read("log/distinct?field=code&by=client&n=2").await;
    let told: Vec<(&str, u64)> = each.values.iter().map(|value| (value.value.as_str(), value.distinct)).collect();
    assert_eq!(told, [("192.0.2.1", 2), ("192.0.2.3", 2)]);
    assert_eq!((each.by.as_deref(), each.others), (Some("client"), 1));
    let none: DistinctReply = server.read("log/distinct?field=client&q=domain:nowhere.example").await;
    assert_eq!(none.values.iter().map(|value| value.distinct).sum::<u64>(), 0);
}

#[tokio::test]
async fn quantiles_are_in_the_units_of_the_api() {
    let slow = |latency_micros: u32| Event { latency_micros, ..event("192.0.2.1", "www.example.com") };
    let server = Server::with((1..=100).map(|part| slow(part * 1000)).collect()).await;
    let reply: QuantilesReply = server.read("log/quantiles").await;
    assert_eq!(
        (reply.field.as_str(), reply.unit.as_str(), reply.parts.as_slice()),
        ("latency", "ms", &[0.5, 0.9, 0.95, 0.99][..])
    );
    assert_eq!((reply.values[0].count, reply.values[0].quantiles.as_slice()), (100, &[50.0, 90.0, 95.0, 99.0][..]));
    let sizes: QuantilesReply = server.read("log/quantiles?field=query_size&parts=0,%201&by=client").await;
    assert_eq!((sizes.unit.as_str(), sizes.values[0].value.as_str()), ("bytes", "192.0.2.1"));
    assert_eq!(sizes.values[0].quantiles, [40.0, 40.0]);
}

#[tokio::test]
async fn what_changed_since_the_time_before() {
    let before = |client: &str| Event { time_micros: NOW - 5_000_000_000, ..event(client, "www.example.com") };
    let server = Server::with(vec![
        before("192.0.2.1"),
        before("192.0.2.1"),
        event("192.0.2.1", "www.example.com"),
        event("192.0.2.2", "www.example.com"),
        event("192.0.2.2", "www.example.com"),
    ])
    .await;
    let reply: CompareReply = server.read("log/compare?field=client").await;
    let told: Vec<(&str, u64, u64)> =
        reply.changes.iter().map(|change| (change.value.as_str(), change.before, change.now)).collect();
    assert_eq!(told, [("192.0.2.2", 0, 2), ("192.0.2.1", 2, 1)]);
    assert_eq!((reply.now_total, reply.before_total, reply.missed), (3, 2, 0));
    assert_eq!(reply.before.to, reply.range.from);
}

#[tokio::test]
async fn what_a_client_did_around_an_event() {
    let at = |second: i64, client: &str| Event {
        time_micros: NOW - 60_000_000 + second * 1_000_000,
        ..event(client, &format!("n{second}.example"))
    };
    let server =
        Server::with((0..20).map(|second| at(second, ["192.0.2.1", "192.0.2.2"][second as usize % 2])).collect()).await;
    let rows: RowsReply = server.read("log/rows?q=domain:n10.example").await;
    let id = &rows.rows[0].id;
    let reply: AroundReply = server.read(&format!("log/around/{id}?before=2&after=1")).await;
    let names: Vec<&str> = reply.rows.iter().filter_map(|row| row.domain.as_deref()).collect();
    assert_eq!(names, ["n12.example", "n10.example", "n8.example", "n6.example"]);
    assert_eq!((&reply.id, reply.client.as_str()), (id, "192.0.2.1"));
    server.refused("log/around/1-1", StatusCode::NOT_FOUND).await;
    server.refused("log/around/nonsense", StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_sets_a_selection_apart() {
    let mut events: Vec<Event> =
        (0..200).map(|number| event(&format!("192.0.2.{number}"), "www.example.com")).collect();
    events.extend((0..100).map(|_| Event { rcode: Some(2), ..event("198.51.100.7", "broken.example") }));
    let server = Server::with(events).await;
    let reply: ExplainReply = server.read("log/explain?q=code:SERVFAIL&fields=code,client,reg_domain").await;
    assert_eq!((reply.inside, reply.outside, reply.given.as_slice()), (100, 200, &["code".to_owned()][..]));
    let terms: Vec<&str> = reply.findings.iter().map(|finding| finding.value.as_str()).collect();
    assert!(terms.contains(&"198.51.100.7") && terms.contains(&"broken.example"), "{terms:?}");
    assert!(reply.findings.iter().all(|finding| finding.inside_share == 1.0 && finding.outside_share == 0.0));
    assert_eq!(reply.base_range.to, reply.range.to);
    let problem = server.refused("log/explain?base=cod:1", StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(problem.faults[0].suggestion.as_deref(), Some("code"));
}

#[tokio::test]
async fn one_select_and_nothing_else() {
    let server = Server::start().await;
    let ask = async |body: serde_json::Value| server.send(Method::POST, "log/sql", body.to_string()).await;
    let text = "SELECT client, count(*) AS events FROM events GROUP BY client ORDER BY events DESC";
    let (status, body) = ask(json!({"sql": text, "rows": 2})).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let reply = Json::<SqlReply>::from_bytes(&body).unwrap().0;
    assert_eq!(reply.columns, ["client", "events"]);
    assert_eq!(reply.rows, [vec![json!("192.0.2.1"), json!(8)], vec![json!("192.0.2.3"), json!(6)]]);
    assert!(reply.more);
    let (_, body) = ask(json!({"sql": "SELECT count(*) FROM events", "from": "now-30s"})).await;
    assert_eq!(Json::<SqlReply>::from_bytes(&body).unwrap().0.rows, [[json!(0)]]);
    for text in ["DROP TABLE events", "SELECT cleint FROM events", "SELECT 1; SELECT 2", ""] {
        let (status, body) = ask(json!({"sql": text})).await;
        let problem: api::Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, problem.faults.len()), (StatusCode::UNPROCESSABLE_ENTITY, 1), "{text}: {problem:?}");
    }
    let (status, _) = server.send(Method::POST, "log/sql", "{".to_owned()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn running_searches_are_listed_and_ended() {
    let server = Server::start().await;
    let none: Vec<RunningSearch> = server.read("log/searches").await;
    assert_eq!(none, []);
    let stream = server.open(Method::GET, "log/export?q=code:NXDOMAIN", &[], String::new()).await;
    let running: Vec<RunningSearch> = server.read("log/searches").await;
    assert_eq!((running.len(), running[0].kind.as_str(), running[0].search.as_str()), (1, "stream", "code:NXDOMAIN"));
    let (status, _) = server.send(Method::DELETE, &format!("log/searches/{}", running[0].id), String::new()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    drop(stream);
    for id in ["999", "x"] {
        let (status, _) = server.send(Method::DELETE, &format!("log/searches/{id}"), String::new()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn what_is_said_wrongly_is_refused() {
    let server = Server::with(Vec::new()).await;
    for path in [
        "log/distinct?field=nonsense",
        "log/distinct?field=client&by=nonsense",
        "log/quantiles?field=domain",
        "log/quantiles?parts=2",
        "log/quantiles?parts=half",
        "log/compare?field=latency",
        "log/explain?fields=nonsense",
    ] {
        server.refused(path, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
}

#[tokio::test]
async fn what_may_stand_in_a_search() {
    let server = Server::with(Vec::new()).await;
    let reply: api::CompleteReply = server.read("log/complete?q=-cod").await;
    assert_eq!((reply.start, reply.end, reply.proposals[0].text.as_str()), (1, 4, "code:"));
    assert_eq!(reply.proposals[0].kind, "field");
    let reply: api::CompleteReply = server.read("log/complete?q=domain:x&at=7").await;
    assert_eq!(reply.values_of.as_deref(), Some("domain"));
    let long = "x".repeat(search::TEXT_BYTES_MAX + 1);
    server.refused(&format!("log/complete?q={long}"), StatusCode::UNPROCESSABLE_ENTITY).await;
}

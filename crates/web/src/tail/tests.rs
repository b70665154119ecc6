//! The live tail as a page meets it.

use api::TailRows;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use event::Event;
use http_body_util::BodyExt as _;

use crate::fixture::{NOW, Server, event};

/// A page that listens.
struct Page {
    body: Body,
    text: String,
}

impl Page {
    async fn open(server: &Server, query: &str, last_id: Option<&str>) -> Page {
        let headers: Vec<(&str, &str)> = last_id.into_iter().map(|id| ("last-event-id", id)).collect();
        let reply = server.open(Method::GET, &format!("log/tail?{query}"), &headers, String::new()).await;
        assert_eq!(reply.status(), StatusCode::OK, "{query}");
        Page { body: reply.into_body(), text: String::new() }
    }

    /// The next send: its id, the names in it, oldest first, and how many were skipped.
    async fn next(&mut self) -> (String, Vec<String>, u64) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |head: &str| event.lines().find_map(|line| line.strip_prefix(head)).map(str::trim);
                let told = line("data:").map(|data| serde_json::from_str::<TailRows>(data).unwrap());
                let id = line("id:").unwrap_or_default().to_owned();
                let rest = rest.to_owned();
                self.text = rest;
                let Some(told) = told else { continue };
                let names = told.rows.iter().rev().filter_map(|row| row.domain.clone()).collect();
                return (id, names, told.skipped);
            }
            let frame = self.body.frame().await.unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

fn events(names: impl IntoIterator<Item = u32>) -> Vec<event::Event> {
    names.into_iter().map(|name| event("192.0.2.1", &format!("n{name}.example"))).collect()
}

fn names(names: impl IntoIterator<Item = u32>) -> Vec<String> {
    names.into_iter().map(|name| format!("n{name}.example")).collect()
}

#[tokio::test]
async fn the_newest_come_first_and_then_what_happens() {
    let server = Server::with(events(0..20)).await;
    let mut page = Page::open(&server, "last=3", None).await;
    assert_eq!(page.next().await.1, names(17..20));
    server.offer(events([20])).await;
    let (id, told, skipped) = page.next().await;
    assert_eq!((told, skipped), (names([20]), 0));
    assert!(!id.is_empty());
}

#[tokio::test]
async fn a_page_that_comes_back_gets_what_it_missed_once() {
    let server = Server::with(events(0..3)).await;
    let mut page = Page::open(&server, "last=1", None).await;
    let (id, ..) = page.next().await;
    drop(page);
    server.offer(events(3..8)).await;
    let mut page = Page::open(&server, "q=-domain:n5.example", Some(&id)).await;
    assert_eq!(page.next().await.1, names([3, 4, 6, 7]));
    server.offer(events([8])).await;
    assert_eq!(page.next().await.1, names([8]));
    // An id that is none of ours is as good as none.
    let mut page = Page::open(&server, "last=1", Some("nonsense")).await;
    assert_eq!(page.next().await.1, names([8]));
}

#[tokio::test]
async fn what_is_too_much_to_send_is_counted() {
    let server = Server::with(events([0])).await;
    let mut page = Page::open(&server, "last=1", None).await;
    let (id, ..) = page.next().await;
    server.offer(events(1..1101)).await;
    let mut back = Page::open(&server, "", Some(&id)).await;
    let (_, told, skipped) = back.next().await;
    assert_eq!((told.len(), skipped), (1000, 100));
    assert_eq!(told[0], "n101.example");
}

#[tokio::test]
async fn what_is_beyond_one_search_is_counted_too() {
    let at = |number: u32| Event { time_micros: NOW - 60_000_000 + i64::from(number), ..events([number]).remove(0) };
    let server = Server::with(vec![at(0)]).await;
    let mut page = Page::open(&server, "last=1", None).await;
    let (id, ..) = page.next().await;
    server.offer((1..11_001).map(at).collect()).await;
    let mut back = Page::open(&server, "", Some(&id)).await;
    let (_, told, skipped) = back.next().await;
    assert_eq!((told.len(), skipped), (1000, 10_000));
}

#[tokio::test]
async fn what_went_by_before_the_first_one_seen_is_told() {
    let server = Server::with(Vec::new()).await;
    let mut page = Page::open(&server, "", None).await;
    // The feed keeps 256 batches for a page that does not read.
    for name in 0..300 {
        server.offer(events([name])).await;
    }
    let (_, _, skipped) = page.next().await;
    assert!(skipped >= 300 - 256, "{skipped}");
}

#[tokio::test]
async fn the_newest_are_looked_for_within_a_day() {
    let day = 86_400_000_000;
    let old = Event { time_micros: NOW - day - 1, ..events([0]).remove(0) };
    let server = Server::with([vec![old], events([1])].concat()).await;
    assert_eq!(Page::open(&server, "last=3", None).await.next().await.1, names([1]));
}

#[tokio::test]
async fn a_page_whose_search_hits_a_limit_gets_what_comes() {
    let mut server = Server::with(events(0..3)).await;
    let time = std::time::Duration::ZERO;
    let limits = search::Limits { memory_bytes: 64 << 20, search_bytes: 1, time, concurrent: 2 };
    server.desk.searcher = search::Searcher::new(server.desk.store.clone(), limits);
    let mut page = Page::open(&server, "last=3", None).await;
    server.offer(events([3])).await;
    assert_eq!(page.next().await.1, names([3]));
}

//! Files as a client gets them.

use axum::http::{HeaderMap, Method};
use event::Event;
use http_body_util::BodyExt as _;

use super::*;
use crate::fixture::{NOW, Server, event};

struct File {
    headers: HeaderMap,
    octets: Vec<u8>,
}

async fn file(server: &Server, query: &str) -> File {
    let reply = server.open(Method::GET, &format!("log/export?{query}"), &[], String::new()).await;
    assert_eq!(reply.status(), StatusCode::OK, "{query}");
    let headers = reply.headers().clone();
    File { headers, octets: reply.into_body().collect().await.unwrap().to_bytes().to_vec() }
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn lines(&self) -> Vec<&str> {
        std::str::from_utf8(&self.octets).unwrap().lines().collect()
    }
}

/// Ten seconds of a client, an event each.
fn seconds(count: i64) -> Vec<Event> {
    let at = |second: i64| Event {
        time_micros: NOW - 60_000_000 + second * 1_000_000,
        ..event("192.0.2.1", &format!("n{second}.example"))
    };
    (0..count).map(at).collect()
}

#[tokio::test]
async fn csv_has_a_heading_and_a_line_for_each_event() {
    let server = Server::start().await;
    let all = file(&server, "").await;
    assert_eq!(all.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(all.header("x-total-rows"), "17");
    let name = "attachment; filename=\"nameward-20270115T070000Z-20270115T080000Z.csv\"";
    assert_eq!(all.header("content-disposition"), name);
    assert_eq!(all.lines().len(), 18);
    let mut reader = csv::Reader::from_reader(&*all.octets);
    let heads = reader.headers().unwrap().clone();
    let mut signed = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |name: &str| &record[heads.iter().position(|head| head == name).unwrap()];
        assert_eq!(cell("domain"), "www.example.com");
        if cell("code") == "NXDOMAIN" {
            assert_eq!(cell("ede"), "15 Blocked");
        }
        signed += u32::from(cell("code") == "BADSIG" && cell("key") == "ddns" && cell("tsig_error") == "16");
    }
    assert_eq!(signed, 2);
    let none = file(&server, "q=domain:nowhere.example").await;
    assert_eq!((none.lines().len(), none.header("x-total-rows")), (1, "0"));
}

#[tokio::test]
async fn hostile_texts_stay_in_their_cells() {
    let hostile = Event {
        answer: Some("=cmd|' /C calc'!A0".into()),
        rule: Some("a,b\"c\r\nd".into()),
        list: Some("@list".into()),
        ..event("192.0.2.1", "-1+1.example")
    };
    let server = Server::with(vec![hostile]).await;
    let file = file(&server, "format=csv").await;
    assert_eq!(file.lines().len(), 2);
    let record = csv::Reader::from_reader(&*file.octets).records().next().unwrap().unwrap();
    let cells: Vec<&str> = record.iter().collect();
    for cell in ["'=cmd|' /C calc'!A0", "a,b\"c\\u{d}\\u{a}d", "'@list", "'-1+1.example"] {
        assert!(cells.contains(&cell), "{cell} in {cells:?}");
    }
}

#[tokio::test]
async fn ndjson_is_what_rows_gives_in_the_order_asked_for() {
    let server = Server::with(seconds(30)).await;
    let newest = file(&server, "format=ndjson").await;
    let reply: api::RowsReply = server.read("log/rows").await;
    let lines: Vec<api::EventRow> = newest.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, reply.rows);
    let oldest = file(&server, "format=ndjson&order=oldest").await;
    let turned: Vec<&str> = oldest.lines().into_iter().rev().collect();
    assert_eq!(turned, newest.lines());
    let few = file(&server, "format=ndjson&limit=3&order=oldest").await;
    assert_eq!((few.header("x-total-rows"), few.lines()), ("3", oldest.lines()[..3].to_vec()));
}

#[tokio::test]
async fn parquet_holds_the_columns_of_the_log() {
    let server = Server::with(seconds(30)).await;
    let file = file(&server, "format=parquet&q=-domain:n7.example").await;
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file.octets));
    let batches: Vec<event::Batch> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
    let rows: Vec<event::Row> = batches.iter().flat_map(|batch| event::rows(batch).unwrap()).collect();
    assert_eq!(rows.len(), 29);
    assert_eq!(rows[0].domain.as_deref(), Some("n29.example"));
    let nothing = Form::Parquet.writer().unwrap().finish().unwrap();
    assert!(nothing.starts_with(b"PAR1") && nothing.ends_with(b"PAR1"));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_search() {
    let server = Server::with(seconds(30)).await;
    let reply = server.open(Method::GET, "log/export?format=ndjson", &[], String::new()).await;
    assert_eq!(server.desk.searcher.running().len(), 1);
    drop(reply);
    assert_eq!(server.desk.searcher.running(), []);
}

#[tokio::test]
async fn a_search_that_breaks_off_leaves_no_end_of_the_file() {
    let mut builder = event::Builder::new(0);
    builder.push(&event("192.0.2.1", "www.example.com"));
    for form in Form::ALL {
        let batches = vec![Ok(builder.finish()), Err(SearchError::Cancelled)];
        let export = Export { batches: stream::iter(batches).boxed(), left: u64::MAX, writer: form.writer().ok() };
        let octets: Vec<io::Result<Bytes>> = written(export).collect().await;
        assert!(octets.last().unwrap().is_err(), "{}", form.name());
        let sent: Vec<u8> = octets.into_iter().flatten().flatten().collect();
        assert!(!sent.ends_with(b"PAR1") || sent.len() == 4, "{}", form.name());
    }
}

#[tokio::test]
async fn what_is_said_wrongly_is_refused_before_the_file_begins() {
    let server = Server::with(Vec::new()).await;
    for (query, told) in [
        ("format=xlsx", "no format \"xlsx\": there are csv, ndjson and parquet"),
        ("order=up", "no order \"up\": there are newest and oldest"),
        ("from=now&to=now-1h", "the range ends before it begins"),
        ("q=cod:1", "no field `cod`"),
    ] {
        let problem = server.refused(&format!("log/export?{query}"), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem.detail, told, "{query}");
        assert_eq!(problem.faults.is_empty(), query != "q=cod:1");
    }
}

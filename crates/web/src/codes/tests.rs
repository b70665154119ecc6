//! The code endpoints as a client meets them, over a log with a known event of each kind.

use axum::http::StatusCode;
use event::Transport;
use wire::code::CODES;

use super::*;
use crate::fixture::Server;

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

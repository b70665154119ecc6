//! Outputs, tenants and privacy as configured: what a collector gets, and what the log keeps, of a real server's queries.

#![allow(clippy::unwrap_used)]

use std::io::BufReader;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use nameward::config;
use nameward::serve::House;

const WITHIN: Duration = Duration::from_secs(20);

fn ask(server: std::net::SocketAddr, client: u8, name: &str) {
    let socket = UdpSocket::bind(format!("127.0.0.{client}:0")).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    socket.send_to(&query, server).unwrap();
    socket.recv(&mut [0; 512]).unwrap();
}

/// The next message of a stream with counted octets (RFC 6587 §3.4.1).
fn message(stream: &mut impl std::io::BufRead) -> String {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).unwrap();
    let length: usize = String::from_utf8(length).unwrap().trim().parse().unwrap();
    let mut text = vec![0; length];
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_collector_gets_what_its_search_wants_and_nothing_that_privacy_leaves_out() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let state = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
[listen]
dns = ["127.0.0.1:0"]
threads = 1
[web]
listen = ""
[log]
node = "ns7"
[[upstream]]
servers = ["127.0.0.1:9"]
[[zone]]
name = "home.example"
records = ["@ 60 SOA ns1 host 1 3600 600 86400 60", "@ 60 NS ns1", "ns1 60 A 192.0.2.1", "www 60 A 192.0.2.2"]
[[tenant]]
name = "office"
networks = ["127.0.0.2"]
[[tenant]]
name = "guests"
networks = ["127.0.0.3"]
privacy = "truncated"
[[output]]
name = "siem"
to = "syslog+tcp://{collector}"
format = "json"
search = "domain:home.example code:NXDOMAIN"
"#,
        collector = collector.local_addr().unwrap()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = House::open(config::read(&text, state.path()).unwrap(), state.path(), &runtime).unwrap();
    let server = house.dns_addresses()[0];
    ask(server, 2, "www.home.example");
    ask(server, 2, "office.home.example");
    ask(server, 3, "guest.home.example");

    let (stream, _) = collector.accept().unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let mut stream = BufReader::new(stream);
    let (office, guest) = (message(&mut stream), message(&mut stream));
    for wanted in ["ns7", "\"domain\":\"office.home.example\"", "\"client\":\"127.0.0.2\"", "\"tenant\":\"office\""] {
        assert!(office.contains(wanted), "{wanted}: {office}");
    }
    for wanted in ["\"domain\":\"guest.home.example\"", "\"client\":\"127.0.0.0\"", "\"tenant\":\"guests\""] {
        assert!(guest.contains(wanted), "{wanted}: {guest}");
    }

    // The log has all three, and the guest's address in none.
    let rows = runtime.block_on(async {
        let all = search::Window { from: 0, to: i64::MAX };
        house.searcher().rows(&search::parse("").unwrap(), all, None, 10).await.unwrap()
    });
    let clients: Vec<String> = rows.iter().map(|row| row.client.to_string()).collect();
    assert_eq!(clients, ["127.0.0.0", "127.0.0.2", "127.0.0.2"]);
    house.close(&runtime);
}

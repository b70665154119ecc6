//! The Internet asked over real sockets, as a resolver and as a resolver's client would.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder, Name};
use lab::Internet;
use lab::internet::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

/// Longer than anything here should take; a wait that reaches it is a failure.
const LIMIT: Duration = Duration::from_secs(20);
const ID: u16 = 4711;

/// A small Internet. Its resolvers wait long enough for a busy machine; two zones that never answer cost that wait.
async fn internet() -> Internet {
    let settings = Settings {
        site_count: 60,
        slow: Duration::from_millis(40)..=Duration::from_millis(60),
        step_timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    Internet::start(settings).await.unwrap()
}

fn query(name: &str, qtype: Rtype, udp_bytes: Option<u16>) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(ID);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((Name::vec_from_str(name).unwrap(), qtype)).unwrap();
    let mut additional = question.additional();
    if let Some(bytes) = udp_bytes {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(bytes);
                Ok(())
            })
            .unwrap();
    }
    additional.finish()
}

async fn exchange_udp(server: SocketAddr, query: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(query, server).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let (len, _) = timeout(patience, socket.recv_from(&mut buffer)).await.ok()?.unwrap();
    Some(buffer[..len].to_vec())
}

async fn exchange_tcp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_u16(query.len() as u16).await.unwrap();
        stream.write_all(query).await.unwrap();
        let len = stream.read_u16().await.unwrap();
        let mut reply = vec![0; usize::from(len)];
        stream.read_exact(&mut reply).await.unwrap();
        reply
    };
    timeout(LIMIT, exchange).await.unwrap()
}

/// A reply as a line of text: code, flags, and the number of records in each section.
fn describe(reply: &[u8]) -> String {
    let message = Message::from_slice(reply).unwrap();
    let header = message.header();
    let counts = message.header_counts();
    let mut text = header.rcode().to_string();
    for (set, flag) in [(header.aa(), "aa"), (header.tc(), "tc"), (header.ra(), "ra")] {
        if set {
            text.push(' ');
            text.push_str(flag);
        }
    }
    let opt = u16::from(message.opt().is_some());
    format!("{text} {}/{}/{}", counts.ancount(), counts.nscount(), counts.arcount() - opt)
}

fn extended(reply: &[u8]) -> Vec<u16> {
    let message = Message::from_slice(reply).unwrap();
    let Some(opt) = message.opt() else { return Vec::new() };
    opt.opt().iter::<ExtendedError<_>>().map(|error| error.unwrap().code().to_int()).collect()
}

fn records(reply: &[u8]) -> Vec<String> {
    let message = Message::from_slice(reply).unwrap();
    let answer = message.answer().unwrap().into_records::<domain::rdata::AllRecordData<_, _>>();
    answer.map(|record| record.unwrap()).map(|record| format!("{} {}", record.owner(), record.data())).collect()
}

async fn ask(server: SocketAddr, name: &str, qtype: Rtype) -> Vec<u8> {
    exchange_udp(server, &query(name, qtype, Some(1232)), LIMIT).await.expect("no reply")
}

/// Asks and compares with what [`describe`] says.
async fn check(server: SocketAddr, table: &[(&str, Rtype, &str)]) {
    for (name, qtype, expected) in table {
        let reply = ask(server, name, *qtype).await;
        assert_eq!(&describe(&reply), expected, "{name} {qtype}");
    }
}

fn at(internet: &Internet, address: [u8; 4]) -> SocketAddr {
    (Ipv4Addr::from(address), internet.root().port()).into()
}

#[tokio::test]
async fn the_root_refers_down_to_the_zone_that_answers() {
    let internet = internet().await;
    check(
        internet.root(),
        &[
            (".", Rtype::NS, "NOERROR aa 1/0/1"),
            ("www.shop.example", Rtype::A, "NOERROR 0/1/1"),
            ("nothing.here.nosuchtld", Rtype::A, "NXDOMAIN aa 0/1/0"),
        ],
    )
    .await;
    let mut server = internet.root();
    for depth in 0..2 {
        let reply = ask(server, "www.shop.example", Rtype::A).await;
        let message = Message::from_slice(&reply).unwrap();
        assert!(!message.header().aa(), "a referral at depth {depth} is not authoritative");
        let glue = message.additional().unwrap().limit_to::<domain::rdata::A>().next().unwrap().unwrap();
        server = (glue.data().addr(), internet.root().port()).into();
    }
    check(
        server,
        &[
            ("www.shop.example", Rtype::A, "NOERROR aa 1/0/0"),
            ("shop.example", Rtype::SOA, "NOERROR aa 1/0/0"),
            ("shop.example", Rtype::NS, "NOERROR aa 2/0/2"),
            ("www.shop.example", Rtype::NAPTR, "NOERROR aa 0/1/0"),
            ("no.such.shop.example", Rtype::A, "NXDOMAIN aa 0/1/0"),
            ("elsewhere.invalid", Rtype::A, "REFUSED 0/0/0"),
        ],
    )
    .await;
    internet.stop().await;
}

#[tokio::test]
async fn a_large_answer_is_cut_on_udp_and_whole_on_tcp() {
    let internet = internet().await;
    let huge = at(&internet, [127, 53, 8, 11]);
    check(huge, &[("huge.example", Rtype::TXT, "NOERROR aa tc 0/0/0")]).await;
    let whole = exchange_tcp(huge, &query("huge.example", Rtype::TXT, None)).await;
    assert_eq!(describe(&whole), "NOERROR aa 40/0/0");
    let plain = exchange_udp(huge, &query("www.huge.example", Rtype::A, None), LIMIT).await.unwrap();
    assert_eq!(describe(&plain), "NOERROR aa tc 0/0/0");
    assert!(plain.len() <= 512);

    let truncating = at(&internet, [127, 53, 8, 6]);
    check(truncating, &[("www.truncating.example", Rtype::A, "NOERROR aa tc 0/0/0")]).await;
    let whole = exchange_tcp(truncating, &query("www.truncating.example", Rtype::A, None)).await;
    assert_eq!(describe(&whole), "NOERROR aa 1/0/0");
    internet.stop().await;
}

#[tokio::test]
async fn troubled_servers_misbehave_as_the_table_says() {
    let internet = internet().await;
    check(at(&internet, [127, 53, 8, 1]), &[("www.broken.example", Rtype::A, "SERVFAIL 0/0/0")]).await;
    check(at(&internet, [127, 53, 8, 2]), &[("www.lame.example", Rtype::A, "REFUSED 0/0/0")]).await;
    check(at(&internet, [127, 53, 8, 7]), &[("www.formerr.example", Rtype::A, "FORMERR 0/0/0")]).await;
    check(at(&internet, [127, 53, 8, 8]), &[("www.notimp.example", Rtype::A, "NOTIMP 0/0/0")]).await;

    let silent = query("www.silent.example", Rtype::A, None);
    assert_eq!(exchange_udp(at(&internet, [127, 53, 8, 3]), &silent, Duration::from_millis(100)).await, None);

    let before = Instant::now();
    check(at(&internet, [127, 53, 8, 4]), &[("www.slow.example", Rtype::A, "NOERROR aa 1/0/0")]).await;
    assert!(before.elapsed() >= Duration::from_millis(40));

    let explained = ask(at(&internet, [127, 53, 8, 9]), "explaining.example", Rtype::A).await;
    assert_eq!((describe(&explained).as_str(), extended(&explained)), ("SERVFAIL 0/0/0", vec![6]));
    internet.stop().await;
}

#[tokio::test]
async fn the_liar_lies_about_id_question_and_source() {
    let internet = internet().await;
    let liar = at(&internet, [127, 53, 8, 5]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query("www.liar.example", Rtype::A, None), liar).await.unwrap();
    let mut faults = Vec::new();
    for _ in 0..3 {
        let mut buffer = [0; 512];
        let (len, from) = timeout(LIMIT, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        let message = Message::from_slice(&buffer[..len]).unwrap();
        let asked_for = message.sole_question().unwrap().qname().to_string() == "www.liar.example";
        faults.push((message.header().id() == ID, asked_for, from == liar));
    }
    faults.sort_unstable();
    assert_eq!(faults, [(false, true, true), (true, false, true), (true, true, false)]);
    internet.stop().await;
}

#[tokio::test]
async fn the_provider_finds_every_site_and_says_why_when_it_cannot() {
    let internet = internet().await;
    let [first, second] = internet.live_upstreams()[..] else { panic!("two resolvers") };
    for site in internet.catalogue().sites() {
        let reply = ask(first, &site.host("www"), Rtype::A).await;
        assert!(describe(&reply).starts_with("NOERROR ra "), "{}: {}", site.apex, describe(&reply));
        assert!(!records(&reply).is_empty(), "{} has no address", site.apex);
    }
    check(
        second,
        &[
            ("shop.example", Rtype::SOA, "NOERROR ra 1/0/0"),
            ("shop.example", Rtype::NAPTR, "NOERROR ra 0/1/0"),
            ("no.such.shop.example", Rtype::A, "NXDOMAIN ra 0/1/0"),
            ("nosuchtld", Rtype::A, "NXDOMAIN ra 0/1/0"),
            ("7.2.20.10.in-addr.arpa", Rtype::PTR, "NOERROR ra 1/0/0"),
            ("200.2.20.10.in-addr.arpa", Rtype::PTR, "NXDOMAIN ra 0/1/0"),
            ("huge.example", Rtype::TXT, "NOERROR tc ra 0/0/0"),
            ("www.truncating.example", Rtype::A, "NOERROR ra 1/0/0"),
            ("www.slow.example", Rtype::A, "NOERROR ra 1/0/0"),
        ],
    )
    .await;
    let whole = exchange_tcp(second, &query("huge.example", Rtype::TXT, None)).await;
    assert_eq!(describe(&whole), "NOERROR ra 40/0/0");
    assert_eq!(records(&ask(second, "honest.liar.example", Rtype::A).await), ["honest.liar.example 192.0.2.1"]);

    for (name, code, reasons) in [
        ("www.broken.example", Rcode::SERVFAIL, vec![23]),
        ("www.lame.example", Rcode::REFUSED, vec![23]),
        ("www.formerr.example", Rcode::FORMERR, vec![23]),
        ("www.notimp.example", Rcode::NOTIMP, vec![23]),
        ("www.silent.example", Rcode::SERVFAIL, vec![22]),
        ("www.gone.example", Rcode::SERVFAIL, vec![22]),
        ("www.liar.example", Rcode::SERVFAIL, vec![22]),
        ("www.loop.example", Rcode::SERVFAIL, vec![0]),
        ("long.loop.example", Rcode::SERVFAIL, vec![0]),
        ("explaining.example", Rcode::SERVFAIL, vec![23, 6]),
        ("stale.explaining.example", Rcode::NOERROR, vec![3]),
        ("filtered.explaining.example", Rcode::NXDOMAIN, vec![17]),
    ] {
        let reply = ask(second, name, Rtype::A).await;
        let rcode = Message::from_slice(&reply).unwrap().header().rcode();
        assert_eq!((rcode, extended(&reply)), (code, reasons), "{name}");
    }
    internet.stop().await;
}

#[tokio::test]
async fn a_name_on_a_delivery_network_is_followed_across_zones() {
    let internet = internet().await;
    let provider = internet.live_upstreams()[0];
    let catalogue = internet.catalogue();
    let delivered = catalogue.sites().iter().find_map(|site| {
        let label = site.hosts.iter().find(|label| site.is_delivered(label))?;
        Some((site.host(label), site.cdn?))
    });
    let (host, cdn) = delivered.expect("no site uses a delivery network");
    let answer = records(&ask(provider, &host, Rtype::A).await);
    assert!(answer.len() >= 2, "CNAME and address: {answer:?}");
    assert!(answer[0].trim_end_matches('.').ends_with(cdn), "{} does not lead to {cdn}", answer[0]);
    assert!(answer[1].split(' ').next().unwrap().ends_with(cdn));
    internet.stop().await;
}

#[tokio::test]
async fn the_third_resolver_is_dead() {
    let internet = internet().await;
    let upstreams = internet.upstreams();
    assert_eq!(upstreams.len(), 3);
    let silent = exchange_udp(upstreams[2], &query("shop.example", Rtype::A, None), Duration::from_millis(100)).await;
    assert_eq!(silent, None);
    internet.stop().await;
}

#[tokio::test]
async fn a_port_is_free_again_after_stop() {
    let first = internet().await;
    let port = first.root().port();
    first.stop().await;
    let again = Internet::start(Settings { port, site_count: 0, ..Settings::default() }).await.unwrap();
    assert_eq!(again.root().port(), port);
    again.stop().await;
}

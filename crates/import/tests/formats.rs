//! Each format read whole: files by others, and by hand where no program that writes them is at hand.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::Write as _;

use dnstap::MessageType;
use event::{Event, Outcome, Transport};
use import::{Format, Options, Reader, Tap, sniff};
use support::{data, events, read, shared, shown};

#[test]
fn bind() {
    let expected = [
        "2026-11-24T18:15:11.903Z 127.0.0.1#48820 udp www.example A RD,EDNS unknown -",
        "2026-11-24T18:15:11.963Z 127.0.0.1#60550 udp nosuch.example AAAA RD,CD,DO,EDNS unknown -",
        "2026-11-24T18:15:12.015Z 127.0.0.1#37605 tcp www.example MX RD unknown -",
        r"2026-11-24T18:15:12.087Z 127.0.0.1#44862 udp we\.ird\032name.example TXT EDNS unknown -",
        "2026-11-24T18:15:12.123Z 127.0.0.1#36183 udp www.example HTTPS RD,EDNS unknown - key=k.example",
    ];
    for file in ["bind.log", "bind-local.log"] {
        let mut reader = read(&data(file), file);
        assert_eq!(reader.format(), Format::Bind);
        let events = events(&mut reader);
        assert_eq!(shown(&events), expected, "{file}");
        assert_eq!(reader.tally().bad, 0, "{:?}", reader.tally());
        assert!(events.iter().all(|event| event.node.as_deref() == Some("import:bind")));
    }
}

#[test]
fn bind_of_other_ages() {
    let log = "24-Nov-2026 18:15:11 client 192.0.2.7#53311: view old: query: Example.ORG IN NS -EDC (192.0.2.53)\n\
               2026-11-24T18:15:11+01:00 client @0x1 fe80::1%eth0#9 (x): query: x CH TXT +ST (::1)\n\
               24-Nov-2026 18:15:11.5 queries: info: client @0x1 192.0.2.7#1 (x): query: x IN\n\
               24-Nov-2026 18:15:11.5 queries: info: client @0x1 192.0.2.7#1 (x): query: x IN A +";
    let mut reader = read(log.as_bytes(), "query.log");
    assert_eq!(
        shown(&events(&mut reader)),
        [
            "2026-11-24T18:15:11Z 192.0.2.7#53311 udp example.org NS CD,DO,EDNS unknown -",
            "2026-11-24T17:15:11Z fe80::1#9 tcp x TXT RD unknown -",
        ]
    );
    // The last line has no end: not bad, but not finished either.
    assert_eq!((reader.tally().bad, reader.left_out().len()), (1, 1), "{:?}", reader.tally());
    assert_eq!(reader.tally().first_bad[0].place, "line 3");
}

#[test]
fn unbound() {
    let replies = [
        "2026-11-24T18:13:33Z 127.0.0.1#0 udp www.example A  unknown NOERROR hit size=56",
        "2026-11-24T18:13:33Z 127.0.0.1#0 udp nosuch.example AAAA  error NXDOMAIN hit size=43",
        "2026-11-24T18:13:33Z 127.0.0.1#0 udp www.example MX  unknown NOERROR hit size=29",
        "2026-11-24T18:13:33Z 127.0.0.1#0 udp we?ird?name.example TXT  error NXDOMAIN hit size=48",
        "2026-11-24T18:13:33Z 127.0.0.1#0 udp refused.example A  error REFUSED hit size=44",
        "2026-11-24T18:13:34Z 127.0.0.1#0 udp - TYPE0  error FORMERR",
    ];
    let mut reader = read(&data("unbound.log"), "unbound.log");
    assert_eq!(shown(&events(&mut reader)), replies);
    assert!(reader.left_out().iter().any(|(what, count)| what.starts_with("lines of queries") && *count == 5));
    let mut tagged = read(&data("unbound-tagged.log"), "unbound.log");
    assert_eq!(shown(&events(&mut tagged)), replies[..5]);
    assert_eq!((reader.tally().bad, tagged.tally().bad), (0, 0));
}

#[test]
fn times_without_a_year_are_told_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unbound.log");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&data("unbound-queries.log")).unwrap();
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_704_067_200);
    file.set_modified(written).unwrap();
    let mut reader = Reader::open(&path, &Options::default()).unwrap();
    let events = events(&mut reader);
    assert_eq!(events.len(), 5);
    assert!(
        shown(&events)[0].starts_with("2023-11-24T18:13:33Z 127.0.0.1#0 udp www.example A"),
        "{:?}",
        shown(&events)
    );
    // A stream has no such time, but what the caller says.
    let mut reader = read(&data("unbound-queries.log"), "unbound.log");
    assert_eq!((reader.by_ref().count(), reader.tally().bad), (5, 5));
    let options = Options { until_micros: Some(1_704_067_200_000_000), ..Options::default() };
    let stream = Box::new(std::io::Cursor::new(data("unbound-queries.log")));
    let mut reader = Reader::from_read(stream, "unbound.log", &options).unwrap();
    assert_eq!(shown(&support::events(&mut reader)), shown(&events));
}

#[test]
fn dnstap_of_unbound() {
    let mut reader = read(&data("unbound.fstrm"), "-");
    assert_eq!(reader.format(), Format::Dnstap);
    let events = events(&mut reader);
    assert_eq!(reader.tally().bad, 0, "{:?}", reader.tally());
    assert_eq!(
        shown(&events).iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>(),
        [
            "127.0.0.1#48287 udp www.example A RD,AD,EDNS,AA,RA answered NOERROR answer=A 192.0.2.80 size=56",
            "127.0.0.1#59832 udp nosuch.example AAAA RD,CD,AD,DO,EDNS,AA,RA error NXDOMAIN size=43",
            "127.0.0.1#46079 tcp www.example MX RD,AD,AA,RA nodata NOERROR size=29",
            r"127.0.0.1#47776 udp we\.ird\032name.example TXT AD,EDNS,AA,RA error NXDOMAIN size=48",
            "127.0.0.1#53792 udp refused.example A RD,AD,EDNS,AA,RA error REFUSED size=44",
            "127.0.0.1#47998 udp - TYPE0 RD error FORMERR size=13",
        ]
    );
}

#[test]
fn adguard() {
    let log = concat!(
        r#"{"IP":"127.0.0.1","CID":"cli42","T":"2020-11-25T18:55:56.519796+03:00","QH":"an.example.ru","QT":"A","QC":"IN","CP":"doh","ECS":"1.2.3.0/24","Answer":"Qz+BgAABAAEAAAAAAmFuBnlhbmRleAJydQAAAQABwAwAAQABAAAACgAEAAAAAA==","Cached":true,"AD":true,"Result":{"IsFiltered":true,"Reason":3,"Rules":[{"FilterListID":42,"Text":"||an.example.ru^"}]},"Elapsed":837429}"#,
        "\n",
        r#"{"T":"2024-01-02T03:04:05Z","QH":"x.example","QT":"HTTPS","QC":"IN","CP":"","IP":"2001:db8::1","Result":{"Reason":1,"Rule":"@@||x.example^","FilterID":1},"Upstream":"https://dns.example/q","Elapsed":2000000}"#,
        "\n",
        r#"{"T":"2024-01-02T03:04:05Z","QH":"y.example","QT":"A","QC":"IN","IP":"2001:db8::1","Result":{"IsFiltered":true,"Reason":8,"ServiceName":"tube"},"Elapsed":-1}"#,
        "\n{\"T\":\n",
        r#"{"T":"yesterday","QH":"y.example","QT":"A","QC":"IN","IP":"2001:db8::1"}"#,
        "\n",
    );
    let mut reader = read(log.as_bytes(), "querylog.json");
    let events = events(&mut reader);
    assert_eq!(
        shown(&events),
        [
            "2020-11-25T15:55:56.519796Z 127.0.0.1#0 doh an.example.ru A RD,RA answered NOERROR hit answer=A 0.0.0.0 block filter 42: ||an.example.ru^",
            "2024-01-02T03:04:05Z 2001:db8::1#0 udp x.example HTTPS  unknown - miss upstream=https://dns.example/q allow filter 1: @@||x.example^",
            "2024-01-02T03:04:05Z 2001:db8::1#0 udp y.example A  unknown - block blocked service tube: -",
        ]
    );
    assert_eq!(events[0].latency_micros, 837);
    assert_eq!(events[0].ttl, Some(10));
    assert_eq!(reader.tally().bad, 2);
}

#[test]
fn zeek_as_columns_and_json() {
    let columns = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n\
        #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\tqtype\tqtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n\
        #types\ttime\n\
        1300475167.096535\tC1\t141.142.220.202\t5353\t224.0.0.251\t53\tudp\t0\t0.001250\tWww.example\t1\tC_INTERNET\t1\tA\t0\tNOERROR\tF\tF\tT\tT\t0\tedge.example,192.0.2.1,2001:db8::1\t60.000000,30.000000,31.0\tF\n\
        1300475168.5\tC2\t141.142.220.202\t5354\t192.0.2.53\t53\ttcp\t7\t-\tgone.example\t1\tC_INTERNET\t28\tAAAA\t-\t-\tF\tF\tT\tF\t0\t-\t-\tF\n\
        1300475168.5\tC2\tshort\n\
        #close\t2011\n";
    let json = concat!(
        r#"{"ts":1300475167.096535,"uid":"C1","id.orig_h":"141.142.220.202","id.orig_p":5353,"id.resp_h":"224.0.0.251","id.resp_p":53,"proto":"udp","trans_id":0,"rtt":0.00125,"query":"www.example","qclass":1,"qtype":1,"rcode":0,"AA":false,"TC":false,"RD":true,"RA":true,"answers":["edge.example","192.0.2.1","2001:db8::1"],"TTLs":[60.0,30.0,31.0]}"#,
        "\n",
        r#"{"ts":"2011-03-18T19:06:08.500000Z","id.orig_h":"141.142.220.202","id.orig_p":5354,"proto":"tcp","query":"gone.example","qclass":1,"qtype":28,"RD":true}"#,
        "\n",
    );
    for (log, bad) in [(columns, 1), (json, 0)] {
        let mut reader = read(log.as_bytes(), "dns.log");
        assert_eq!(reader.format(), Format::Zeek);
        let events = events(&mut reader);
        assert_eq!(
            shown(&events),
            [
                "2011-03-18T19:06:07.096535Z 141.142.220.202#5353 udp www.example A RD,RA answered NOERROR answer=edge.example, A 192.0.2.1, AAAA 2001:db8::1",
                "2011-03-18T19:06:08.5Z 141.142.220.202#5354 tcp gone.example AAAA RD timeout -",
            ]
        );
        assert_eq!((events[0].latency_micros, events[0].ttl, events[0].answer_count), (1250, Some(30), 3));
        assert_eq!(reader.tally().bad, bad, "{:?}", reader.tally());
    }
}

#[test]
fn captures_by_others() {
    let Some(files) = shared("pcap_zeek.tar.gz") else { return };
    let mut all = HashMap::new();
    for (name, bytes) in files.iter().chain(&shared("pcap_dnscap.tar.gz").unwrap()) {
        let mut reader = read(bytes, name);
        let events = events(&mut reader);
        all.insert(name.rsplit('/').next().unwrap().to_owned(), (shown(&events), events));
    }
    let first = |name: &str| all[name].1.first().unwrap().clone();
    assert_eq!(first("dns_extended_rcode.pcap").rcode, Some(16));
    assert_eq!(first("dns-tsig.pcap").key.as_deref(), Some("secret-key"));
    assert!(first("tkey.pcap").domain.is_some());
    assert_eq!(first("dynamic-update.pcap").opcode, 5);
    assert!(all["vlan11.pcap"].1.iter().all(|event| event.domain.is_some()));
    assert_eq!(all["vlan11.pcap"].1.len(), all["dns.pcap"].1.len());
    let tcp = &all["dnso1tcp.pcap"].1;
    assert!(tcp.iter().all(|event| event.transport == Transport::Tcp) && tcp.len() > 40, "{}", tcp.len());
    assert!(tcp.iter().all(|event| event.rcode.is_some()));
    assert!(!all["dnso1tcp-midmiss.pcap"].1.is_empty() && !all["dnsotcp-manyopkts.pcap"].1.is_empty());
    assert!(all["dns6.pcap"].1.iter().all(|event| event.client.is_ipv6()));
}

/// The same traffic as packets and as C-DNS of three ages gives the same events.
#[test]
fn cdns_is_the_capture_it_was_made_of() {
    let Some(files) = shared("cdns_compactor.tar.gz") else { return };
    let file = |name: &str| {
        let (_, packed) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        support::unxz(packed)
    };
    let sorted = |bytes: &[u8]| {
        let mut reader = read(bytes, "-");
        let mut events = events(&mut reader);
        assert_eq!(reader.tally().bad, 0, "{:?}", reader.tally());
        events.sort_by_key(|event| (event.time_micros, event.client_port));
        events
    };
    let whole = |event: &Event| format!("{:?}", Event { node: None, ..event.clone() });
    let Some(capture) = file("gold.pcap.xz") else { return };
    let expected = sorted(&capture);
    assert_eq!(expected.len(), 999);
    assert!(expected.iter().all(|event| event.outcome != Outcome::Timeout && event.rcode.is_some()));
    // In the capture that the drafts' files were made of, one reply came later.
    for (name, later) in [("gold.cbor.xz", 0), ("gold.cbor05.xz", 1), ("gold.cbor02.xz", 1)] {
        let bytes = file(name).unwrap();
        assert_eq!(sniff(&bytes, "-"), Some(Format::Cdns));
        let mut found = sorted(&bytes);
        assert_eq!(found.len(), expected.len(), "{name}");
        let mut differ = 0;
        for (found, expected) in found.iter_mut().zip(&expected) {
            differ += usize::from(found.latency_micros != expected.latency_micros);
            found.latency_micros = expected.latency_micros;
            assert_eq!(whole(found), whole(expected), "{name}");
        }
        assert_eq!(differ, later, "{name}");
    }
}

#[test]
fn what_was_kept_need_not_be_kept_again() {
    let log = data("bind.log");
    let numbers: Vec<u64> = read(&log, "a").map(|record| record.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let source = read(&log, "a").source().to_owned();
    // Grown, renamed, packed: the same log. Another: another.
    let grown = [&log[..], &log].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log).unwrap();
    assert_eq!(read(&grown, "b").source(), source);
    assert_eq!(read(&gzip.finish().unwrap(), "c.gz").source(), source);
    let first = log.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    assert_ne!(read(&log[first..], "a").source(), source);
    // An empty line tells nothing.
    let behind_empty = |log: &[u8]| read(&[b"\n\r\n", log].concat(), "a").source().to_owned();
    assert_ne!(behind_empty(&log), behind_empty(&log[first..]));
    // A stream without lines may be any: it is told by when it is read.
    let stream = |until| {
        let options = Options { until_micros: Some(until), ..Options::default() };
        let stream = Box::new(std::io::Cursor::new(data("unbound.fstrm")));
        Reader::from_read(stream, "-", &options).unwrap().source().to_owned()
    };
    assert_eq!(stream(1), stream(1));
    assert_ne!(stream(1), stream(2));
}

#[test]
fn zeek_escapes_octets() {
    let log = "#fields\tts\tid.orig_h\tproto\tquery\tqtype\trcode\tanswers\n\
        1.5\t::1\tudp\twe\\x20ird\\xff.example\t16\t0\tTXT 1 a\\x2cb,c\n\
        1.5\t::1\tudp\ta\\xzz.example\t16\t0\tx\n";
    let mut reader = read(log.as_bytes(), "dns.log");
    let events = events(&mut reader);
    assert_eq!(events[0].domain.as_deref(), Some(r"we\032ird\255.example"));
    assert_eq!(events[0].answer.as_deref(), Some(r"TXT 1 a\044b, c"));
}

/// A message by hand: header, question, and an address in the answer when there is one.
fn message(flags: u16, question: bool, answer: bool) -> Vec<u8> {
    let counts = [0x1234, flags, u16::from(question), u16::from(answer), 0, 0];
    let mut message: Vec<u8> = counts.iter().flat_map(|number: &u16| number.to_be_bytes()).collect();
    if question {
        message.extend(b"\x01x\0\0\x01\0\x01");
    }
    if answer {
        message.extend(b"\x01x\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
    }
    message
}

fn tap(kind: MessageType, query: Option<Vec<u8>>, reply: Option<Vec<u8>>) -> Vec<u8> {
    let message = dnstap::Message {
        kind: kind as i32,
        query_address: Some(vec![192, 0, 2, 7]),
        query_port: Some(4_096),
        query_time_sec: Some(1_700_000_000),
        response_time_sec: reply.is_some().then_some(1_700_000_001),
        query_message: query,
        response_message: reply,
        ..dnstap::Message::default()
    };
    let kind = dnstap::DnstapType::Message as i32;
    dnstap::Dnstap { message: Some(Box::new(message)), kind, ..dnstap::Dnstap::default() }.to_bytes()
}

fn taken(frames: &[Vec<u8>]) -> Vec<String> {
    let mut tap = Tap::default();
    frames.iter().for_each(|frame| tap.take(frame));
    tap.finish();
    shown(&std::iter::from_fn(|| tap.give()).map(Result::unwrap).collect::<Vec<_>>())
}

#[test]
fn a_reply_with_its_query_beside_a_logged_query_is_one_event() {
    let (query, reply) = (message(0x0100, true, false), message(0x8180, true, true));
    let both = tap(MessageType::ClientResponse, Some(query.clone()), Some(reply));
    let expected = ["2023-11-14T22:13:20Z 192.0.2.7#4096 udp x A RD,RA answered NOERROR answer=A 192.0.2.1 size=36"];
    assert_eq!(taken(std::slice::from_ref(&both)), expected);
    assert_eq!(taken(&[tap(MessageType::ClientQuery, Some(query), None), both]), expected);
}

#[test]
fn answers_without_a_question_are_answers() {
    let reply = tap(MessageType::ClientResponse, None, Some(message(0x8180, false, true)));
    assert_eq!(taken(&[reply]), ["2023-11-14T22:13:20Z 192.0.2.7#4096 udp - TYPE0 RD,RA answered NOERROR size=29"]);
    let cut = tap(MessageType::ClientResponse, None, Some(message(0x8180, true, true)[..20].to_vec()));
    assert!(taken(&[cut])[0].contains(" unknown NOERROR "), "only its header can be read");
}

#[test]
fn a_client_that_asks_the_same_again_and_again_is_bounded() {
    let query = tap(MessageType::ClientQuery, Some(message(0x0100, true, false)), None);
    let mut tap = Tap::default();
    for _ in 0..100 {
        tap.take(&query);
    }
    assert_eq!(std::iter::from_fn(|| tap.give()).count(), 84);
    tap.finish();
    assert_eq!(std::iter::from_fn(|| tap.give()).count(), 16);
}

#[test]
fn formats_are_told_by_their_beginnings() {
    for (name, format) in [("named.log", Some(Format::Bind)), ("x/unbound.log.gz", Some(Format::Unbound)), ("x", None)]
    {
        assert_eq!(sniff(b"nothing of the kind\n", name), format, "{name}");
    }
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(*format));
    }
    assert!(Reader::from_read(Box::new(&b"nothing\n"[..]), "x", &Options::default()).is_err());
    assert!(Reader::from_read(Box::new(&b""[..]), "x.pcap", &Options::default()).is_err());
}

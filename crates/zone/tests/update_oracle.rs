//! The same updates to BIND's named and to ours, in a row: the same codes, and the same zone after each. What named holds is
//! read by AXFR and by IXFR with our own intake, so that transfers are held against it too.
//!
//! Where the two differ on purpose is said at the update: `differs` gives named's code and why.

#![allow(clippy::unwrap_used)]

#[path = "../src/testing.rs"]
mod testing;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testing::{name, records, update_bytes};
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Section};
use zone::delta::Delta;
use zone::file::record_text;
use zone::transfer::{Brought, Intake};
use zone::update::Update;
use zone::{Record, Zone};

const ZONE: &str = "
@        300 SOA ns hostmaster 7 3600 600 86400 60
@        300 NS ns
@        300 NS ns.other.
@        300 MX 10 mail
@        300 TXT apex
ns       300 A 192.0.2.1
mail     300 A 192.0.2.1
www      300 A 192.0.2.2
www      300 A 192.0.2.3
www      300 TXT hello
one      300 A 192.0.2.4
alias    300 CNAME www
deep.ent 300 A 192.0.2.5
*.wild   300 TXT any
sub      300 NS ns.sub
sub      300 NS ns2.sub
ns.sub   300 A 192.0.2.6
ns2.sub  300 A 192.0.2.6
far      300 DNAME elsewhere.
wks      300 WKS \\# c0000201 06 40
wks      300 WKS \\# c0000201 11 40
";

/// The zone as named reads it: unknown data with its length (RFC 3597 §5).
fn zone_file() -> String {
    let lines = testing::lines(ZONE).map(|line| match line.split_once(r"\# ") {
        Some((head, hex)) => {
            let hex = hex.replace(' ', "");
            format!("{head}\\# {} {hex}\n", hex.len() / 2)
        }
        None => format!("{line}\n"),
    });
    format!("$ORIGIN example.\n{}", lines.collect::<String>())
}

/// A named with the zone above, which takes updates and transfers from this machine. Ends with its owner.
struct Named {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Named {
    /// `None` where BIND is not installed.
    fn start(test: &str) -> Option<Named> {
        // Free when asked; should another take it in between, named ends and another port is tried.
        for _ in 0..5 {
            let port = testkit::free_address().port();
            let folder = std::env::temp_dir().join(format!("zone-oracle-{test}-{}-{port}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let program = testkit::copied("named", &folder)?;
            std::fs::write(folder.join("zone"), zone_file()).unwrap();
            std::fs::write(folder.join("named.conf"), Self::configuration(&folder, port)).unwrap();
            let process = Command::new(program)
                .args(["-g", "-n", "1", "-c"])
                .arg(folder.join("named.conf"))
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(folder.join("log")).unwrap())
                .spawn()
                .unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut named = Named { process, address, folder };
            if named.is_up() {
                return Some(named);
            }
        }
        panic!("named is installed but does not start");
    }

    fn configuration(folder: &Path, port: u16) -> String {
        let folder = folder.display();
        format!(
            r#"options {{
                directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key"; lock-file none;
                listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
                recursion no; dnssec-validation no; notify no; check-names primary ignore;
                max-records-per-type 0; max-types-per-name 0; ixfr-from-differences no;
            }};
            controls {{ }};
            zone "example" {{
                type primary; file "{folder}/zone"; allow-update {{ 127.0.0.1; }}; allow-transfer {{ 127.0.0.1; }};
                check-integrity no;
            }};"#
        )
    }

    /// Waits until it answers for the zone; `false` when it ended instead, or came up without its address: then somebody else
    /// answers there.
    fn is_up(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        let mut builder = Builder::new(1, 0, 512);
        builder.question(name("@").name(), kind::SOA, kind::CLASS_IN);
        let question = builder.finish();
        while Instant::now() < end && self.process.try_wait().unwrap().is_none() {
            let socket = self.socket();
            // Asks again once a second at the latest: the first question may come before it listens.
            socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let _ = socket.send(&question);
            let mut reply = [0; 512];
            if let Ok(len) = socket.recv(&mut reply)
                && Message::read(&reply[..len]).is_ok_and(|reply| reply.rcode() == 0)
            {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return !log.contains("address in use");
            }
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < end, "named does not answer:\n{log}");
        false
    }

    fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Sends an update: over UDP if it is short, else over TCP; gives the code.
    fn update(&self, bytes: &[u8]) -> Code {
        let reply = if bytes.len() <= 1_200 {
            let socket = self.socket();
            socket.send(bytes).unwrap();
            let mut reply = vec![0; 4_096];
            let len = socket.recv(&mut reply).unwrap();
            reply.truncate(len);
            reply
        } else {
            let mut stream = self.connect(bytes);
            receive(&mut stream)
        };
        // The code is in the header; named may copy sections that no one could read.
        assert_eq!(reply[..2], bytes[..2], "another reply");
        Code::from_key(u16::from(reply[3] & 15))
    }

    fn connect(&self, message: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&(message.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(message).unwrap();
        stream
    }

    /// The zone it has: whole, or by changes to what is held.
    fn transfer(&self, held: Option<&Zone>) -> Brought {
        let qtype = if held.is_some() { kind::IXFR } else { kind::AXFR };
        let mut builder = Builder::new(3, 0, 512);
        builder.question(name("@").name(), qtype, kind::CLASS_IN);
        if let Some(soa) = held.and_then(Zone::soa) {
            assert!(builder.record(Section::Authority, &soa));
        }
        let mut stream = self.connect(&builder.finish());
        let mut intake = Intake::new(name("@"), held.cloned(), 100_000);
        loop {
            let message = Message::read(&receive(&mut stream)).unwrap();
            if let Some(brought) = intake.take(&message).unwrap() {
                return brought;
            }
        }
    }
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Both, after the same updates.
struct Pair {
    named: Named,
    ours: Zone,
    faults: Vec<String>,
}

impl Pair {
    fn start(test: &str) -> Option<Pair> {
        let Some(named) = Named::start(test) else {
            // CI installs it.
            assert!(std::env::var_os("CI").is_none(), "BIND's named is not installed");
            eprintln!("skipped: BIND's named is not installed");
            return None;
        };
        let mut ours = Zone::new(name("@"));
        for record in records(ZONE) {
            ours.add(&record);
        }
        Some(Pair { named, ours, faults: Vec::new() })
    }

    /// Ours, in process: what a server would do with the message.
    fn ours(&self, bytes: &[u8]) -> (Code, Option<Zone>) {
        let Ok(message) = Message::read(bytes) else { return (Code::FORMERR, None) };
        let done = Update::read(&message).and_then(|update| {
            update.check_prerequisites(&self.ours)?;
            update.prescan(&self.ours)?;
            update.apply(&self.ours)
        });
        match done {
            Ok(changed) => (Code::NOERROR, changed.map(|(zone, _)| zone)),
            Err(denial) => (denial.code, None),
        }
    }

    /// The same code, and the same zone after it.
    fn same(&mut self, text: &str) {
        let bytes = update_bytes(9, text);
        let theirs = self.named.update(&bytes);
        let (code, changed) = self.ours(&bytes);
        if code != theirs {
            self.faults.push(format!("ours {code}, named's {theirs}: {text}"));
        }
        self.same_zone(text, changed);
    }

    /// The same zone, whatever the code; named's is read whole and by changes to what was held before.
    fn same_zone(&mut self, text: &str, changed: Option<Zone>) {
        let before = self.ours.clone();
        self.ours = changed.unwrap_or_else(|| before.clone());
        let Brought::Whole(theirs) = self.named.transfer(None) else { panic!("AXFR brings the whole zone") };
        match self.named.transfer(Some(&before)) {
            Brought::Nothing => assert!(before == theirs, "IXFR: {text}"),
            Brought::Whole(zone) | Brought::Deltas(_, zone) => assert!(zone == theirs, "IXFR: {text}"),
        }
        if self.ours != theirs {
            self.faults.push(format!("{text}from ours to named's:\n{}", difference(&self.ours, &theirs)));
            self.ours = theirs;
        }
    }

    /// Another code than named's, both known; neither changes anything.
    fn differs(&mut self, text: &str, ours: Code, theirs: Code) {
        let bytes = update_bytes(9, text);
        let codes = (self.ours(&bytes).0, self.named.update(&bytes));
        if codes != (ours, theirs) {
            self.faults.push(format!("ours {}, named's {}: {text}", codes.0, codes.1));
        }
        self.same_zone(text, None);
    }

    fn end(self) {
        let log = std::fs::read_to_string(self.named.folder.join("log")).unwrap_or_default();
        let (count, faults) = (self.faults.len(), self.faults.join("\n"));
        assert!(count == 0, "{count} differences:\n{faults}\nnamed's log:\n{log}");
    }
}

/// What named has and we have not, as zone file lines.
fn difference(ours: &Zone, theirs: &Zone) -> String {
    let Some(delta) = Delta::between(ours, theirs) else { return "nothing".to_owned() };
    let lines = |sign: char, records: &[Record]| -> String {
        records.iter().map(|record| format!("{sign} {}\n", record_text(record))).collect()
    };
    let (before, after) = delta.serials();
    format!("serial {before} {after}\n{}{}", lines('-', &delta.removed), lines('+', &delta.added))
}

#[test]
fn hand_picked_updates() {
    let Some(mut pair) = Pair::start("picked") else { return };
    for text in SAME {
        pair.same(text);
    }
    pair.end();
}

/// Each on top of the ones before.
const SAME: &[&str] = &[
    "",
    "zone @ IN SOA\n zone @ IN SOA",
    "zone @ IN A",
    "zone other. IN SOA",
    "need www A",
    "need www AAAA",
    "need www A 192.0.2.2\n need www A 192.0.2.3",
    "need www A 192.0.2.2",
    "need www A 192.0.2.2\n need www A 192.0.2.3\n need www A 192.0.2.4",
    "need alias CNAME WWW",
    "need nowhere A 192.0.2.2",
    "need no www A",
    "need no www AAAA",
    "need www",
    "need nowhere",
    "need ent",
    "need deep.wild",
    "need no www",
    "need no nowhere",
    "need no ent",
    "need a.other. A",
    "need no a.other.",
    "need no www\n need nowhere",
    "need www A 192.0.2.9\n need no www",
    "raw need www 1 ANY A",
    "raw need www 1 NONE A",
    "raw need www 1 A 192.0.2.2",
    "raw need www 0 CH A",
    "raw need a.other. 1 ANY A",
    "add a.other. 300 A 192.0.2.9",
    "delete a.other.",
    "add new 300 A 192.0.2.9\n add a.other. 300 A 192.0.2.9",
    "raw www 1 ANY A",
    "raw www 1 NONE A 192.0.2.2",
    "raw www 0 CH A 192.0.2.9",
    "raw www 0 ANY AXFR",
    "raw www 0 NONE ANY",
    "raw www 300 IN A",
    "raw need www 0 ANY AXFR",
    "raw need www 0 NONE IXFR",
    "raw need www 0 IN ANY",
    "zone @ ANY SOA",
    "zone @ NONE SOA",
    "zone @ CLASS0 SOA",
    "zone www IN SOA",
    r"raw need www 0 ANY A \# c0000202",
    r"raw need www 0 NONE A \# c0000202",
    r"raw need www 0 ANY ANY \# 00",
    "raw need www 0 IN A",
    "raw need www 4294967295 ANY A",
    r"raw www 0 ANY A \# c0000202",
    r"raw www 0 ANY ANY \# 00",
    r"raw www 300 IN ANY \# 00",
    "raw www 0 NONE A",
    "raw www 0 NONE TXT",
    r"raw www 0 NONE A \# c00002",
    r"raw www 300 IN TXT \# 0261",
    r"raw www 300 IN TYPE0 \# 00",
    r"raw www 300 IN TYPE200 \# 00",
    r"raw www 300 IN NXNAME \# 00",
    r"raw www 300 IN MAILB \# 00",
    r"add many 300 NULL \# 00",
    "need www\n add new 60 A 192.0.2.9",
    "add new 60 A 192.0.2.9",
    "add NEW 120 A 192.0.2.9",
    "add new 60 A 192.0.2.10\n add new 60 A 192.0.2.11",
    "add www 60 A 192.0.2.2",
    "add www 300 CNAME ns",
    "add @ 300 CNAME ns",
    "add alias 300 A 192.0.2.9",
    "add alias 300 DNAME other.",
    "add far 300 CNAME other.",
    "add alias 300 CNAME ns",
    "add alias 60 CNAME ns",
    "add cname 300 CNAME a\n add cname 300 CNAME b",
    "add cname2 300 CNAME a\n add cname2 300 A 192.0.2.9",
    "delete alias CNAME\n add alias 300 A 192.0.2.9",
    "add far 300 DNAME other.",
    "add far 300 A 192.0.2.9",
    "add below.far 300 A 192.0.2.9",
    r"add wks 300 WKS \# c0000201 06 80",
    r"add wks 300 WKS \# c0000202 06 80",
    r"add unknown 300 TYPE65280 \# 0102",
    "add *.wild 300 TXT more",
    "add a.b.c 300 A 192.0.2.9",
    "add below.sub 300 A 192.0.2.9",
    "delete www A 192.0.2.9",
    "delete www A 192.0.2.2",
    "delete www TXT HELLO",
    "delete www A",
    "delete www",
    "delete ent",
    "delete deep.ent",
    "delete *.wild",
    "delete sub",
    "delete @ SOA",
    "delete @ SOA ns hostmaster 7 3600 600 86400 60",
    "delete @ NS",
    "delete @ NS ns.other.",
    "delete @ NS ns",
    "delete @ NS ns\n add @ 300 NS b.other.\n delete @ NS ns",
    "delete @",
    "add @ 300 SOA ns hostmaster 100 3600 600 86400 60",
    "add @ 300 SOA ns hostmaster 100 1 2 3 4",
    "add @ 300 SOA ns hostmaster 99 1 2 3 4",
    "add @ 300 SOA ns hostmaster 200 1 2 3 4\n add soa 60 A 192.0.2.9",
    "add @ 60 SOA ns hostmaster 199 1 2 3 4\n add soa 60 A 192.0.2.10",
    "add www 300 SOA ns hostmaster 300 1 2 3 4",
    "add gone 60 A 192.0.2.9\n delete gone A 192.0.2.9",
    "delete one\n add one 300 A 192.0.2.4",
    "delete one\n add one 300 A 192.0.2.5",
    "add @ 300 SOA ns hostmaster 2147483847 3600 600 86400 60",
    "add @ 300 SOA ns hostmaster 4294967295 3600 600 86400 60",
    "add round 60 A 192.0.2.9",
];

#[test]
fn where_we_differ_on_purpose() {
    let Some(mut pair) = Pair::start("differs") else { return };
    for (text, ours, theirs) in DIFFERS {
        pair.differs(text, *ours, *theirs);
    }
    pair.end();
}

/// An update, our code, named's.
const DIFFERS: &[(&str, Code, Code)] = &[
    // named looks for a view of that class before it looks for the zone. RFC 2136 §3.1.2: NOTAUTH.
    ("zone @ CH SOA", Code::NOTAUTH, Code::NOTIMP),
    // RFC 2136 §3 puts prerequisites first; named checks the update section before them.
    ("need nowhere\n add a.other. 300 A 192.0.2.9", Code::NXDOMAIN, Code::NOTZONE),
    // named keeps proofs to itself, even in zones it does not sign. We take them as data: whoever may write them is the
    // operator's to say.
    (r"add www 300 NSEC \# 00 00 01 04", Code::NOERROR, Code::REFUSED),
    (
        r"add 04o18462ri5903h8rdvl0qdt5b528duj 300 NSEC3 \# 01000000 00 14 0000000000000000000000000000000000000000 00 01 04",
        Code::NOERROR,
        Code::REFUSED,
    ),
    // named refuses what would hide the zone's own servers; RFC 6672 §5.2 lets a DNAME occlude what is below it.
    ("add @ 300 DNAME elsewhere.", Code::NOERROR, Code::REFUSED),
    // named passes over NS and DNAME at a wildcard, which RFC 4592 §4.2 and §4.4 advise against and do not forbid.
    ("add *.wild 300 NS ns", Code::NOERROR, Code::NOERROR),
    ("add *.wild 300 DNAME elsewhere.", Code::NOERROR, Code::NOERROR),
];

/// A small generator with a fixed seed, so that every run sends the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn update(&mut self) -> String {
        const OWNERS: &[&str] = &[
            "@",
            "www",
            "one",
            "alias",
            "new",
            "a.new",
            "*.wild",
            "sub",
            "far",
            "WWW",
            "below.far",
            "ent",
            "a.other.",
        ];
        const DATA: &[&str] = &[
            "A 192.0.2.2",
            "A 192.0.2.3",
            "A 192.0.2.9",
            "AAAA 2001:db8::1",
            "TXT hello",
            "TXT Other",
            "CNAME www",
            "CNAME WWW",
            "CNAME ns",
            "NS ns",
            "NS ns.other.",
            "MX 10 mail",
            "MX 20 MAIL",
            "DNAME elsewhere.",
            r"TYPE65280 \# 0102",
            "SRV 0 0 443 www",
        ];
        let mut text = String::new();
        // Names outside are rare: an update with one of them does nothing else. See `DIFFERS` for what is never drawn: them
        // together with prerequisites, NS and DNAME at a wildcard, DNAME at the apex.
        let owner_and_data = |draw: &mut Draw, outside: bool| loop {
            let (owner, data) = (draw.of(OWNERS), draw.of(DATA));
            let differs = match owner {
                "*.wild" => data.starts_with("NS") || data.starts_with("DNAME"),
                "@" => data.starts_with("DNAME"),
                "a.other." => !outside || draw.below(8) > 0,
                _ => false,
            };
            if !differs {
                return (owner, data);
            }
        };
        for _ in 0..self.below(4).saturating_sub(2) {
            let ((owner, data), no) = (owner_and_data(self, false), self.of(&["", "no "]));
            let rtype = data.split(' ').next().unwrap();
            text += &match self.below(3) {
                0 => format!("need {no}{owner}\n"),
                1 => format!("need {no}{owner} {rtype}\n"),
                _ => format!("need {owner} {data}\n"),
            };
        }
        let outside = text.is_empty();
        for _ in 0..=self.below(5) {
            let ((owner, data), ttl) = (owner_and_data(self, outside), self.of(&["60", "300"]));
            let rtype = data.split(' ').next().unwrap();
            text += &match self.below(6) {
                0 => format!("delete {owner}\n"),
                1 => format!("delete {owner} {rtype}\n"),
                2 => format!("delete {owner} {data}\n"),
                _ => format!("add {owner} {ttl} {data}\n"),
            };
        }
        text
    }
}

#[test]
fn random_updates() {
    let Some(mut pair) = Pair::start("random") else { return };
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        let text = draw.update();
        pair.same(&text);
    }
    assert!(pair.ours.serial() > Some(100), "most of them change something");
    pair.end();
}

#[test]
fn a_large_zone_comes_whole() {
    let Some(mut pair) = Pair::start("large") else { return };
    for part in 0..10 {
        let lines: String = (0..400).map(|at| format!("add n{at}.p{part} 60 A 10.0.{part}.{}\n", at % 256)).collect();
        pair.same(&lines);
    }
    assert!(pair.ours.record_count() > 4_000);
    pair.end();
}

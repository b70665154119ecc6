//! The same zone, the same questions, NSD beside us: rcode, AA, answer and authority must agree. Also signed, with NSEC and
//! NSEC3, where BIND's signer is installed. Skipped, and said so, where NSD is not.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::Folded;
use zone::{Kind, Zone, file};

/// How long NSD may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

const ZONE: &str = r#"
$ORIGIN example.
$TTL 3600
@            SOA    ns admin 1 7200 3600 86400 300
@            NS     ns
@            NS     ns.example.org.
@            MX     10 mail
ns           A      192.0.2.1
mail         A      192.0.2.2
             AAAA   2001:db8::2
*            TXT    "this is a wildcard"
*            MX     10 host1
sub.*        TXT    "this is not a wildcard"
host1        A      192.0.2.3
_ssh._tcp.host1 SRV 0 0 22 host1
_ssh._tcp.host2 SRV 0 0 22 host1
subdel       NS     ns.example.com.
subdel       NS     ns.subdel
ns.subdel    A      192.0.2.4
deep.subdel  TXT    hidden
secure       NS     ns.secure
secure       DS     1 13 2 (0102030405060708090a0b0c0d0e0f10
                            1112131415161718191a1b1c1d1e1f20)
ns.secure    A      192.0.2.5
alias        CNAME  host1
alias2       CNAME  alias
dangling     CNAME  none.ent
away         CNAME  www.example.org.
down         CNAME  www.subdel
d            DNAME  target
x.target     A      192.0.2.6
along        CNAME  x.d
out          DNAME  example.org.
ent.ent      A      192.0.2.7
*.star       CNAME  host1
a.b.star     A      192.0.2.8
*.far        CNAME  x.example.org.
deep.*.half  A      192.0.2.9
odd\.label   TXT    "a\"b\;c" d
unknown      TYPE65280 \# 3 010203
"#;

const TYPES: [u16; 10] =
    [kind::A, kind::AAAA, kind::NS, kind::SOA, kind::MX, kind::TXT, kind::CNAME, kind::DNAME, kind::DS, kind::SRV];

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn installed(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Starts NSD with the zone file; waits until it says that it serves.
fn start(folder: &Path, zone_file: &str) -> (Server, u16) {
    let port = testkit::free_address().port();
    let at = folder.display();
    let config = format!(
        "server:
            server-count: 1
            ip-address: 127.0.0.1@{port}
            username: \"\"
            chroot: \"\"
            zonesdir: \"{at}\"
            database: \"\"
            pidfile: \"{at}/nsd.pid\"
            xfrdfile: \"{at}/xfrd.state\"
            zonelistfile: \"{at}/zone.list\"
            minimal-responses: yes
            refuse-any: no
            verbosity: 1
         remote-control:
            control-enable: no
         zone:
            name: example
            zonefile: \"{zone_file}\"
        "
    );
    let path = folder.join("nsd.conf");
    fs::write(&path, config).unwrap();
    let mut child = Command::new("nsd")
        .arg("-d")
        .arg("-c")
        .arg(&path)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let server = Server(child);
    let mut log = String::new();
    while !log.contains("nsd started") {
        assert_ne!(said.read_line(&mut log).unwrap(), 0, "NSD ended:\n{log}");
    }
    // Its pipe must not fill up.
    std::thread::spawn(move || io::copy(&mut said, &mut io::sink()));
    (server, port)
}

fn ask(stream: &mut TcpStream, qname: &Folded, qtype: u16, dnssec: bool) -> Message {
    let mut query = Builder::new(7, 0, 512);
    query.question(qname.name(), qtype, kind::CLASS_IN);
    let ttl = if dnssec { 0x8000 } else { 0 };
    let opt = Record { owner: Folded::root(), rtype: kind::OPT, class: 4096, ttl, rdata: Box::default() };
    assert!(query.record(Section::Additional, &opt));
    let query = query.finish();
    // In one piece: two would wait for an acknowledgement each time.
    stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], &query].concat()).unwrap();
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply).unwrap();
    Message::read(&reply).unwrap()
}

fn shown(records: &[Record]) -> BTreeSet<String> {
    records.iter().map(|record| file::record_text(record).to_ascii_lowercase()).collect()
}

/// Every name of the zone, names above, below and beside it. Not the owners of NSEC3 records: NSD keeps them among the other
/// names, RFC 5155 §7.2.8 has them not exist.
fn names(zone: &Zone) -> Vec<Folded> {
    let mut names = BTreeSet::new();
    for record in zone.records().filter(|record| zone.rrset(&record.owner, kind::NSEC3).is_none()) {
        let owner = record.owner.text();
        for head in ["", "x.", "a.b.", "*.", "zz"] {
            let beside = owner != "example" || head != "zz";
            names.extend(beside.then(|| format!("{head}{owner}")));
        }
        names.extend(owner.split_once('.').filter(|(_, up)| up.ends_with("example")).map(|(_, up)| up.to_owned()));
    }
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(50)].join(".");
    names.insert(format!("{long}.d.example"));
    names.iter().filter_map(|text| Folded::from_text(text)).collect()
}

fn compare(folder: &Path, zone_file: &str, dnssec: bool) {
    let text = fs::read_to_string(folder.join(zone_file)).unwrap();
    let origin = Folded::from_text("example").unwrap();
    let zone = file::read(zone_file, &text, &origin, &mut |_| Err("none".to_owned())).unwrap();
    let (_server, port) = start(folder, zone_file);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut differences = Vec::new();
    let mut count = 0;
    for qname in names(&zone) {
        for qtype in TYPES {
            let theirs = ask(&mut stream, &qname, qtype, dnssec);
            let ours = zone.lookup(&qname, qtype, dnssec);
            let rcode = match ours.kind {
                Kind::Nxdomain => 3,
                Kind::TooLong => 6,
                _ => 0,
            };
            let aa = theirs.flags & 0x0400 != 0;
            count += 1;
            let (our_authority, mut their_authority) = (shown(&ours.authority), shown(&theirs.authority));
            // Asked for a wildcard by its own name, NSD also proves what is above it; RFC 5155 §7.2.3 asks for one record.
            if ours.kind == Kind::Nodata
                && qname.wire().starts_with(b"\x01*")
                && our_authority.is_subset(&their_authority)
            {
                their_authority.clone_from(&our_authority);
            }
            let pairs = [
                (format!("{rcode}, aa {}", ours.authoritative), format!("{}, aa {aa}", theirs.rcode())),
                (format!("{:#?}", shown(&ours.answer)), format!("{:#?}", shown(&theirs.answer))),
                (format!("{our_authority:#?}"), format!("{their_authority:#?}")),
            ];
            for (ours, theirs) in pairs.iter().filter(|(ours, theirs)| ours != theirs) {
                differences.push(format!("{qname} {}: ours {ours}, NSD's {theirs}", kind::type_name(qtype)));
            }
        }
    }
    assert!(count > 1_000, "only {count} questions");
    let shown = differences.iter().take(8).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {count} differ\n{shown}", differences.len());
}

fn run(program: &str, folder: &Path, arguments: &[&str]) {
    let output = Command::new(program).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Signs the zone; gives the name of the file.
fn sign(folder: &Path, how: &[&str]) -> &'static str {
    run("dnssec-keygen", folder, &["-q", "-a", "13", "example"]);
    run("dnssec-keygen", folder, &["-q", "-a", "13", "-f", "KSK", "example"]);
    let arguments = ["-S", "-P", "-o", "example", "-f", "signed"].iter().chain(how).chain(&["zone"]);
    run("dnssec-signzone", folder, &arguments.copied().collect::<Vec<_>>());
    "signed"
}

fn folder() -> Option<tempfile::TempDir> {
    if !installed("nsd", "-v") {
        // CI installs it.
        assert!(std::env::var_os("CI").is_none(), "NSD is not installed");
        eprintln!("skipped: NSD is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("zone"), ZONE).unwrap();
    Some(folder)
}

fn signed_folder(how: &[&str]) -> Option<(tempfile::TempDir, &'static str)> {
    let folder = folder()?;
    if !installed("dnssec-signzone", "-V") {
        // CI installs it.
        assert!(std::env::var_os("CI").is_none(), "dnssec-signzone is not installed");
        eprintln!("skipped: dnssec-signzone is not installed");
        return None;
    }
    let file = sign(folder.path(), how);
    Some((folder, file))
}

#[test]
fn answers_as_nsd_does() {
    if let Some(folder) = folder() {
        compare(folder.path(), "zone", false);
    }
}

#[test]
fn proves_with_nsec_as_nsd_does() {
    if let Some((folder, file)) = signed_folder(&[]) {
        compare(folder.path(), file, true);
    }
}

#[test]
fn proves_with_nsec3_as_nsd_does() {
    if let Some((folder, file)) = signed_folder(&["-3", "aabb", "-H", "5"]) {
        compare(folder.path(), file, true);
    }
}

#[test]
fn proves_with_opt_out_as_nsd_does() {
    if let Some((folder, file)) = signed_folder(&["-3", "-", "-H", "0", "-A"]) {
        compare(folder.path(), file, true);
    }
}

//! Clients nobody here wrote, against the real server: dnspython, and curl through the system's own resolver. The tables
//! of dig and kdig are in `front`.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

mod scenario;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use scenario::Theatre;

/// Address for the system's resolver, which knows no other port than 53.
const SYSTEM_ADDRESS: &str = "127.47.53.1:53";

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A machine without the program skips the test, but not in CI, which installs it.
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
}

const DNSPYTHON: &str = r#"
import sys, dns.edns, dns.flags, dns.message, dns.query, dns.rcode
where, port = sys.argv[1], int(sys.argv[2])

def ask(name, kind, query=dns.query.udp, **options):
    message = dns.message.make_query(name, kind, use_edns=0, payload=1232, **options)
    reply = query(message, where, port=port, timeout=5)
    assert reply.id == message.id and reply.flags & dns.flags.QR
    return reply

reply = ask("WwW.Good.Example", "A")
assert reply.rcode() == dns.rcode.NOERROR and reply.answer[0][0].address == "192.0.2.1", reply
assert reply.question[0].name.to_text() == "WwW.Good.Example."
reply = ask("ads.example", "AAAA")
assert reply.rcode() == dns.rcode.NXDOMAIN, reply
blocked = [option for option in reply.options if option.otype == dns.edns.EDE]
assert blocked[0].code == 15 and "list=ads" in blocked[0].text, reply
reply = ask("huge.example", "TXT")
assert reply.flags & dns.flags.TC and not reply.answer, reply
reply = ask("huge.example", "TXT", query=dns.query.tcp)
assert len(b"".join(reply.answer[0][0].strings)) == 3000, reply
reply = ask("missing.example", "MX", want_dnssec=True)
assert reply.rcode() == dns.rcode.NXDOMAIN and reply.authority, reply
print("held")
"#;

#[test]
fn dnspython_reads_every_reply_and_each_ask_is_an_event() {
    let theatre = Theatre::open(
        "list ads block ||ads.example^\n\
         upstream www.good.example 60 A 192.0.2.1\n\
         upstream huge.example 60 TXT x*3000\n",
        "127.0.0.1:0",
    )
    .unwrap();
    let since = sys::clock::wall_micros();
    let address = theatre.address();
    let script = Command::new("/usr/bin/python3")
        .args(["-c", DNSPYTHON, &address.ip().to_string(), &address.port().to_string()])
        .output();
    match script {
        Ok(output) if told(&output).contains("No module named") => skip("python3-dnspython is not installed"),
        Err(error) => skip(&format!("no /usr/bin/python3: {error}")),
        Ok(output) => {
            assert!(output.status.success() && told(&output).contains("held"), "{}", told(&output));
            theatre.wait_for("", since, 5).unwrap();
            theatre.wait_for("transport:tcp domain:huge.example outcome:answered", since, 1).unwrap();
            theatre.wait_for("flags:DO code:NXDOMAIN qtype:MX", since, 1).unwrap();
        }
    }
    theatre.close();
}

/// curl asks the C library, which asks whom `/etc/resolv.conf` names: a file of our own in a mount namespace of our own.
#[test]
fn curl_finds_a_server_by_a_name_that_nameward_answers() {
    let scenario = "upstream page.example 60 A 127.0.0.1\nlist ads block ||ads.example^\n";
    let Ok(theatre) = Theatre::open(scenario, SYSTEM_ADDRESS) else {
        return eprintln!("skipped: port 53 needs the right to it");
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, format!("nameserver {}\n", SYSTEM_ADDRESS.split(':').next().unwrap())).unwrap();
    let page = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = page.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = page.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nfound\n").unwrap();
    });
    let since = sys::clock::wall_micros();
    let curl = |name: &str| {
        let script = format!(
            "mount --bind {} /etc/resolv.conf && exec curl --silent --show-error --noproxy '*' --max-time 10 http://{name}:{port}/",
            file.display()
        );
        Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap()
    };
    let refused = curl("ads.example");
    if told(&refused).contains("unshare") || told(&refused).contains("mount:") {
        eprintln!("skipped: no mount namespaces here: {}", told(&refused));
        return theatre.close();
    }
    assert!(told(&refused).contains("Could not resolve host"), "{}", told(&refused));
    let found = curl("page.example");
    assert!(told(&found).contains("found"), "{}", told(&found));
    server.join().unwrap();
    theatre.wait_for("domain:page.example qtype:A outcome:answered", since, 1).unwrap();
    theatre.close();
}

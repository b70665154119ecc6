//! dnstap sinks against receivers of frame streams: ours, and those of others where they are installed.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use dnstap::{Dnstap, MessageType, Received};

use super::*;

/// Reads a whole frame stream, answering its handshake; gives the numbers of the events in it and whether it ended with STOP.
fn read_frames(mut stream: impl Read + Write) -> (Vec<u64>, bool) {
    let mut receiver = dnstap::Receiver::default();
    let mut octets = [0; 4096];
    let mut heard = Vec::new();
    loop {
        match receiver.take().unwrap() {
            Received::Data(data) => {
                let tap = Dnstap::read(data).unwrap();
                let message = tap.message.unwrap();
                assert_eq!(tap.extra.is_some(), message.kind() == MessageType::ClientResponse);
                heard.extend(tap.extra.map(|extra| number(&extra)));
            }
            Received::Send(octets) => {
                stream.write_all(&octets).unwrap();
                stream.flush().unwrap();
            }
            Received::End => return (heard, true),
            Received::More => match stream.read(&mut octets) {
                Ok(0) | Err(_) => return (heard, false),
                Ok(len) => receiver.feed(&octets[..len]),
            },
        }
    }
}

fn check(target: &str, tls: Tls, accept: impl FnOnce() -> (Vec<u64>, bool) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let far = thread::spawn(accept);
    let sink = Sink::start(Settings { tls, ..settings(target, folder.path()) }).unwrap();
    for first in (0..1000).step_by(100) {
        sink.offer(batch(first, 100));
    }
    until(&sink, |status| status.sent == 1000);
    sink.stop();
    let status = sink.status();
    assert_eq!((status.again, status.spooled, status.lost.total()), (0, 0, 0), "FINISH came: nothing is in doubt");
    assert_eq!(far.join().unwrap(), (numbers(0..1000), true));
}

#[test]
fn frame_streams_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tap.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let accept = move || read_frames(listener.accept().unwrap().0);
    check(&format!("dnstap+unix://{}", path.display()), Tls::default(), accept);
}

#[test]
fn frame_streams_over_tcp() {
    let (listener, _) = listener();
    let target = format!("dnstap+tcp://{}", listener.local_addr().unwrap());
    check(&target, Tls::default(), move || read_frames(listener.accept().unwrap().0));
}

#[test]
fn frame_streams_over_tls() {
    let (listener, _) = listener();
    let target = format!("dnstap+tls://localhost:{}", listener.local_addr().unwrap().port());
    check(&target, tls_files(), move || read_frames(tls_stream(listener.accept().unwrap().0)));
}

#[test]
fn a_far_end_that_speaks_of_something_else_gets_no_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tap.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let sink = start(&format!("dnstap+unix://{}", path.display()), folder.path());
    sink.offer(batch(0, 3));
    let mut stream = listener.accept().unwrap().0;
    stream.write_all(&dnstap::Control::of(dnstap::ControlType::Accept, b"protobuf:other").to_bytes()).unwrap();
    let status = until(&sink, |status| status.last_error.is_some() && status.spooled == 3);
    assert!(status.last_error.as_ref().unwrap().contains("protobuf:other"), "{status:?}");
}

/// fstrm's own receiver, and two readers of what it wrote.
#[test]
fn others_read_what_we_send() {
    let has = |program: &str| {
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if !has("fstrm_capture") || !has("dnstap") {
        eprintln!(
            "skipped: fstrm_capture or dnstap is not installed (fstrm-bin, golang-github-dnstap-golang-dnstap-cli)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, file) = (folder.path().join("tap.sock"), folder.path().join("tap.fstrm"));
    let mut capture = Command::new("fstrm_capture")
        .args(["-t", "protobuf:dnstap.Dnstap", "-u"])
        .arg(&socket)
        .arg("-w")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let sink = start(&format!("dnstap+unix://{}", socket.display()), &folder.path().join("spool"));
    sink.offer(batch(0, 100));
    until(&sink, |status| status.sent == 100);
    sink.stop();
    assert_eq!(sink.status().again, 0, "it said FINISH");
    Command::new("kill").args(["-TERM", &capture.id().to_string()]).status().unwrap();
    capture.wait().unwrap();
    let shown = Command::new("dnstap").arg("-y").arg("-r").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(text.matches("type: CLIENT_QUERY").count(), 100, "{text}");
    assert_eq!(text.matches("type: CLIENT_RESPONSE").count(), 100);
    assert!(text.contains("www.example.") && text.contains("identity: \"ns1.example\""), "{text}");
}

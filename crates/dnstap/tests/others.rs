//! Frame streams with programs by others at the other end; skipped where they are not installed.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use dnstap::{CONTENT_TYPE, Received, Receiver, Sender};

fn start(program: &str, options: &[&str], files: [(&str, &Path); 2]) -> Option<Child> {
    let mut command = Command::new(program);
    command.args(["-t", std::str::from_utf8(CONTENT_TYPE).unwrap()]).args(options);
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if child.is_err() {
        eprintln!("skipped: no {program}");
    }
    child.ok()
}

fn stream_of(frames: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sender = Sender::one_way();
    sender.start(&mut out);
    assert!(frames.iter().all(|frame| sender.data(frame, &mut out)));
    sender.stop(&mut out);
    out
}

/// All data of a stream, and whether it was ended as it should be.
fn take_all(stream: &mut (impl std::io::Read + ?Sized), mut reply: impl FnMut(&[u8])) -> (Vec<Vec<u8>>, bool) {
    let (mut receiver, mut got, mut piece) = (Receiver::default(), Vec::new(), [0; 4096]);
    loop {
        match receiver.take().unwrap() {
            Received::Data(data) => got.push(data.to_vec()),
            Received::Send(octets) => reply(&octets),
            Received::End => return (got, true),
            Received::More => match stream.read(&mut piece).unwrap() {
                0 => return (got, false),
                len => receiver.feed(&piece[..len]),
            },
        }
    }
}

#[test]
fn we_receive_what_fstrm_replays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("in"), folder.path().join("socket"));
    let frames: [&[u8]; 3] = [b"one", &[7; 70_000], b"three"];
    std::fs::write(&file, stream_of(&frames)).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let Some(mut child) = start("fstrm_replay", &[], [("-r", &file), ("-u", &socket)]) else { return };
    let (mut stream, _) = listener.accept().unwrap();
    let mut back = stream.try_clone().unwrap();
    let (got, ended) = take_all(&mut stream, |octets| back.write_all(octets).unwrap());
    assert_eq!((got.iter().map(Vec::as_slice).collect::<Vec<_>>(), ended), (frames.to_vec(), true));
    assert!(child.wait().unwrap().success());
}

#[test]
fn fstrm_captures_what_we_send() {
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("out"), folder.path().join("socket"));
    let Some(mut child) = start("fstrm_capture", &[], [("-w", &file), ("-u", &socket)]) else { return };
    // It listens when it is ready to; ends: it either listens or exits.
    let mut stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(_) => assert!(child.try_wait().unwrap().is_none(), "fstrm_capture went away"),
        }
        std::thread::yield_now();
    };
    let (mut sender, mut out, mut piece) = (Sender::both_ways(), Vec::new(), [0; 4096]);
    sender.start(&mut out);
    while !sender.is_finished() {
        if sender.is_open() {
            assert!(sender.data(b"one", &mut out) && sender.data(b"two", &mut out));
            sender.stop(&mut out);
        }
        stream.write_all(&out).unwrap();
        out.clear();
        let len = stream.read(&mut piece).unwrap();
        assert!(len > 0);
        sender.feed(&piece[..len], &mut out).unwrap();
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
    let (got, ended) = take_all(&mut std::fs::File::open(&file).unwrap(), |_| {});
    assert_eq!((got, ended), (vec![b"one".to_vec(), b"two".to_vec()], true));
}

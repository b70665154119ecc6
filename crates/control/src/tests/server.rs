//! An HTTP server on loopback that answers as told, one reply a connection, and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What to answer.
pub(crate) enum Reply {
    /// This status, these header lines, this body.
    Full(&'static str, &'static [&'static str], Vec<u8>),
    /// A 200 that ends before its announced length.
    Cut(&'static str),
    /// A 200 whose body never comes.
    Hang,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Reply {
        Reply::Full("200 OK", &[], body.as_bytes().to_vec())
    }
}

/// The server; gone when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<String>>,
    ends: AtomicBool,
}

impl Server {
    pub(crate) fn start(replies: impl IntoIterator<Item = Reply>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let server = Server { address, state: Arc::clone(&state) };
        server.then(replies);
        thread::spawn(move || {
            let mut hung = Vec::new();
            for stream in listener.incoming() {
                if state.ends.load(Ordering::Relaxed) {
                    return;
                }
                hung.extend(state.answer(stream.unwrap()));
            }
        });
        server
    }

    pub(crate) fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.replies.lock().unwrap().extend(replies);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/list.txt", self.address)
    }

    /// Header lines of all requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    /// Answers one request; gives back the connection when it is to stay open.
    fn answer(&self, mut stream: TcpStream) -> Option<TcpStream> {
        let mut request = String::new();
        let mut lines = BufReader::new(&stream);
        // What is no text, such as a TLS hello, ends the request.
        while lines.read_line(&mut request).unwrap_or(0) > 2 {}
        self.requests.lock().unwrap().push(request.to_ascii_lowercase());
        let reply = self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Full("404 Not Found", &[], vec![]));
        // A client that has heard enough closes; the rest cannot be written then.
        match reply {
            Reply::Full(status, headers, body) => {
                let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
                let length = if status.starts_with("304") { 0 } else { body.len() };
                let head =
                    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                None
            }
            Reply::Cut(body) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 1);
                let _ = stream.write_all(head.as_bytes());
                None
            }
            Reply::Hang => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
                Some(stream)
            }
        }
    }
}

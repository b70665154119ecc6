//! The fastest a DNS server over UDP could be here: batches in, QR flipped, batches out. The baseline of benchmarks.
//!
//! ```text
//! cargo run --release -p sys --example echo -- 127.0.0.1:5300 2
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// As many datagrams per call as the real server takes.
const BATCH: usize = 64;
/// Enough for a query, as in the real server.
const RECEIVE_LEN: usize = 4096;
/// Enough to ride out a pause of the thread.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(addr), threads) = (arguments.next().and_then(|text| text.parse().ok()), arguments.next()) else {
        eprintln!("usage: echo ADDRESS:PORT [THREADS]");
        std::process::exit(2);
    };
    let threads = threads.and_then(|text| text.parse().ok()).unwrap_or_else(sys::cores);
    let workers: Vec<_> = (0..threads).map(|core| std::thread::spawn(move || echo(addr, core))).collect();
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a thread died"))??;
    }
    Ok(())
}

fn echo(addr: SocketAddr, core: usize) -> io::Result<()> {
    sys::pin_to_core(core)?;
    let socket = sys::bind_udp(addr, true, RECEIVE_BUFFER_BYTES)?;
    let mut batch = sys::Batch::new(BATCH, RECEIVE_LEN);
    loop {
        let received = batch.receive(&socket, sys::Wait::AtMost(Duration::from_secs(1)))?;
        for index in 0..received {
            let (message, reply) = batch.exchange(index);
            reply.extend_from_slice(message.bytes);
            if let Some(flags) = reply.get_mut(2) {
                *flags |= 0x80;
            }
        }
        batch.send(&socket)?;
    }
}

//! UDP in batches: many datagrams per system call, each reply from the address its query came to.
//!
//! ```text
//! receive ── poll, recvmmsg ──▶ message(0) … message(n-1)      one reply buffer beside each
//! send    ── sendmmsg ◀── reply buffers that are not empty
//! ```

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use crate::address::{self, Control};

/// Datagrams in one batch at most; the kernel's own limit is 1024.
pub const SLOTS_MAX: usize = 1024;

/// How long `send` waits for room in the socket's buffer before it gives the rest of a batch up.
const SEND_WAIT_MILLIS: libc::c_int = 10;

/// How long `receive` waits for the first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Never,
    /// At most so long; rounded up to milliseconds.
    AtMost(Duration),
}

/// The address a datagram came to: what its reply has to leave from. Opaque.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalAddress {
    /// `None` lets the kernel choose.
    pub(crate) ip: Option<IpAddr>,
    /// Interface index for link-local addresses, otherwise 0.
    pub(crate) interface: u32,
}

impl LocalAddress {
    /// The address, when the kernel told it.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        self.ip
    }
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its octets, cut to the slot's size.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: LocalAddress,
    /// Whether it was longer than the slot, so that `bytes` lacks its end.
    pub truncated: bool,
}

/// What became of a batch of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Handed to the kernel.
    pub sent: usize,
    /// Given up: the destination cannot be reached, or there was no room in time.
    pub failed: usize,
}

/// Buffers for a batch, allocated once and used again and again by one thread.
pub struct Batch {
    slots: Vec<Slot>,
    receive_buffer: Vec<u8>,
    receive_len: usize,
    /// Slots filled by the last `receive`, always the first ones.
    received: usize,
    scratch: Scratch,
}

struct Slot {
    len: usize,
    truncated: bool,
    peer: SocketAddr,
    local: LocalAddress,
    reply: Vec<u8>,
}

/// What system calls read and write besides the data. The pointers in `headers` and `vectors` are set anew before each
/// call and never used after it.
struct Scratch {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    /// Which slot each prepared header belongs to.
    order: Vec<usize>,
}

// SAFETY: the raw pointers in `scratch` are dead between calls (see `Scratch`); all else is owned data.
unsafe impl Send for Batch {}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots.len();
        f.debug_struct("Batch").field("slots", &slots).field("received", &self.received).finish_non_exhaustive()
    }
}

impl Batch {
    /// Room for `slots` datagrams (at most [`SLOTS_MAX`], at least 1) of up to `receive_len` octets each.
    #[must_use]
    pub fn new(slots: usize, receive_len: usize) -> Batch {
        let slots = slots.clamp(1, SLOTS_MAX);
        let receive_len = receive_len.clamp(1, usize::from(u16::MAX));
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let slot = || Slot {
            len: 0,
            truncated: false,
            peer: unspecified,
            local: LocalAddress::default(),
            reply: Vec::with_capacity(receive_len),
        };
        Batch {
            slots: std::iter::repeat_with(slot).take(slots).collect(),
            receive_buffer: vec![0; slots * receive_len],
            receive_len,
            received: 0,
            scratch: Scratch {
                headers: vec![libc::mmsghdr { msg_hdr: address::empty_header(), msg_len: 0 }; slots],
                vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; slots],
                names: vec![address::empty_storage(); slots],
                controls: vec![Control::EMPTY; slots],
                order: Vec::with_capacity(slots),
            },
        }
    }

    /// Forgets the last batch and receives the next: everything that is there, up to the number of slots. 0 when the
    /// wait ended first. All reply buffers are emptied.
    ///
    /// # Errors
    /// The kernel's, except for interruption, a full wait, and errors of earlier sends (port unreachable).
    pub fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        for slot in &mut self.slots[..self.received] {
            slot.reply.clear();
        }
        self.received = 0;
        let fd = socket.as_raw_fd();
        // Try first: under load there is always something, and poll would be one call more.
        let mut count = self.receive_now(fd)?;
        if count == 0
            && let Wait::AtMost(wait) = wait
            && poll(fd, libc::POLLIN, millis(wait))?
        {
            count = self.receive_now(fd)?;
        }
        self.received = count;
        Ok(count)
    }

    /// Datagrams of the last batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.received
    }

    /// Whether the last batch was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// The `index`th datagram of the last batch.
    ///
    /// # Panics
    /// When `index` is not below [`Batch::len`].
    #[must_use]
    pub fn message(&self, index: usize) -> Message<'_> {
        message(&self.slots[..self.received][index], &self.receive_buffer, index * self.receive_len)
    }

    /// The `index`th datagram together with its reply buffer. A buffer left empty sends nothing.
    ///
    /// # Panics
    /// When `index` is not below [`Batch::len`].
    pub fn exchange(&mut self, index: usize) -> (Message<'_>, &mut Vec<u8>) {
        let slot = &mut self.slots[..self.received][index];
        let reply = &mut slot.reply;
        let start = index * self.receive_len;
        let bytes = &self.receive_buffer[start..start + slot.len];
        (Message { bytes, peer: slot.peer, local: slot.local, truncated: slot.truncated }, reply)
    }

    /// The reply buffer of the `index`th datagram.
    ///
    /// # Panics
    /// When `index` is not below [`Batch::len`].
    pub fn reply_buffer(&mut self, index: usize) -> &mut Vec<u8> {
        &mut self.slots[..self.received][index].reply
    }

    /// Sends all replies that are not empty and empties them. A destination that cannot be reached costs only its own
    /// reply; when the socket's buffer stays full for 10 ms the rest is given up.
    ///
    /// # Errors
    /// The kernel's, when waiting for room fails: the socket itself is broken.
    pub fn send(&mut self, socket: &UdpSocket) -> io::Result<Sent> {
        let fd = socket.as_raw_fd();
        let prepared = self.prepare_replies();
        let mut outcome = Sent::default();
        let mut next = 0;
        let mut waited = false;
        // Ends: every turn moves `next` on, or waits for room, which happens once.
        while next < prepared {
            let pending = &mut self.scratch.headers[next..prepared];
            // SAFETY: `pending` are headers prepared above from `self.slots[order[i]].reply`, `names`, `controls` and
            // `vectors`; none of those has been touched since, all stay alive and in place through the exclusive borrow
            // of `self`. The kernel reads them and writes only `msg_len`.
            let result =
                unsafe { libc::sendmmsg(fd, pending.as_mut_ptr(), pending.len() as libc::c_uint, libc::MSG_DONTWAIT) };
            match usize::try_from(result) {
                // sendmmsg stops at the first failure but reports it only when it is the first of the call.
                Ok(count @ 1..) => {
                    outcome.sent += count;
                    next += count;
                }
                Ok(0) => {
                    outcome.failed += 1;
                    next += 1;
                }
                Err(_) => {
                    let error = io::Error::last_os_error();
                    match error.kind() {
                        io::ErrorKind::Interrupted => {}
                        io::ErrorKind::WouldBlock if !waited => {
                            waited = true;
                            poll(fd, libc::POLLOUT, SEND_WAIT_MILLIS)?;
                        }
                        io::ErrorKind::WouldBlock => {
                            outcome.failed += prepared - next;
                            next = prepared;
                        }
                        _ => {
                            outcome.failed += 1;
                            next += 1;
                        }
                    }
                }
            }
        }
        for slot in &mut self.slots[..self.received] {
            slot.reply.clear();
        }
        Ok(outcome)
    }

    fn receive_now(&mut self, fd: RawFd) -> io::Result<usize> {
        let Scratch { headers, vectors, names, controls, .. } = &mut self.scratch;
        let buffers = self.receive_buffer.chunks_exact_mut(self.receive_len);
        let parts = headers.iter_mut().zip(vectors).zip(names).zip(controls).zip(buffers);
        for ((((header, vector), name), control), buffer) in parts {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_len = 0;
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut control.0).cast();
            header.msg_controllen = address::CONTROL_LEN as _;
            header.msg_flags = 0;
        }
        let headers = &mut self.scratch.headers;
        let (start, slots) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
        // SAFETY: the loop above gave each header its own name, vector, control buffer and data buffer, with their true
        // sizes, all owned by `self` and in place through the exclusive borrow. No timeout is passed (recvmmsg's is
        // checked only between datagrams); MSG_DONTWAIT makes it unneeded.
        let result = unsafe { libc::recvmmsg(fd, start, slots, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
        let Ok(count) = usize::try_from(result) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => Ok(0),
                _ => Err(error),
            };
        };
        let filled = self.scratch.headers.iter().zip(&self.scratch.names).zip(&mut self.slots).take(count);
        for ((header, name), slot) in filled {
            slot.len = (header.msg_len as usize).min(self.receive_len);
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            // Only IP sockets are made here; an address of another family cannot be answered and port 0 says so.
            slot.peer = address::load(name).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            // SAFETY: recvmmsg has just filled this header and its control buffer; nothing else borrows them.
            slot.local = unsafe { address::local_address(&header.msg_hdr) };
        }
        Ok(count)
    }

    /// Points one header at each reply that is not empty; gives their number.
    fn prepare_replies(&mut self) -> usize {
        let Scratch { headers, vectors, names, controls, order } = &mut self.scratch;
        order.clear();
        order.extend((0..self.received).filter(|&index| !self.slots[index].reply.is_empty()));
        let parts = order.iter().zip(headers).zip(vectors).zip(names).zip(controls);
        for ((((&index, header), vector), name), control) in parts {
            let slot = &mut self.slots[index];
            *vector = libc::iovec { iov_base: slot.reply.as_mut_ptr().cast(), iov_len: slot.reply.len() };
            header.msg_len = 0;
            let header = &mut header.msg_hdr;
            header.msg_namelen = address::store(slot.peer, name);
            header.msg_name = (&raw mut *name).cast();
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            let control_len = address::store_control(slot.local, control);
            header.msg_control = if control_len == 0 { std::ptr::null_mut() } else { (&raw mut control.0).cast() };
            header.msg_controllen = control_len as _;
            header.msg_flags = 0;
        }
        order.len()
    }
}

fn message<'a>(slot: &'a Slot, buffer: &'a [u8], start: usize) -> Message<'a> {
    let bytes = &buffer[start..start + slot.len];
    Message { bytes, peer: slot.peer, local: slot.local, truncated: slot.truncated }
}

/// Sends one datagram from `local`, for replies that come too late for their batch. Never waits.
///
/// # Errors
/// The kernel's; `WouldBlock` when the socket's buffer is full.
pub fn send_one(socket: &UdpSocket, peer: SocketAddr, local: LocalAddress, bytes: &[u8]) -> io::Result<()> {
    let mut name = address::empty_storage();
    let mut control = Control::EMPTY;
    // sendmsg only reads the data, although the vector's pointer is not const.
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = address::empty_header();
    header.msg_namelen = address::store(peer, &mut name);
    header.msg_name = (&raw mut name).cast();
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    let control_len = address::store_control(local, &mut control);
    if control_len > 0 {
        header.msg_control = (&raw mut control.0).cast();
        header.msg_controllen = control_len as _;
    }
    loop {
        // SAFETY: the header points at locals above and at `bytes`, with their true sizes; all outlive the call, which
        // only reads them.
        let result = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // Signals are rare, so this ends.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits until the socket is ready for `events`; `false` when the time ended first or a signal came.
fn poll(fd: RawFd, events: libc::c_short, timeout_millis: libc::c_int) -> io::Result<bool> {
    let mut wanted = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid, exclusively borrowed pollfd; the call keeps no pointer.
    let result = unsafe { libc::poll(&raw mut wanted, 1, timeout_millis) };
    if result >= 0 {
        return Ok(result > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}

fn millis(wait: Duration) -> libc::c_int {
    libc::c_int::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bind_udp, listen_tcp};

    /// Longer than any scheduling hiccup; only a failing test waits so long.
    const PATIENCE: Wait = Wait::AtMost(Duration::from_secs(10));

    fn server(ip: &str) -> (UdpSocket, u16) {
        let socket = bind_udp(SocketAddr::new(ip.parse().unwrap(), 0), false, 1 << 20).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    fn client(ip: &str) -> UdpSocket {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Receives until `count` datagrams were answered with their own octets, reversed.
    fn answer_reversed(socket: &UdpSocket, batch: &mut Batch, count: usize) -> Sent {
        let mut total = Sent::default();
        let mut answered = 0;
        while answered < count {
            let received = batch.receive(socket, PATIENCE).unwrap();
            assert!(received > 0, "nothing came");
            for index in 0..received {
                let (message, reply) = batch.exchange(index);
                reply.extend(message.bytes.iter().rev());
            }
            answered += received;
            let sent = batch.send(socket).unwrap();
            total.sent += sent.sent;
            total.failed += sent.failed;
        }
        total
    }

    fn check_round_trip(server_ip: &str, client_ip: &str, count: u8) {
        let (socket, port) = server(server_ip);
        let client = client(client_ip);
        for number in 0..count {
            client.send_to(&[number, 1, 2], (client_ip, port)).unwrap();
        }
        let mut batch = Batch::new(8, 64);
        let sent = answer_reversed(&socket, &mut batch, usize::from(count));
        assert_eq!(sent, Sent { sent: usize::from(count), failed: 0 });
        let mut numbers: Vec<u8> = (0..count)
            .map(|_| {
                let mut buffer = [0; 16];
                let (len, from) = client.recv_from(&mut buffer).unwrap();
                assert_eq!(from, SocketAddr::new(client_ip.parse().unwrap(), port));
                assert_eq!(buffer[..2], [2, 1]);
                assert_eq!(len, 3);
                buffer[2]
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn batches_go_round() {
        check_round_trip("127.0.0.1", "127.0.0.1", 50);
    }

    #[test]
    fn batches_go_round_ipv6() {
        check_round_trip("::1", "::1", 50);
        check_round_trip("::", "::1", 5);
    }

    #[test]
    fn replies_leave_from_the_address_asked() {
        let (socket, port) = server("0.0.0.0");
        let client = client("127.0.0.1");
        let mut batch = Batch::new(4, 64);
        for asked in ["127.0.0.1", "127.0.0.77", "127.1.2.3"] {
            client.send_to(b"abc", (asked, port)).unwrap();
            assert_eq!(batch.receive(&socket, PATIENCE).unwrap(), 1);
            let (message, reply) = batch.exchange(0);
            assert_eq!(message.local.ip(), Some(asked.parse().unwrap()));
            reply.extend(b"now");
            let (peer, local) = (message.peer, message.local);
            assert_eq!(batch.send(&socket).unwrap(), Sent { sent: 1, failed: 0 });
            send_one(&socket, peer, local, b"later").unwrap();
            let mut buffer = [0; 16];
            for expected in [&b"now"[..], b"later"] {
                let (len, from) = client.recv_from(&mut buffer).unwrap();
                assert_eq!((&buffer[..len], from), (expected, SocketAddr::new(asked.parse().unwrap(), port)));
            }
        }
    }

    #[test]
    fn a_bad_destination_costs_only_its_own_reply() {
        let (socket, port) = server("127.0.0.1");
        let client = client("127.0.0.1");
        for number in 0..4u8 {
            client.send_to(&[number], ("127.0.0.1", port)).unwrap();
        }
        let mut batch = Batch::new(8, 64);
        // Loopback delivers within the sender's call, so all four are there at once.
        assert_eq!(batch.receive(&socket, PATIENCE).unwrap(), 4);
        for index in 0..4 {
            let (message, reply) = batch.exchange(index);
            reply.extend(message.bytes);
        }
        // A socket bound to loopback cannot send to port 0 nor to an IPv6 address.
        batch.slots[1].peer.set_port(0);
        batch.slots[2].peer = "[2001:db8::1]:53".parse().unwrap();
        assert_eq!(batch.send(&socket).unwrap(), Sent { sent: 2, failed: 2 });
        let mut buffer = [0; 16];
        for expected in [0, 3] {
            assert_eq!(client.recv_from(&mut buffer).unwrap().0, 1);
            assert_eq!(buffer[0], expected);
        }
        assert_eq!(batch.send(&socket).unwrap(), Sent::default(), "replies are sent once");
    }

    #[test]
    fn long_datagrams_are_cut_and_say_so() {
        let (socket, port) = server("127.0.0.1");
        let client = client("127.0.0.1");
        client.send_to(&[7; 65], ("127.0.0.1", port)).unwrap();
        client.send_to(&[8; 64], ("127.0.0.1", port)).unwrap();
        client.send_to(&[], ("127.0.0.1", port)).unwrap();
        let mut batch = Batch::new(8, 64);
        assert_eq!(batch.receive(&socket, PATIENCE).unwrap(), 3);
        let seen: Vec<_> = (0..3).map(|index| batch.message(index)).map(|m| (m.bytes.len(), m.truncated)).collect();
        assert_eq!(seen, [(64, true), (64, false), (0, false)]);
    }

    #[test]
    fn an_idle_socket_gives_an_empty_batch() {
        let (socket, _) = server("127.0.0.1");
        let mut batch = Batch::new(8, 64);
        assert_eq!(batch.receive(&socket, Wait::Never).unwrap(), 0);
        assert_eq!(batch.receive(&socket, Wait::AtMost(Duration::from_micros(1))).unwrap(), 0);
        assert!(batch.is_empty());
        assert_eq!(batch.send(&socket).unwrap(), Sent::default());
    }

    #[test]
    fn several_sockets_share_a_port() {
        let (first, port) = {
            let socket = bind_udp("127.0.0.1:0".parse().unwrap(), true, 0).unwrap();
            let port = socket.local_addr().unwrap().port();
            (socket, port)
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let second = bind_udp(addr, true, 0).unwrap();
        assert_eq!(bind_udp(addr, false, 0).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((first, second));
    }

    #[test]
    fn both_families_listen_on_one_port() {
        let four = listen_tcp("0.0.0.0:0".parse().unwrap(), 16).unwrap();
        let port = four.local_addr().unwrap().port();
        let six = listen_tcp(SocketAddr::new("::".parse().unwrap(), port), 16);
        // Another test may hold the port for IPv6; what matters is that IPv4 did not take it.
        if let Err(error) = six {
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        assert_eq!(four.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

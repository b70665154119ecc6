//! Sockets made the way a DNS server needs them.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

/// Binds a UDP socket that tells the address each datagram came to (`IP_PKTINFO`), so that replies can leave from it
/// even when bound to the wildcard. IPv6 sockets take IPv6 only. With `reuse_port` several sockets share the address and
/// the kernel spreads clients over them. `receive_buffer_bytes` of 0 keeps the system's size; the kernel caps it.
///
/// # Errors
/// The kernel's: address in use, not ours, or a port below 1024 without the right to it.
pub fn bind_udp(addr: SocketAddr, reuse_port: bool, receive_buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if receive_buffer_bytes > 0 {
        socket.set_recv_buffer_size(receive_buffer_bytes)?;
    }
    let fd = socket.as_raw_fd();
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        // Not believing path MTU messages: a forged one could make us fragment replies. Old kernels lack it; no harm.
        let _ = set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT);
    } else {
        set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        let _ = set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT);
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Listens on TCP; the address may still have closing connections from an earlier run. IPv6 listeners take IPv6 only.
/// The listener is non-blocking, ready for tokio.
///
/// # Errors
/// The kernel's, as for [`bind_udp`].
pub fn listen_tcp(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Breaks the connection when the other end has not acknowledged for so long what was sent (`TCP_USER_TIMEOUT`), or takes nothing.
///
/// # Errors
/// The kernel's.
pub fn set_tcp_user_timeout(stream: &TcpStream, within: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(within))
}

/// What [`set_tcp_user_timeout`] set.
///
/// # Errors
/// The kernel's.
pub fn tcp_user_timeout(stream: &TcpStream) -> io::Result<Option<Duration>> {
    SockRef::from(stream).tcp_user_timeout()
}

/// Connects to a Unix socket, and waits for so long at most while its listener's queue is full.
///
/// # Errors
/// The kernel's; `TimedOut` when the listener took nobody in time.
pub fn connect_unix(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A Unix socket waits in `connect` as long as in `send`.
    socket.set_write_timeout(Some(within))?;
    socket.connect(&SockAddr::unix(path)?).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })?;
    socket.set_write_timeout(None)?;
    Ok(socket.into())
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is a c_int that outlives the call and `len` is its size; the kernel only reads it. A wrong
    // descriptor gives an error, not undefined behaviour.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_takes_nobody_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("nameward-sys-{}.sock", std::process::id()));
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        let refused = (0..4).find_map(|_| match connect_unix(&path, Duration::from_millis(20)) {
            Ok(stream) => {
                waiting.push(stream);
                None
            }
            Err(error) => Some(error.kind()),
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!((refused, waiting.len()), (Some(io::ErrorKind::TimedOut), 1));
    }
}

//! Sockets made the way a DNS server needs them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

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

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is a c_int that outlives the call and `len` is its size; the kernel only reads it. A wrong
    // descriptor gives an error, not undefined behaviour.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

//! Socket addresses and packet info between the kernel's form and Rust's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::udp::LocalAddress;

/// Room for one control message: the larger packet info is 20 octets behind a 16-octet header; doubled for others that
/// an administrator may have switched on.
pub(crate) const CONTROL_LEN: usize = 80;

/// A control buffer, aligned as the kernel's header needs it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CONTROL_LEN]);

impl Control {
    pub(crate) const EMPTY: Control = Control([0; CONTROL_LEN]);
}

pub(crate) fn empty_storage() -> libc::sockaddr_storage {
    // SAFETY: a C structure of integers; all zeroes is the unspecified address.
    unsafe { std::mem::zeroed() }
}

pub(crate) fn empty_header() -> libc::msghdr {
    // SAFETY: a C structure of integers and pointers; all zeroes is a header without name, data and control.
    unsafe { std::mem::zeroed() }
}

/// Writes an address in the kernel's form; gives its length.
pub(crate) fn store(addr: SocketAddr, storage: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match addr {
        SocketAddr::V4(addr) => {
            let form = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: addr.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is made to hold and align every sockaddr, and is exclusively borrowed.
            unsafe { (&raw mut *storage).cast::<libc::sockaddr_in>().write(form) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(addr) => {
            let form = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: addr.port().to_be(),
                sin6_flowinfo: addr.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: addr.ip().octets() },
                sin6_scope_id: addr.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut *storage).cast::<libc::sockaddr_in6>().write(form) };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Reads an address in the kernel's form; `None` for families other than IP.
pub(crate) fn load(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is large enough and aligned for every sockaddr, all of it is initialised, and
            // sockaddr_in is plain integers, so any content is a valid value.
            let form = unsafe { (&raw const *storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(form.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(form.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let form = unsafe { (&raw const *storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(form.sin6_addr.s6_addr);
            let port = u16::from_be(form.sin6_port);
            Some(SocketAddrV6::new(ip, port, form.sin6_flowinfo, form.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Finds the packet info in what the kernel wrote behind `header`.
///
/// # Safety
/// `header` has just been filled by a receive call: `msg_control` and `msg_controllen` describe initialised, live memory
/// that nothing else borrows mutably.
pub(crate) unsafe fn local_address(header: &libc::msghdr) -> LocalAddress {
    // SAFETY: by the contract above the macro walks memory inside the control buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // Ends: each header lies behind the one before, inside CONTROL_LEN octets.
    while !next.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole, aligned header inside the buffer.
        let found = unsafe { &*next };
        // SAFETY: the data of a header follows it inside the buffer.
        let data = unsafe { libc::CMSG_DATA(next) };
        match (found.cmsg_level, found.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if holds::<libc::in_pktinfo>(found) => {
                // SAFETY: the length says the structure is there in whole; it is plain integers.
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                // The interface is left to routing: ipi_spec_dst alone makes the source address right.
                let ip = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                return LocalAddress { ip: Some(ip.into()), interface: 0 };
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if holds::<libc::in6_pktinfo>(found) => {
                // SAFETY: as above.
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                // Link-local addresses mean nothing without their interface.
                let interface = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                return LocalAddress { ip: Some(ip.into()), interface };
            }
            // SAFETY: `next` is a header inside this buffer, see above.
            _ => next = unsafe { libc::CMSG_NXTHDR(header, next) },
        }
    }
    LocalAddress::default()
}

fn holds<T>(header: &libc::cmsghdr) -> bool {
    // SAFETY: only arithmetic.
    let needed = unsafe { libc::CMSG_LEN(size_of::<T>() as libc::c_uint) };
    // The field's type differs between C libraries.
    #[allow(clippy::unnecessary_cast)]
    let have = header.cmsg_len as usize;
    have >= needed as usize
}

/// Writes a control message that makes a datagram leave from `local`; gives its length, 0 for none.
pub(crate) fn store_control(local: LocalAddress, control: &mut Control) -> usize {
    match local.ip {
        None => 0,
        Some(IpAddr::V4(ip)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        Some(IpAddr::V6(ip)) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: local.interface };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T>(control: &mut Control, level: libc::c_int, kind: libc::c_int, info: T) -> usize {
    // SAFETY: only arithmetic.
    let (space, len) =
        unsafe { (libc::CMSG_SPACE(size_of::<T>() as libc::c_uint), libc::CMSG_LEN(size_of::<T>() as libc::c_uint)) };
    assert!(space as usize <= CONTROL_LEN, "a control message larger than its buffer");
    let start = (&raw mut control.0).cast::<libc::cmsghdr>();
    // SAFETY: `control` is exclusively borrowed, aligned to 8 as cmsghdr needs, and holds `space` octets by the assertion
    // above: header and data both lie inside. The data may be unaligned for T, so it is written as such.
    unsafe {
        let mut header: libc::cmsghdr = std::mem::zeroed();
        header.cmsg_level = level;
        header.cmsg_type = kind;
        header.cmsg_len = len as _;
        start.write(header);
        libc::CMSG_DATA(start).cast::<T>().write_unaligned(info);
    }
    space as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_form() {
        for text in ["192.0.2.1:53", "[2001:db8::1]:5353", "[fe80::1%3]:1", "0.0.0.0:0", "[::]:65535"] {
            let addr: SocketAddr = text.parse().unwrap();
            let mut storage = empty_storage();
            store(addr, &mut storage);
            assert_eq!(load(&storage), Some(addr));
        }
        assert_eq!(load(&empty_storage()), None);
    }

    #[test]
    fn packet_info_is_written_in_whole() {
        let mut control = Control::EMPTY;
        let local = |ip: &str| LocalAddress { ip: Some(ip.parse().unwrap()), interface: 0 };
        assert!(store_control(local("192.0.2.1"), &mut control) > size_of::<libc::in_pktinfo>());
        assert!(store_control(local("2001:db8::1"), &mut control) > size_of::<libc::in6_pktinfo>());
        assert_eq!(store_control(LocalAddress::default(), &mut control), 0);
    }
}

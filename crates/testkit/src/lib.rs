//! For tests that run servers nobody here wrote: where such a server may listen, and a copy of it that may read our files.
//! Never in the product; knows no DNS.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Ports tried: below those the system gives to clients, so that none of them sits there before the server comes.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// How far this process has come in them.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// An address of loopback whose port is free for UDP and TCP. Tests that run at the same time begin far apart.
///
/// # Panics
/// When none is free.
#[must_use]
pub fn free_address() -> SocketAddr {
    let begin = std::process::id().wrapping_mul(41);
    let addresses = (0..PORTS.len()).map(|_| {
        let step = begin.wrapping_add(TAKEN.fetch_add(1, Relaxed).into()) % PORTS.len() as u32;
        SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + step as u16))
    });
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
    match addresses.into_iter().find(free) {
        Some(address) => address,
        None => panic!("no port is free"),
    }
}

/// Whether and where a server is installed; it may lie outside of a user's path.
#[must_use]
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut places =
        path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).map(|place| Path::new(place).join(program));
    places.find(|place| place.is_file())
}

/// A copy of an installed server in `folder`, to be run in its stead: AppArmor holds the installed one to folders of its own,
/// which a test's are not.
#[must_use]
pub fn copied(program: &str, folder: &Path) -> Option<PathBuf> {
    let copy = folder.join(program);
    std::fs::copy(installed(program)?, &copy).ok()?;
    Some(copy)
}

/// Python with the packages that tests run as servers, in the environment that `cargo xtask test` makes.
///
/// # Panics
/// When it is not there, with the lines that make it.
#[must_use]
pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracles/bin/python");
    assert!(
        python.exists(),
        "Python with Moto is missing; run at the root of the checkout:\n  python3 -m venv target/oracles && \
         target/oracles/bin/python -m pip install 'moto[server]==5.2.5'"
    );
    python
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_given_once() {
        let (first, second) = (free_address(), free_address());
        assert_ne!(first, second);
        assert!(TcpListener::bind(first).is_ok() && UdpSocket::bind(second).is_ok());
    }

    #[test]
    fn what_is_not_installed_is_not_found() {
        assert_eq!(installed("no-server-of-this-name"), None);
        assert!(installed("sh").is_some());
    }
}

//! What the listeners go by; every limit has its name here.

use std::net::SocketAddr;
use std::time::Duration;

use engine::SessionSettings;

/// What the listeners go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen, UDP and TCP alike. Port 0 takes a free one.
    pub addresses: Vec<SocketAddr>,
    /// UDP threads per address.
    pub threads: usize,
    /// Receive buffer of each UDP socket, bytes: enough to ride out a pause of its thread. The system may cap it.
    pub receive_buffer_bytes: usize,
    /// Queries waiting for lookups at once, all listeners together. Beyond it: SERVFAIL or an old answer, counted.
    pub pursuits_max: usize,
    /// TCP.
    pub tcp: TcpSettings,
}

/// Limits of TCP.
#[derive(Clone, Debug)]
pub struct TcpSettings {
    /// Connections at once; more are closed at once.
    pub connections_max: usize,
    /// Connections of one client address at once.
    pub connections_per_client_max: usize,
    /// Queries of one connection answered at once; reading waits beyond it.
    pub in_flight_max: usize,
    /// A connection without queries and without a session is closed after this (RFC 7766 §6.2.3: on the order of seconds).
    pub idle: Duration,
    /// What DSO sessions are granted (RFC 8490).
    pub session: SessionSettings,
    /// A message must be there this long after its first octet.
    pub message_time_max: Duration,
    /// A client must take a reply within this.
    pub write_time_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            addresses: Vec::new(),
            threads: sys::cores(),
            receive_buffer_bytes: 4 << 20,
            pursuits_max: 16_384,
            tcp: TcpSettings::default(),
        }
    }
}

impl Default for TcpSettings {
    fn default() -> TcpSettings {
        TcpSettings {
            connections_max: 10_000,
            connections_per_client_max: 128,
            in_flight_max: 64,
            idle: Duration::from_secs(10),
            session: SessionSettings::default(),
            message_time_max: Duration::from_secs(5),
            write_time_max: Duration::from_secs(5),
        }
    }
}

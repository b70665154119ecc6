//! The logs of others as events: dnstap, pcap, C-DNS, BIND, Unbound, Pi-hole, AdGuard Home, Zeek.
//!
//! Knows what a file says; does not know the store, or what becomes of an event.

//! Events on their way out: dnstap and syslog to collectors, with bounded queues and a spool while the far end is down.
//!
//! Knows events; does not know the store, or searches.

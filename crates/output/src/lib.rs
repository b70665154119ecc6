//! Events on their way out: dnstap and syslog to collectors, with bounded queues and a spool while the far end is down.
//!
//! Knows events; does not know the store, or searches. Neither answers nor the log ever wait for a collector: `Sink::offer`
//! returns at once, and what does not fit is dropped and counted.
//!
//! Neither syslog nor a running dnstap stream acknowledges anything. What was handed to the system and not taken by the far
//! end when a connection breaks cannot be told from what was taken: the last `DOUBT_BYTES_MAX` octets, and no more than
//! `DOUBT_FOR`, are sent again. So after a break some events may arrive twice; what lay in the buffers of both systems beyond
//! that may be missing. UDP says nothing at all: a datagram arrives or not.

mod backlog;
mod connect;
mod extension;
mod json;
mod link;
mod queue;
mod sink;
mod spool;
mod status;
mod syslog;
mod tap;
mod target;
mod tls;
mod weight;

pub use backlog::{DOUBT_BYTES_MAX, DOUBT_FOR, READY_BYTES_MAX};
pub use connect::{ACKNOWLEDGE_WITHIN, CONNECT_WITHIN, HANDSHAKE_WITHIN};
pub use queue::QUEUE_ROWS_MAX;
pub use sink::{Pace, STALL_MAX, STOP_WITHIN, Select, Settings, Sink, StartError};
pub use status::{Loss, Lost, Status};
pub use syslog::{MESSAGE_STREAM_MAX, MESSAGE_UDP_MAX};
pub use target::{Format, Target, Transport};
pub use tls::Tls;

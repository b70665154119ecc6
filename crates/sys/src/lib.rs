//! System calls that the standard library does not offer: batched UDP, socket options, cores, clocks.
//!
//! The one room with `unsafe`: it does not inherit the workspace's lint table, which forbids it. Every block carries its proof
//! and every public function is safe. Knows no DNS. Linux only.

#![warn(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address;
pub mod clock;
pub mod cores;
mod limits;
mod socket;
pub mod udp;

pub use cores::{cores, lower_priority, pin_to_core, step_back, take_short_turns};
pub use limits::raise_descriptor_limit;
pub use socket::{bind_udp, connect_unix, listen_tcp, set_tcp_user_timeout, tcp_user_timeout};
pub use udp::{Batch, LocalAddress, Message, Sent, Wait, send_one};

//! Listeners: octets in, octets out.
//!
//! UDP runs on pinned threads of its own, a batch per system call; TCP and everything that has to wait run on tokio. What
//! a message means is `engine`'s business. This is an edge: sockets live here and the clock is read here.
//!
//! ```text
//! udp thread ─ batch ─▶ Desk::answer ─┬─ replies ─▶ one sendmmsg
//!                                     └─ Pursue ──▶ tokio (bounded) ─▶ engine::pursue ─▶ one sendmsg
//! tcp task ─── turn ──▶ Desk::converse┬─ replies ─▶ one write
//!                                     └─ Pursue ──▶ tokio (bounded) ─▶ engine::pursue ─▶ the task again, out of order
//! either ────────────────────────────── Operate ──▶ tokio (bounded) ─▶ engine::operate, all its messages in turn
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod figures;
mod late;
mod listen;
mod settings;
mod tcp;
mod udp;

pub use figures::Figures;
pub use listen::{Front, StartError};
pub use settings::{Settings, TcpSettings};

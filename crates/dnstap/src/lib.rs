//! dnstap: the messages (protobuf) and the frame streams they travel in (fstrm), as octets.
//!
//! `message` has the types of dnstap.proto; `frame` cuts a stream into frames and back; `handshake` says what the two ends of a
//! stream tell each other. Knows no file, no socket and no event: octets in, octets out.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod frame;
pub mod handshake;
pub mod message;

pub use frame::{Control, ControlType, Decoder, Frame, FrameFault, write_data};
pub use handshake::{HandshakeFault, Received, Receiver, Sender};
pub use message::{
    Dnstap, DnstapType, HttpProtocol, Message, MessageType, NotDnstap, Policy, PolicyAction, PolicyMatch, SocketFamily,
    SocketProtocol,
};

/// What a frame stream of dnstap calls itself in its control frames.
pub const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

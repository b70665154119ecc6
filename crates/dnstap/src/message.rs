//! The messages of dnstap.proto (proto2), field by field.
//!
//! Unknown fields are stepped over, unknown numbers of enums are kept as numbers: the getters give the first word of the
//! enum then, `TryFrom<i32>` tells.

use prost::{Enumeration, Message as _};

use crate::frame::FRAME_LEN_MAX;

/// Octets that are no dnstap message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDnstap {
    /// Not protobuf, or fields of another kind than dnstap's.
    #[error("not a dnstap message: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// More octets than a frame may have.
    #[error("a dnstap message of {len} octets; at most {FRAME_LEN_MAX} are read")]
    TooLong {
        /// Octets.
        len: usize,
    },
}

/// What one frame holds.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Dnstap {
    /// Who the server is; as a rule its NSID.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub identity: Option<Vec<u8>>,
    /// Version of the server.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub version: Option<Vec<u8>>,
    /// Anything the sender wants to add.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub extra: Option<Vec<u8>>,
    /// The message.
    #[prost(message, optional, boxed, tag = "14")]
    pub message: Option<Box<Message>>,
    /// Which field is filled in; there is one only.
    #[prost(enumeration = "DnstapType", required, tag = "15")]
    pub kind: i32,
}

impl Dnstap {
    /// Reads a frame's content.
    ///
    /// # Errors
    /// Octets that are no such message, and more than [`FRAME_LEN_MAX`].
    pub fn read(bytes: &[u8]) -> Result<Dnstap, NotDnstap> {
        if bytes.len() > FRAME_LEN_MAX {
            return Err(NotDnstap::TooLong { len: bytes.len() });
        }
        Ok(Dnstap::decode(bytes)?)
    }

    /// The frame's content, without the frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// What a [`Dnstap`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum DnstapType {
    /// A [`Message`].
    Message = 1,
}

/// A DNS message, or query and reply, and how they travelled.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Message {
    /// Who saw it, and which half of the exchange it is.
    #[prost(enumeration = "MessageType", required, tag = "1")]
    pub kind: i32,
    /// IPv4 or IPv6.
    #[prost(enumeration = "SocketFamily", optional, tag = "2")]
    pub socket_family: Option<i32>,
    /// Transport.
    #[prost(enumeration = "SocketProtocol", optional, tag = "3")]
    pub socket_protocol: Option<i32>,
    /// Address of who asked, 4 or 16 octets.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub query_address: Option<Vec<u8>>,
    /// Address of who was asked, 4 or 16 octets.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub response_address: Option<Vec<u8>>,
    /// Port of who asked.
    #[prost(uint32, optional, tag = "6")]
    pub query_port: Option<u32>,
    /// Port of who was asked.
    #[prost(uint32, optional, tag = "7")]
    pub response_port: Option<u32>,
    /// When the query was sent or came, seconds since the Unix epoch.
    #[prost(uint64, optional, tag = "8")]
    pub query_time_sec: Option<u64>,
    /// The same, nanoseconds of that second.
    #[prost(fixed32, optional, tag = "9")]
    pub query_time_nsec: Option<u32>,
    /// The query as it was on the wire.
    #[prost(bytes = "vec", optional, tag = "10")]
    pub query_message: Option<Vec<u8>>,
    /// The zone the query was sent for, as a name on the wire.
    #[prost(bytes = "vec", optional, tag = "11")]
    pub query_zone: Option<Vec<u8>>,
    /// When the reply was sent or came, seconds since the Unix epoch.
    #[prost(uint64, optional, tag = "12")]
    pub response_time_sec: Option<u64>,
    /// The same, nanoseconds of that second.
    #[prost(fixed32, optional, tag = "13")]
    pub response_time_nsec: Option<u32>,
    /// The reply as it was on the wire.
    #[prost(bytes = "vec", optional, tag = "14")]
    pub response_message: Option<Vec<u8>>,
    /// What an operator's policy did to it.
    #[prost(message, optional, tag = "15")]
    pub policy: Option<Policy>,
    /// Version of HTTP, for DNS over HTTPS only.
    #[prost(enumeration = "HttpProtocol", optional, tag = "16")]
    pub http_protocol: Option<i32>,
}

/// Who saw a message, and which half of the exchange it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum MessageType {
    /// A query, at an authoritative server.
    AuthQuery = 1,
    /// A reply, at an authoritative server.
    AuthResponse = 2,
    /// A query to an authoritative server, at the resolver.
    ResolverQuery = 3,
    /// A reply of an authoritative server, at the resolver.
    ResolverResponse = 4,
    /// A client's query, at the resolver.
    ClientQuery = 5,
    /// A reply to a client, at the resolver.
    ClientResponse = 6,
    /// A query to an upstream, at the forwarder.
    ForwarderQuery = 7,
    /// An upstream's reply, at the forwarder.
    ForwarderResponse = 8,
    /// A query, at the stub that sent it.
    StubQuery = 9,
    /// A reply, at the stub that asked.
    StubResponse = 10,
    /// A query, at the tool that sent it.
    ToolQuery = 11,
    /// A reply, at the tool that asked.
    ToolResponse = 12,
    /// An update, at the authoritative server.
    UpdateQuery = 13,
    /// The reply to an update, at the authoritative server.
    UpdateResponse = 14,
}

impl MessageType {
    /// Whether it is the half with the reply.
    #[must_use]
    pub const fn is_response(self) -> bool {
        (self as i32) % 2 == 0
    }
}

/// Which addresses a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SocketFamily {
    /// IPv4.
    Inet = 1,
    /// IPv6.
    Inet6 = 2,
}

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SocketProtocol {
    /// Plain UDP.
    Udp = 1,
    /// Plain TCP.
    Tcp = 2,
    /// DNS over TLS.
    Dot = 3,
    /// DNS over HTTPS.
    Doh = 4,
    /// DNSCrypt over UDP.
    DnscryptUdp = 5,
    /// DNSCrypt over TCP.
    DnscryptTcp = 6,
    /// DNS over QUIC.
    Doq = 7,
}

/// Version of HTTP below DNS over HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum HttpProtocol {
    /// HTTP/1.
    Http1 = 1,
    /// HTTP/2.
    Http2 = 2,
    /// HTTP/3.
    Http3 = 3,
}

/// What an operator's policy did to a message, and why.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Policy {
    /// Kind of policy, such as `RPZ`.
    #[prost(string, optional, tag = "1")]
    pub kind: Option<String>,
    /// The rule; of a response policy zone its owner name on the wire.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub rule: Option<Vec<u8>>,
    /// What was done.
    #[prost(enumeration = "PolicyAction", optional, tag = "3")]
    pub action: Option<i32>,
    /// What of the message the rule matched.
    #[prost(enumeration = "PolicyMatch", optional, tag = "4")]
    pub matched: Option<i32>,
    /// The value it matched; its form depends on `matched`.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub value: Option<Vec<u8>>,
}

/// What a policy did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum PolicyAction {
    /// Answered NXDOMAIN.
    Nxdomain = 1,
    /// Answered NOERROR without data.
    Nodata = 2,
    /// Let it through as it was.
    Pass = 3,
    /// Answered nothing.
    Drop = 4,
    /// Truncated the reply, so that the client comes back over TCP.
    Truncate = 5,
    /// Answered with data of the policy.
    LocalData = 6,
}

/// What of a message a policy's rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum PolicyMatch {
    /// The name asked.
    Qname = 1,
    /// The client's address.
    ClientIp = 2,
    /// An address in the answer.
    ResponseIp = 3,
    /// An authoritative server, by name.
    NsName = 4,
    /// An authoritative server, by address.
    NsIp = 5,
}

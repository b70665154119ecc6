//! dnstap: the messages (protobuf) and the frame streams they travel in (fstrm), as octets.
//!
//! Knows no file, no socket and no event: octets in, octets out.

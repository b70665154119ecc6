//! DNS bytes.
pub mod code;

//! A small Internet on loopback addresses and the traffic of those who use it.
//!
//! [`Internet`] serves a root, top-level domains and a few hundred zones, good and troubled, and an ISP's
//! resolvers that walk them; [`Traffic`] asks a server the questions a network asks on an ordinary day, and the odd
//! ones a server meets on the open Internet. Both are made from seeds: the same seed gives the same names, records and
//! questions, and both stay on 127.0.0.0/8. [`probe`] provokes every return code from one server, wherever that is.
//! Nothing here knows the server under test.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod authority;
pub mod catalogue;
pub mod internet;
pub mod lists;
mod message;
pub mod probe;
mod provider;
mod server;
pub mod traffic;
mod world;
mod zone;

pub use catalogue::Catalogue;
pub use internet::Internet;
pub use lists::{DemoList, ListKind, demo_lists};
pub use traffic::Traffic;

/// Why the lab could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A made-up name does not fit the rules of names.
    #[error("cannot make the name \"{text}\"")]
    Name {
        /// The offending text.
        text: String,
    },
    /// A record's data does not fit.
    #[error("cannot make the records of \"{zone}\"")]
    Record {
        /// The zone whose data it was.
        zone: String,
    },
    /// The sockets could not be had.
    #[error("cannot open the lab's sockets: {0}")]
    Io(#[from] std::io::Error),
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => Self::other(other),
        }
    }
}

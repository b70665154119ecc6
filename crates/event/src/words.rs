//! The small vocabularies of an event. Each word is stored as its number and shown as its name; numbers are
//! part of the file format and never reused.

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $type { $($(#[$vdoc])* $variant = $number,)* }

        impl $type {
            /// Every word, in order of its number.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// The word as shown in API, page and search.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// The word with this number; `None` for a number from a newer version.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<$type> {
                match number { $($number => Some($type::$variant),)* _ => None }
            }

            /// The number stored.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The word with this name, any case.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$type> {
                Self::ALL.iter().copied().find(|word| word.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

words! {
    /// How a query came.
    Transport {
        /// Plain UDP.
        Udp = 0 "udp",
        /// Plain TCP.
        Tcp = 1 "tcp",
        /// DNS over TLS (RFC 7858).
        Dot = 2 "dot",
        /// DNS over HTTPS (RFC 8484).
        Doh = 3 "doh",
        /// DNS over QUIC (RFC 9250).
        Doq = 4 "doq",
    }
}

words! {
    /// What the client got; says it when the code alone does not.
    Outcome {
        /// NOERROR with an answer.
        Answered = 0 "answered",
        /// NOERROR without an answer: the name exists, this type does not.
        Nodata = 1 "nodata",
        /// NOERROR with a delegation instead of an answer.
        Referral = 2 "referral",
        /// TC set: the client was told to come back over TCP.
        Truncated = 3 "truncated",
        /// A reply whose code is not NOERROR.
        Error = 4 "error",
        /// We chose silence.
        Dropped = 5 "dropped",
        /// No reply came in time.
        Timeout = 6 "timeout",
        /// Not known: imported from a log of queries that does not tell of replies.
        Unknown = 7 "unknown",
    }
}

words! {
    /// What policy did.
    Action {
        /// Nothing matched.
        Pass = 0 "pass",
        /// An allow rule matched.
        Allow = 1 "allow",
        /// A block rule matched and the client got the block answer.
        Block = 2 "block",
        /// The client may not ask at all.
        Refuse = 3 "refuse",
        /// The client, or its network, asked more than it may.
        Limit = 4 "limit",
    }
}

words! {
    /// Where the answer came from.
    CacheState {
        /// Not looked at: policy or an error answered.
        None = 0 "none",
        /// From the cache.
        Hit = 1 "hit",
        /// Not in the cache; an upstream was asked.
        Miss = 2 "miss",
        /// From the cache after its time, because no upstream answered (RFC 8767).
        Stale = 3 "stale",
    }
}

/// Flags of query and reply in one set, as stored in the `flags` column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// Query: recursion desired.
    pub const RD: Flags = Flags(1 << 0);
    /// Query: checking disabled.
    pub const CD: Flags = Flags(1 << 1);
    /// Query: authentic data wanted.
    pub const AD: Flags = Flags(1 << 2);
    /// Query: DNSSEC OK.
    pub const DO: Flags = Flags(1 << 3);
    /// Query: had an OPT record.
    pub const EDNS: Flags = Flags(1 << 4);
    /// Reply: authoritative.
    pub const AA: Flags = Flags(1 << 8);
    /// Reply: truncated.
    pub const TC: Flags = Flags(1 << 9);
    /// Reply: recursion available.
    pub const RA: Flags = Flags(1 << 10);
    /// Reply: authentic data.
    pub const AUTHENTIC: Flags = Flags(1 << 11);

    /// Every flag with its name in search and page.
    pub const ALL: &[(Flags, &str)] = &[
        (Self::RD, "RD"),
        (Self::CD, "CD"),
        (Self::AD, "AD"),
        (Self::DO, "DO"),
        (Self::EDNS, "EDNS"),
        (Self::AA, "AA"),
        (Self::TC, "TC"),
        (Self::RA, "RA"),
        (Self::AUTHENTIC, "AUTHENTIC"),
    ];

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Names of the flags set, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().filter(move |(flag, _)| self.contains(*flag)).map(|&(_, name)| name)
    }
}

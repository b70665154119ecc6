//! DNS cookies on the walk (RFC 7873 §5.2): when a fresh one is given, and when a query without a good one gets BADCOOKIE or TC.

use std::sync::Arc;

use wire::cookie::Secret;

/// How strict cookies are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieMode {
    /// Cookies are ignored.
    Off,
    /// Given to who asks; a wrong one is answered with a fresh one beside the answer.
    #[default]
    Give,
    /// As `Give`; but under pressure UDP clients without a good cookie get BADCOOKIE (with client cookie) or TC (without).
    Pressure,
    /// UDP clients that send cookies must send a good one (else BADCOOKIE); those that send none get TC.
    Require,
}

/// Cookies as the operator has them.
#[derive(Clone, Default)]
pub struct CookieSettings {
    /// How strict.
    pub mode: CookieMode,
    /// The secret in force first, then those still accepted (the former, and one to come on other servers).
    pub secrets: Arc<[Secret]>,
    /// UDP queries a second without good cookie, all clients of a thread together, from which on there is pressure.
    pub pressure_queries_per_second: u32,
}

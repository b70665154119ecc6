//! Extended DNS errors (RFC 8914 and later IANA additions): the registry.

use std::borrow::Cow;

/// One registered INFO-CODE.
#[derive(Debug)]
pub struct EdeInfo {
    /// INFO-CODE.
    pub number: u16,
    /// Registered purpose, such as `Blocked`.
    pub name: &'static str,
    /// Defining document.
    pub rfc: &'static str,
    /// One sentence: what it means.
    pub meaning: &'static str,
}

/// Every registered code in order.
pub static EDES: &[EdeInfo] = &[];

/// The registered name, or `EDE 4001`.
#[must_use]
pub fn name(_number: u16) -> Cow<'static, str> {
    todo!()
}

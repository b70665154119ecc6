//! Extended DNS errors (RFC 8914 and later IANA additions): the registry.

mod table;

use std::borrow::Cow;

pub use table::*;

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
    /// Who sends it.
    pub sender: &'static str,
    /// When this server makes it; `None` when it only passes an upstream's on.
    pub sent: Option<&'static str>,
    /// Usual causes, the most likely first.
    pub causes: &'static [&'static str],
    /// What an operator should do next.
    pub next: &'static [&'static str],
}

/// What the registry knows; `None` for unregistered codes.
#[must_use]
pub fn info(number: u16) -> Option<&'static EdeInfo> {
    EDES.get(usize::from(number)).filter(|info| info.number == number)
}

/// The registered name, or `EDE 4001`.
#[must_use]
pub fn name(number: u16) -> Cow<'static, str> {
    match info(number) {
        Some(info) => Cow::Borrowed(info.name),
        None => Cow::Owned(format!("EDE {number}")),
    }
}

/// The code with this name, any case; blanks and hyphens may be left out or exchanged: `dnskey-missing`.
#[must_use]
pub fn from_name(text: &str) -> Option<&'static EdeInfo> {
    let wanted = squeezed(text);
    EDES.iter().find(|info| squeezed(info.name) == wanted)
}

/// Names are phrases: only letters and digits count.
fn squeezed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_has_no_gap() {
        for (number, info) in (0u16..).zip(EDES) {
            assert_eq!(info.number, number);
            assert!((1..=5).contains(&info.causes.len()) && (1..=4).contains(&info.next.len()), "{}", info.name);
            let texts = [info.meaning].into_iter().chain(info.sent).chain(info.causes.iter().chain(info.next).copied());
            for text in texts {
                assert!(text.ends_with('.') && text.starts_with(|c: char| c.is_uppercase()), "{}: {text}", info.name);
            }
        }
        assert_eq!(EDES.len(), 35);
    }

    #[test]
    fn names() {
        assert_eq!(name(15), "Blocked");
        assert_eq!(name(STALE_NXDOMAIN_ANSWER), "Stale NXDOMAIN Answer");
        assert_eq!(name(4001), "EDE 4001");
        for (text, number) in
            [("blocked", Some(15)), ("dnskey-missing", Some(9)), ("DNSKEYMissing", Some(9)), ("", None)]
        {
            assert_eq!(from_name(text).map(|info| info.number), number, "{text}");
        }
    }
}

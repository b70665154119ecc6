//! Values as people write them: sizes, times, addresses, words. Each reader says what it expected.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Server, ServerTransport};

/// Reads `256 MiB`, `10 GB`, `4096`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let wrong = || format!("\"{text}\" is no size: write a whole number and B, KiB, MiB, GiB, TiB, KB, MB, GB or TB");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(|| format!("\"{text}\" is more than can be counted"))
}

/// Reads `30 days`, `1h 30m`, `90s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no time: write such as \"90s\", \"15m\", \"12h\" or \"30 days\"");
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// Reads a time in whole seconds that fits a TTL (RFC 2181 §8: 31 bits).
pub(super) fn ttl(text: &str) -> Result<u32, String> {
    let seconds = duration(text)?.as_secs();
    u32::try_from(seconds)
        .ok()
        .filter(|&seconds| seconds <= 0x7fff_ffff)
        .ok_or_else(|| format!("\"{text}\" is longer than a TTL can be"))
}

/// Reads `192.0.2.1:53`, `[2001:db8::1]:53`, or an address alone with `port`.
pub(super) fn socket(text: &str, port: u16) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, port)).map_err(|_| {
        format!("\"{text}\" is no address: write such as \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\"")
    })
}

/// Reads `192.0.2.53`, `udp://192.0.2.53:53`, `tcp://[2001:db8::53]`.
pub(super) fn server(text: &str) -> Result<Server, String> {
    let (transport, address) = match text.trim().split_once("://") {
        None => (ServerTransport::Udp, text),
        Some(("udp", address)) => (ServerTransport::Udp, address),
        Some(("tcp", address)) => (ServerTransport::Tcp, address),
        Some((scheme, _)) => return Err(format!("upstreams speak udp or tcp, not \"{scheme}\"")),
    };
    Ok(Server { transport, address: socket(address, 53)? })
}

/// Reads one of a few words, with the nearest one suggested.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, (String, Option<String>)> {
    if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err((format!("\"{text}\" is none of {}", names.join(", ")), nearest(text, &names)))
}

/// The nearest of these words, when one is near enough to have been meant.
pub(super) fn nearest(text: &str, words: &[&str]) -> Option<String> {
    let scored =
        words.iter().map(|word| (strsim::damerau_levenshtein(&text.to_lowercase(), &word.to_lowercase()), word));
    let (distance, word) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + text.chars().count() / 3).then(|| (*word).to_owned())
}

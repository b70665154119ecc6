//! Where a sink sends to, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Port of syslog over UDP (RFC 5426).
const PORT_UDP: u16 = 514;
/// Port of syslog over TCP, as IANA has it.
const PORT_TCP: u16 = 601;
/// Port of syslog over TLS (RFC 5425).
const PORT_TLS: u16 = 6514;

/// What is spoken to the far end, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// dnstap in frame streams.
    Dnstap(Transport),
    /// Syslog (RFC 5424).
    Syslog(Transport),
}

/// How the far end is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A socket in the file system.
    Unix(PathBuf),
    /// Datagrams; syslog only.
    Udp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A connection under TLS.
    Tls {
        /// Name or address; the far end's certificate must be for it.
        host: String,
        /// Port.
        port: u16,
    },
}

/// How the body of a syslog message is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object with the names of the API's rows.
    #[default]
    Json,
    /// ArcSight's Common Event Format.
    Cef,
    /// QRadar's Log Event Extended Format 2.0.
    Leef,
}

impl Format {
    /// Every format with its word.
    pub const ALL: [(&str, Format); 3] = [("json", Format::Json), ("cef", Format::Cef), ("leef", Format::Leef)];

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Cef => "cef",
            Format::Leef => "leef",
        }
    }
}

impl Target {
    /// How the far end is reached.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        match self {
            Target::Dnstap(transport) | Target::Syslog(transport) => transport,
        }
    }

    /// What is in the spool: octets made for one form mean nothing to another.
    pub(crate) fn form(&self, format: Format) -> String {
        match self {
            Target::Dnstap(_) => "dnstap".to_owned(),
            Target::Syslog(Transport::Udp { .. }) => format!("syslog datagrams, {}", format.name()),
            Target::Syslog(_) => format!("syslog octets counted, {}", format.name()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let text = text.trim();
        let wrong = || {
            format!(
                "\"{text}\" is no place to send to: write such as \"dnstap+unix:///run/dnstap.sock\", \
                 \"dnstap+tls://collector.example:6000\", \"syslog+udp://192.0.2.7\" or \"syslog+tls://siem.example:6514\""
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let place = |default: Option<u16>| host_and_port(rest, default).ok_or_else(wrong);
        match scheme.to_ascii_lowercase().as_str() {
            "dnstap+unix" if rest.starts_with('/') && !rest.contains('\0') => {
                Ok(Target::Dnstap(Transport::Unix(PathBuf::from(rest))))
            }
            "dnstap+unix" => {
                Err(format!("\"{text}\": a whole path follows dnstap+unix://, so that there are three slashes"))
            }
            "dnstap+tcp" | "dnstap+tls" if host_and_port(rest, None).is_none() => {
                Err(format!("\"{text}\": dnstap has no port of its own; write host:port"))
            }
            "dnstap+tcp" => place(None).map(|(host, port)| Target::Dnstap(Transport::Tcp { host, port })),
            "dnstap+tls" => place(None).map(|(host, port)| Target::Dnstap(Transport::Tls { host, port })),
            "syslog+udp" => place(Some(PORT_UDP)).map(|(host, port)| Target::Syslog(Transport::Udp { host, port })),
            "syslog+tcp" => place(Some(PORT_TCP)).map(|(host, port)| Target::Syslog(Transport::Tcp { host, port })),
            "syslog+tls" => place(Some(PORT_TLS)).map(|(host, port)| Target::Syslog(Transport::Tls { host, port })),
            _ => Err(wrong()),
        }
    }
}

/// `host`, `host:port`, `192.0.2.1:514`, `[2001:db8::1]`, `[2001:db8::1]:514`.
fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() { default? } else { port.parse().ok().filter(|port| *port != 0)? };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    let is_host = !host.is_empty() && host.len() <= 255 && host.chars().all(plain);
    is_host.then(|| (host.to_owned(), port))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Target::Dnstap(_) => "dnstap",
            Target::Syslog(_) => "syslog",
        };
        let (how, host, port) = match self.transport() {
            Transport::Unix(path) => return write!(f, "{word}+unix://{}", path.display()),
            Transport::Udp { host, port } => ("udp", host, port),
            Transport::Tcp { host, port } => ("tcp", host, port),
            Transport::Tls { host, port } => ("tls", host, port),
        };
        if host.contains(':') {
            write!(f, "{word}+{how}://[{host}]:{port}")
        } else {
            write!(f, "{word}+{how}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("dnstap+unix:///run/dnstap.sock", "dnstap+unix:///run/dnstap.sock"),
            ("dnstap+tcp://192.0.2.7:6000", "dnstap+tcp://192.0.2.7:6000"),
            ("DNSTAP+TLS://collector.example:6000", "dnstap+tls://collector.example:6000"),
            ("syslog+udp://192.0.2.7", "syslog+udp://192.0.2.7:514"),
            ("syslog+tcp://[2001:db8::7]", "syslog+tcp://[2001:db8::7]:601"),
            (" syslog+tls://siem.example ", "syslog+tls://siem.example:6514"),
            ("syslog+tls://[2001:db8::7]:7000", "syslog+tls://[2001:db8::7]:7000"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (text, told) in [
            ("", "is no place"),
            ("siem.example", "is no place"),
            ("syslog://siem.example", "is no place"),
            ("syslog+unix:///dev/log", "is no place"),
            ("dnstap+udp://192.0.2.7:1", "is no place"),
            ("dnstap+unix://run/dnstap.sock", "three slashes"),
            ("dnstap+tcp://192.0.2.7", "host:port"),
            ("syslog+tcp://192.0.2.7:0", "is no place"),
            ("syslog+tcp://192.0.2.7:65536", "is no place"),
            ("syslog+tcp://[2001:db8::7", "is no place"),
            ("syslog+tcp://[siem]:1", "is no place"),
            ("syslog+tcp://a b", "is no place"),
            ("syslog+tcp://:514", "is no place"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

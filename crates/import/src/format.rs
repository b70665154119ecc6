//! The formats, by name and by how a file begins.

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// dnstap, as a frame stream.
    Dnstap,
    /// Packets: pcap.
    Pcap,
    /// Packets: pcapng.
    Pcapng,
    /// C-DNS (RFC 8618) and its drafts.
    Cdns,
    /// BIND's query log.
    Bind,
    /// Unbound's log, with `log-queries` or `log-replies`.
    Unbound,
    /// Pi-hole's FTL database.
    Pihole,
    /// AdGuard Home's `querylog.json`.
    Adguard,
    /// Zeek's `dns.log`, as columns or JSON.
    Zeek,
}

impl Format {
    /// Every format.
    pub const ALL: &[Format] = &[
        Self::Dnstap,
        Self::Pcap,
        Self::Pcapng,
        Self::Cdns,
        Self::Bind,
        Self::Unbound,
        Self::Pihole,
        Self::Adguard,
        Self::Zeek,
    ];

    /// The format as said on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dnstap => "dnstap",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Cdns => "cdns",
            Self::Bind => "bind",
            Self::Unbound => "unbound",
            Self::Pihole => "pihole",
            Self::Adguard => "adguard",
            Self::Zeek => "zeek",
        }
    }

    /// The format with this name, any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        Self::ALL.iter().copied().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Whether it is made of lines.
    pub(crate) const fn has_lines(self) -> bool {
        matches!(self, Self::Bind | Self::Unbound | Self::Adguard | Self::Zeek)
    }
}

const PCAP_MAGICS: [[u8; 4]; 6] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
    [0x34, 0xcd, 0xb2, 0xa1],
];
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// How every SQLite database begins.
pub(crate) const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// The format of a file that begins with these octets (unpacked, the more of them the better) and bears this name.
#[must_use]
pub fn sniff(head: &[u8], name: &str) -> Option<Format> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    if PCAP_MAGICS.iter().any(|magic| begins(magic)) {
        return Some(Format::Pcap);
    }
    if begins(&PCAPNG_MAGIC) {
        return Some(Format::Pcapng);
    }
    if begins(SQLITE_MAGIC) {
        return Some(Format::Pihole);
    }
    // An escape, a length, and one of the types that open a stream: READY or START.
    if let [0, 0, 0, 0, 0, 0, _, _, 0, 0, 0, 2 | 4, ..] = head {
        return Some(Format::Dnstap);
    }
    if let [0x83 | 0x9f, rest @ ..] = head
        && (rest.starts_with(b"\x65C-DNS") || rest.starts_with(b"\x68DNS-STAT"))
    {
        return Some(Format::Cdns);
    }
    // Files without a word of what they are: their lines tell, else their name.
    let lines = head.split(|octet| *octet == b'\n').map(|line| String::from_utf8_lossy(line));
    lines.into_iter().find_map(|line| line_format(&line)).or_else(|| named_format(name))
}

fn line_format(line: &str) -> Option<Format> {
    let line = line.trim_start();
    if line.starts_with("#separator") || line.starts_with("#fields") {
        return Some(Format::Zeek);
    }
    if line.starts_with('{') {
        if line.contains("\"id.orig_h\"") {
            return Some(Format::Zeek);
        }
        return (line.contains("\"QH\"") && line.contains("\"T\"")).then_some(Format::Adguard);
    }
    if line.contains("client ") && line.contains(" query: ") && line.contains('#') {
        return Some(Format::Bind);
    }
    (line.contains("unbound[") && line.contains("] ")).then_some(Format::Unbound)
}

fn named_format(name: &str) -> Option<Format> {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let name = name.trim_end_matches(".gz");
    let ends = |ending: &str| name.ends_with(ending);
    Some(match () {
        () if ends(".pcap") || ends(".cap") => Format::Pcap,
        () if ends(".pcapng") => Format::Pcapng,
        () if ends(".cdns") || ends(".cbor") => Format::Cdns,
        () if ends(".fstrm") || ends(".dnstap") || ends(".tap") => Format::Dnstap,
        () if name.contains("querylog.json") => Format::Adguard,
        () if name.contains("unbound") => Format::Unbound,
        () if name.contains("named") || name.contains("bind") => Format::Bind,
        () if name.contains("pihole-ftl") => Format::Pihole,
        () if name.starts_with("dns.") && (ends(".log") || ends(".json")) => Format::Zeek,
        () => return None,
    })
}

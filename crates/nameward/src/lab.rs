//! `lab probe`: provokes every return code from any server and shows what came of it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use lab::probe::{self, Finding, Outcome, Report, Seen, Signature, Transport, Verdict};
use serde_json::{Value, json};
use wire::code::{CODES, Code};
use wire::name::Folded;
use wire::tsig::{Algorithm, Key};

use crate::cli::{Ended, print};
use crate::code::wrapped;
use crate::config;
use crate::serve::runtime;

/// Port of DNS.
const PORT: u16 = 53;
/// Width of the report; notes are wrapped to it.
const WIDTH: usize = 80;
/// What stands in front of a note.
const NOTE_INDENT: &str = "                ";
/// Longest file of a key.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum LabCommand {
    /// Provoke every return code from any server, and hold its replies against the RFCs
    #[command(after_help = PROBE_HELP)]
    Probe(ProbeArgs),
}

const PROBE_HELP: &str = "\
Without zone and key, the codes of UPDATE and most of TSIG are skipped.
Nothing is changed on the server: updates carry prerequisites only or delete
what does not exist, and no key is made or deleted.

Examples:
  nameward lab probe 192.0.2.53
  nameward lab probe ns1.example.net --zone home.example --key-file ddns.key
  nameward lab probe 127.0.0.1:5353 --only BADCOOKIE,BADVERS --transport udp --json

Exit status: 0 nothing wrong (right, permitted, not offered, skipped),
1 something wrong or unanswered, 2 said wrongly, 3 no reply at all.";

#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    /// The server: name or address, and port when it is not 53
    #[arg(value_name = "SERVER[:PORT]")]
    server: String,
    /// A zone the server is primary for
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// A key that may update and transfer the zone
    #[arg(long, value_name = "NAME:ALGORITHM:BASE64", conflicts_with = "key_file")]
    key: Option<String>,
    /// File with that key, as `nsupdate -k` and BIND read it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Over what
    #[arg(long, value_enum, default_value_t = Over::Both)]
    transport: Over,
    /// Only these codes, separated by commas
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    only: Vec<String>,
    /// Names whose lookup fails on this server, for SERVFAIL, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    servfail_name: Vec<String>,
    /// Owner of a DNAME record with a target longer than itself, for YXDOMAIN
    #[arg(long, value_name = "NAME")]
    dname: Option<String>,
    /// Own address to ask from
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Seconds one reply is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Over {
    Udp,
    Tcp,
    Both,
}

/// Runs a command.
pub(crate) fn run(command: &LabCommand) -> anyhow::Result<Ended> {
    let LabCommand::Probe(args) = command;
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("nameward: {error:#}");
            return Ok(Ended::SaidWrong);
        }
    };
    let report = runtime()?.block_on(probe::run(&settings)).context("cannot probe")?;
    print(&if args.json { format!("{}\n", json(&report)) } else { text(&report) })?;
    Ok(match report.outcome() {
        Outcome::Fine => Ended::Done,
        Outcome::Wrong => Ended::Failed,
        Outcome::NoReply => Ended::Nothing,
    })
}

fn settings(args: &ProbeArgs) -> anyhow::Result<probe::Settings> {
    let name = |text: &String| Folded::from_text(text).with_context(|| format!("\"{text}\" is no name"));
    let key = match (&args.key, &args.key_file) {
        (Some(text), _) => Some(key(text)?),
        (None, Some(file)) => Some(key_file(file).with_context(|| file.display().to_string())?),
        (None, None) => None,
    };
    let mut settings = probe::Settings::new(server(&args.server)?);
    settings.from = args.from;
    settings.transports = match args.transport {
        Over::Udp => vec![Transport::Udp],
        Over::Tcp => vec![Transport::Tcp],
        Over::Both => vec![Transport::Udp, Transport::Tcp],
    };
    settings.zone = args.zone.as_ref().map(name).transpose()?;
    settings.key = key.map(Arc::new);
    if !args.servfail_name.is_empty() {
        settings.servfail_names = args.servfail_name.iter().map(name).collect::<anyhow::Result<_>>()?;
    }
    settings.dname = args.dname.as_ref().map(name).transpose()?;
    settings.only = args.only.iter().map(|text| code(text)).collect::<anyhow::Result<_>>()?;
    settings.patience = Duration::from_secs(args.timeout);
    if args.from.is_some_and(|from| from.is_ipv4() != settings.server.is_ipv4()) {
        bail!("--from and the server are of different address families");
    }
    Ok(settings)
}

fn code(text: &str) -> anyhow::Result<Code> {
    let known = Code::from_name(text).filter(|code| code.info().is_some());
    known.with_context(|| format!("there is no code \"{text}\"; `nameward code` lists them"))
}

/// Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, `ns1.example` and `ns1.example:5353`.
fn server(text: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok((address, PORT).into());
    }
    let resolved = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => text.to_socket_addrs(),
        _ => (text, PORT).to_socket_addrs(),
    };
    resolved
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| format!("cannot find the server \"{text}\""))
}

/// Reads `NAME:ALGORITHM:BASE64`.
fn key(text: &str) -> anyhow::Result<Key> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [name, algorithm, secret] => make_key(name, algorithm, secret),
        _ => Err(anyhow!("a key is written NAME:ALGORITHM:BASE64")),
    }
}

/// The secret is not repeated in what is said of a mistake.
fn make_key(name: &str, algorithm: &str, secret: &str) -> anyhow::Result<Key> {
    let folded = Folded::from_text(name).with_context(|| format!("\"{name}\" is no name of a key"))?;
    let known = || Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    let algorithm =
        Algorithm::from_name(algorithm).with_context(|| format!("algorithm \"{algorithm}\": one of {}", known()))?;
    let secret = config::key_secret(secret).map_err(|why| anyhow!("key \"{name}\": {why}"))?;
    Ok(Key::new(folded, algorithm, &secret))
}

fn key_file(file: &Path) -> anyhow::Result<Key> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text)?;
    read_key_file(&text)
}

/// Reads the first `key "NAME" { algorithm ALGORITHM; secret "BASE64"; };`.
fn read_key_file(text: &str) -> anyhow::Result<Key> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or("").split('#').next().unwrap_or(""));
    // A base64 secret may hold `//`: a line that names one is taken whole.
    let kept = lines.zip(text.lines()).map(|(cut, line)| if line.contains("secret") { line } else { cut });
    let text = kept.collect::<Vec<_>>().join("\n");
    let mut words = text.split(|c: char| c.is_whitespace() || "{};\"".contains(c)).filter(|word| !word.is_empty());
    let (mut name, mut algorithm, mut secret) = (None, None, None);
    while let Some(word) = words.next() {
        let slot = match word {
            "key" => &mut name,
            "algorithm" => &mut algorithm,
            "secret" => &mut secret,
            _ => continue,
        };
        if slot.is_none() {
            *slot = words.next();
        }
    }
    match (name, algorithm, secret) {
        (Some(name), Some(algorithm), Some(secret)) => make_key(name, algorithm, secret),
        _ => Err(anyhow!("no key in it: key \"NAME\" {{ algorithm ALGORITHM; secret \"BASE64\"; }};")),
    }
}

/// The report for people: a line for each probe and transport, a note where there is something to say, and which codes were
/// seen over what.
fn text(report: &Report) -> String {
    let mut out = format!("{} probed\n\n", report.server);
    let _ = writeln!(out, "{:<10} {:<4} {:<10} {:<14} {:<11} PROBE", "CODE", "OVER", "SEEN", "WHERE", "VERDICT");
    for finding in &report.findings {
        let aim = finding.aim.map_or("(silence)".into(), Code::name);
        let seen = finding.seen.as_ref().map_or("-".into(), |seen| seen.code().name());
        let place = finding.seen.as_ref().map_or("", place);
        let (transport, verdict) = (finding.transport.name(), finding.verdict.name());
        let _ = writeln!(out, "{aim:<10} {transport:<4} {seen:<10} {place:<14} {verdict:<11} {}", finding.name);
        if finding.verdict == Verdict::Right {
            continue;
        }
        let ede = finding.seen.iter().flat_map(|seen| &seen.ede).map(|(code, text)| format!("; EDE {code} {text}"));
        let told = format!("{}: {}{}", finding.sent, finding.note, ede.collect::<String>());
        for line in wrapped(&told, WIDTH - NOTE_INDENT.len()) {
            let _ = writeln!(out, "{NOTE_INDENT}{line}");
        }
    }
    let _ = writeln!(out, "\n{:<10} UDP  TCP", "SEEN");
    for info in CODES {
        let cell = |transport| match (report.saw(info.code, transport), travels(info.code, transport)) {
            (true, _) => "yes",
            (false, true) => "no",
            (false, false) => "-",
        };
        let _ = writeln!(out, "{:<10} {:<4} {}", info.name, cell(Transport::Udp), cell(Transport::Tcp));
    }
    let counts: Vec<String> = VERDICTS.iter().map(|&verdict| format!("{} {verdict}", report.count(verdict))).collect();
    let _ = writeln!(out, "\n{}", counts.join(", "));
    out
}

const VERDICTS: [Verdict; 6] =
    [Verdict::Right, Verdict::Permitted, Verdict::NotOffered, Verdict::Wrong, Verdict::NoReply, Verdict::Skipped];

/// Whether the code can be sent over this transport at all: DSO needs a stream (RFC 8490 §4.1), and a stream makes cookies
/// needless (RFC 7873 §5.2.3).
fn travels(code: Code, transport: Transport) -> bool {
    !matches!((code, transport), (Code::DSOTYPENI, Transport::Udp) | (Code::BADCOOKIE, Transport::Tcp))
}

/// Where the code stood, and whether a signature stood for it.
fn place(seen: &Seen) -> &'static str {
    let tsig = seen.tsig_error().is_some_and(|error| error != 0);
    let tkey = seen.tkey_error.is_some_and(|error| error != 0);
    let signed = seen.signature == Signature::Valid;
    match (tsig, tkey, seen.rcode > 15, signed) {
        (true, _, _, true) => "TSIG signed",
        (true, _, _, false) => "TSIG",
        (_, true, _, true) => "TKEY signed",
        (_, true, _, false) => "TKEY",
        (_, _, true, true) => "OPT signed",
        (_, _, true, false) => "header + OPT",
        (_, _, false, true) => "header signed",
        (_, _, false, false) => "header",
    }
}

fn json(report: &Report) -> Value {
    let seen: serde_json::Map<String, Value> = CODES
        .iter()
        .map(|info| {
            let over = |transport| report.saw(info.code, transport);
            (info.name.to_owned(), json!({"udp": over(Transport::Udp), "tcp": over(Transport::Tcp)}))
        })
        .collect();
    let counts: serde_json::Map<String, Value> =
        VERDICTS.iter().map(|&verdict| (word(verdict), report.count(verdict).into())).collect();
    let outcome = match report.outcome() {
        Outcome::Fine => "fine",
        Outcome::Wrong => "wrong",
        Outcome::NoReply => "no_reply",
    };
    json!({
        "server": report.server.to_string(),
        "outcome": outcome,
        "counts": counts,
        "seen": seen,
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn word(verdict: Verdict) -> String {
    verdict.name().replace(' ', "_")
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "probe": finding.name,
        "aim": finding.aim.map(Code::name),
        "sent": finding.sent,
        "rfc": finding.rfc,
        "transport": finding.transport.name(),
        "verdict": word(finding.verdict),
        "note": finding.note,
        "seen": finding.seen.as_ref().map(seen_json),
    })
}

fn seen_json(seen: &Seen) -> Value {
    let (signature, why) = match &seen.signature {
        Signature::None => ("none", None),
        Signature::Unsigned => ("unsigned", None),
        Signature::Valid => ("valid", None),
        Signature::Invalid(why) => ("invalid", Some(why)),
        Signature::Unchecked => ("unchecked", None),
    };
    json!({
        "code": seen.code().name(),
        "rcode_header": seen.rcode_header,
        "rcode": seen.rcode,
        "tsig_error": seen.tsig_error(),
        "tkey_error": seen.tkey_error,
        "opt_version": seen.opt_version,
        "ede": seen.ede.iter().map(|(code, text)| json!({"code": code, "text": text})).collect::<Vec<_>>(),
        "signature": signature,
        "signature_fault": why,
        "size": seen.len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_people_write_them() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(server(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn keys_as_others_write_them() {
        let secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MGE=";
        let file = format!(
            "# made by tsig-keygen\nkey \"Probe.Key\" {{ // ours\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n"
        );
        for key in [key(&format!("probe.key:hmac-sha256:{secret}")), read_key_file(&file)] {
            let key = key.unwrap();
            assert_eq!((key.name.text().as_str(), key.algorithm), ("probe.key", Algorithm::HmacSha256));
            assert_eq!(key.secret(), b"0123456789012345678901234567890a");
        }
        for wrong in ["probe.key", "a:hmac-md4:MDEy", "a:hmac-sha256:!", "a..b:hmac-sha256:MDEy"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
        assert!(read_key_file("zone \"a\" {};").is_err());
        assert!(code("BADTIMES").is_err());
    }

    #[test]
    fn the_report_at_80_columns() {
        let finding = |aim, verdict, note: &str| Finding {
            name: "two-questions",
            aim,
            sent: "two questions in one query",
            rfc: "RFC 9619 §4",
            transport: Transport::Udp,
            seen: None,
            verdict,
            note: note.to_owned(),
        };
        let findings = vec![
            finding(Some(Code::FORMERR), Verdict::NoReply, "no reply, although one was waited for twice as long"),
            finding(None, Verdict::Right, "silence, as it must be"),
        ];
        let text = text(&Report { server: "192.0.2.1:53".parse().unwrap(), findings });
        let head: Vec<&str> = text.lines().take(7).collect();
        insta::assert_snapshot!(head.join("\n"), @r"
        192.0.2.1:53 probed

        CODE       OVER SEEN       WHERE          VERDICT     PROBE
        FORMERR    udp  -                         no reply    two-questions
                        two questions in one query: no reply, although one was waited
                        for twice as long
        (silence)  udp  -                         right       two-questions
        ");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("BADCOOKIE  no   -") && text.contains("DSOTYPENI  -    no"), "{text}");
    }
}

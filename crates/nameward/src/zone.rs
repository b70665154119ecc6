//! `zone`: how the zones held are, and zone files checked before a server has to.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use wire::name::Folded;
use zone::file::{FILE_BYTES_MAX, record_text};

use crate::cli::{Ended, OutputArgs, print};
use crate::client;

#[derive(Debug, Subcommand)]
pub(crate) enum ZoneCommand {
    /// Show the zones the server holds: role, serial, records, and what is wrong
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one zone in full: where it comes from, when it is refreshed, who was told
    Show {
        /// The zone
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say whether a zone file is right, and what is wrong on which line
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The zone file
        file: PathBuf,
        /// The zone's name [default: the file's name without .zone or .db]
        name: Option<String>,
        /// Print the records as the server would hold them
        #[arg(long, short)]
        print: bool,
    },
}

const CHECK_HELP: &str = "\
Examples:
  nameward zone check home.example.zone
  nameward zone check /etc/zones/db.home home.example --print

Exit status: 0 the file is right, 2 it is not, 1 it cannot be read.";

/// Runs a command.
pub(crate) fn run(command: &ZoneCommand, states: &[PathBuf]) -> anyhow::Result<Ended> {
    match command {
        ZoneCommand::List { output } => {
            let zones = client::status(output, states)?.zones;
            if zones.is_empty() {
                eprintln!("no zones: name some in [[zone]] of the configuration");
                return Ok(Ended::Nothing);
            }
            show(&zones, output, list)
        }
        ZoneCommand::Show { name, output } => {
            let wanted = Folded::from_text(name).with_context(|| format!("\"{name}\" is no name"))?.text();
            let mut zones = client::status(output, states)?.zones;
            zones.retain(|zone| zone.name == wanted);
            if zones.is_empty() {
                eprintln!("the server holds no zone {wanted}");
                return Ok(Ended::Nothing);
            }
            show(&zones, output, |zones| zones.iter().map(card).collect())
        }
        ZoneCommand::Check { file, name, print } => check(file, name.as_deref(), *print),
    }
}

fn show(
    zones: &[api::ZoneStatus],
    output: &OutputArgs,
    table: impl Fn(&[api::ZoneStatus]) -> String,
) -> anyhow::Result<Ended> {
    if client::is_table(output) {
        print(&table(zones))?;
    } else {
        for zone in zones {
            print(&format!("{}\n", serde_json::to_string(zone)?))?;
        }
    }
    Ok(Ended::Done)
}

/// A table, the zone's name first, what is wrong last.
fn list(zones: &[api::ZoneStatus]) -> String {
    let width = zones.iter().map(|zone| zone.name.chars().count()).max().unwrap_or(0).clamp(4, 40);
    let mut text = format!("{:<width$}  {:<9}  {:>10}  {:>8}  STATE\n", "ZONE", "ROLE", "SERIAL", "RECORDS");
    for zone in zones {
        let serial = zone.serial.map_or_else(|| "-".to_owned(), |serial| serial.to_string());
        let (name, role, records, state) = (&zone.name, &zone.role, zone.records, state(zone));
        text.push_str(&format!("{name:<width$}  {role:<9}  {serial:>10}  {records:>8}  {state}\n"));
    }
    text
}

fn state(zone: &api::ZoneStatus) -> String {
    match (&zone.unavailable, &zone.fault) {
        (Some(why), _) => format!("not in service: {why}"),
        (None, Some(fault)) => format!("in service, but {fault}"),
        (None, None) => "in service".to_owned(),
    }
}

/// Everything there is to say of one zone.
fn card(zone: &api::ZoneStatus) -> String {
    let mut lines = vec![
        ("Role", zone.role.clone()),
        ("From", zone.source.clone()),
        ("State", state(zone)),
        ("Serial", zone.serial.map_or_else(|| "none".to_owned(), |serial| serial.to_string())),
        ("Records", zone.records.to_string()),
        ("Journal", format!("{} bytes", zone.journal_bytes)),
    ];
    let times = [("Refreshed", &zone.refreshed), ("Refresh", &zone.refresh), ("Expires", &zone.expires)];
    lines.extend(times.into_iter().filter_map(|(head, time)| Some((head, time.clone()?))));
    for notified in &zone.notified {
        let told = notified.error.as_ref().map_or_else(|| "knows".to_owned(), |error| format!("not told: {error}"));
        lines.push(("Notified", format!("{} {told} ({})", notified.address, notified.at)));
    }
    let lines: String = lines.iter().map(|(head, text)| format!("  {head:<10} {text}\n")).collect();
    format!("{}\n{lines}", zone.name)
}

fn check(file: &Path, name: Option<&str>, is_printed: bool) -> anyhow::Result<Ended> {
    let named = match name {
        Some(name) => name.to_owned(),
        None => {
            let stem = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            [".zone", ".db"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(&stem).to_owned()
        }
    };
    let Some(origin) = Folded::from_text(&named) else { bail!("\"{named}\" is no name of a zone") };
    let text = read(file)?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut include = |path: &str| read(&folder.join(path)).map_err(|error| format!("{error:#}"));
    match zone::file::read(&file.display().to_string(), &text, &origin, &mut include) {
        Ok(zone) => {
            let serial = zone.serial().unwrap_or(0);
            if is_printed {
                let records: String = zone.records().map(|record| format!("{}\n", record_text(&record))).collect();
                print(&records)?;
            } else {
                print(&format!("{origin}: fine ({} records, serial {serial})\n", zone.record_count()))?;
            }
            Ok(Ended::Done)
        }
        Err(faults) => {
            for fault in faults {
                eprintln!("{fault}");
            }
            Ok(Ended::SaidWrong)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut octets = Vec::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(FILE_BYTES_MAX as u64).read_to_end(&mut octets))
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Vec<api::ZoneStatus> {
        let copy: api::ZoneStatus = serde_json::from_value(serde_json::json!({
            "name": "copy.example", "role": "secondary", "source": "192.0.2.1:53 key=xfer", "serial": null, "records": 0,
            "unavailable": "not yet transferred from 192.0.2.1:53 key=xfer", "fault": "192.0.2.1:53: does not answer",
            "journal_bytes": 0, "refreshed": null, "refresh": "2026-11-24T10:11:12Z", "expires": null, "notified": []
        }))
        .unwrap();
        let home = api::ZoneStatus {
            name: "home.example".to_owned(),
            role: "primary".to_owned(),
            source: "/etc/nameward/home.zone".to_owned(),
            serial: Some(2_026_112_401),
            records: 12,
            unavailable: None,
            fault: None,
            journal_bytes: 4_711,
            refresh: None,
            notified: vec![
                api::ZoneNotified {
                    address: "192.0.2.53:53".to_owned(),
                    at: "2026-11-24T10:11:12Z".to_owned(),
                    error: None,
                },
                api::ZoneNotified {
                    address: "192.0.2.54:53".to_owned(),
                    at: "2026-11-24T10:11:12Z".to_owned(),
                    error: Some("answered NOTAUTH".to_owned()),
                },
            ],
            ..copy.clone()
        };
        vec![home, copy]
    }

    #[test]
    fn zones_are_listed_with_what_is_wrong() {
        insta::assert_snapshot!(list(&zones()), @r"
        ZONE          ROLE           SERIAL   RECORDS  STATE
        home.example  primary    2026112401        12  in service
        copy.example  secondary           -         0  not in service: not yet transferred from 192.0.2.1:53 key=xfer
        ");
    }

    #[test]
    fn a_card_says_who_was_told() {
        insta::assert_snapshot!(card(&zones()[0]), @r"
        home.example
          Role       primary
          From       /etc/nameward/home.zone
          State      in service
          Serial     2026112401
          Records    12
          Journal    4711 bytes
          Notified   192.0.2.53:53 knows (2026-11-24T10:11:12Z)
          Notified   192.0.2.54:53 not told: answered NOTAUTH (2026-11-24T10:11:12Z)
        ");
    }

    #[test]
    fn a_file_is_checked_by_its_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("home.example.zone");
        std::fs::write(&file, "@ 60 SOA ns hostmaster 7 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n").unwrap();
        assert!(matches!(check(&file, None, false), Ok(Ended::Done)));
        assert!(matches!(check(&file, Some("other.example"), true), Ok(Ended::Done)));
        std::fs::write(&file, "@ 60 SOA ns hostmaster 7 3600 600 86400 60\n@ 60 NS\n").unwrap();
        assert!(matches!(check(&file, None, false), Ok(Ended::SaidWrong)));
        assert!(check(&folder.path().join("gone.zone"), None, false).is_err());
    }
}

//! `key generate`: a secret for signed messages, made here and shown once.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::builder::PossibleValuesParser;
use wire::name::Folded;
use wire::tsig::Algorithm;

use crate::cli::print;

/// Octets of a secret, at least: no HMAC gains from fewer than its digest has, and none of these is shorter than this.
const SECRET_LEN_MIN: usize = 32;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key for updates, transfers or signed queries, and print it once
    #[command(after_help = AFTER_HELP)]
    Generate(GenerateArgs),
}

const AFTER_HELP: &str = "\
Examples:
  nameward key generate ddns                        the section to paste, secret included
  nameward key generate ddns -o /etc/nameward/ddns.secret
                                                    the secret in a file only you can read
Name the key in the zone that it is for:  update = [\"key:ddns name:*.home.example types:A,AAAA\"]";

#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// Name of the key; both sides must call it the same
    name: String,
    /// Algorithm of the signatures
    #[arg(long, short, default_value = "hmac-sha256", value_parser = algorithms())]
    algorithm: String,
    /// Write the secret to this new file (mode 0600) instead of printing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn algorithms() -> PossibleValuesParser {
    PossibleValuesParser::new(Algorithm::ALL.iter().map(|algorithm| algorithm.name()))
}

/// Runs a command.
pub(crate) fn run(command: &KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Generate(args) => generate(args),
    }
}

fn generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let name = Folded::from_text(&args.name).with_context(|| format!("\"{}\" is no name", args.name))?;
    let algorithm = Algorithm::from_name(&args.algorithm).context("no such algorithm")?;
    let mut secret = vec![0; algorithm.mac_len().max(SECRET_LEN_MIN)];
    getrandom::fill(&mut secret).map_err(|error| anyhow!("the system gives no random octets: {error}"))?;
    let secret = STANDARD.encode(secret);
    if let Some(file) = &args.output {
        keep(file, &secret).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&section(&name, algorithm, &secret, args.output.as_deref()))
}

/// Writes a secret where only its owner can read it; never over another.
pub(crate) fn keep(file: &Path, secret: &str) -> std::io::Result<()> {
    let mut out = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{secret}")?;
    out.sync_all()
}

/// The section to paste, and how the other side uses the key.
fn section(name: &Folded, algorithm: Algorithm, secret: &str, file: Option<&Path>) -> String {
    let algorithm = algorithm.name();
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let (setting, used) = match file {
        None => (format!("secret = {}", quoted(secret)), secret.to_owned()),
        Some(file) => {
            let path = file.display().to_string();
            (format!("secret_file = {}", quoted(&path)), format!("$(cat {path})"))
        }
    };
    let mut text = String::new();
    let name_quoted = quoted(&name.text());
    let _ = write!(
        text,
        "# For the configuration file; the other side needs name, algorithm and secret. Not shown again.\n\
         [[key]]\nname = {name_quoted}\nalgorithm = \"{algorithm}\"\n{setting}\n\n\
         # Then, for example:\n\
         #   nsupdate -y \"{algorithm}:{name}:{used}\"\n\
         #   dig @SERVER -y \"{algorithm}:{name}:{used}\" ZONE AXFR\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_printed_is_a_section() {
        let name = Folded::from_text("ddns.home.example").unwrap();
        let text = section(&name, Algorithm::HmacSha512, "c2VjcmV0IG9mIHNpeHRlZW4gb2N0ZXRz", None);
        let config = crate::config::read(&text, Path::new("/state")).unwrap();
        assert_eq!((&config.keys[0].name, config.keys[0].algorithm), (&name, Algorithm::HmacSha512));
        assert_eq!(config.keys[0].secret.load(|_| unreachable!()).unwrap(), b"secret of sixteen octets");
        assert!(text.contains("nsupdate -y \"hmac-sha512:ddns.home.example:c2Vj"), "{text}");
    }

    #[test]
    fn a_file_is_for_its_owner_alone_and_never_written_over() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("ddns.secret");
        let args = |name: &str| GenerateArgs {
            name: name.to_owned(),
            algorithm: "hmac-sha256".to_owned(),
            output: Some(file.clone()),
        };
        generate(&args("ddns")).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(crate::config::key_secret(&kept).unwrap().len(), 32);
        assert!(generate(&args("ddns")).unwrap_err().to_string().starts_with("cannot write "));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);

        let name = Folded::from_text("ddns").unwrap();
        let text = section(&name, Algorithm::HmacSha256, &kept, Some(&file));
        assert!(!text.contains(kept.trim()), "the secret is in the file alone");
        let config = crate::config::read(&text, Path::new("/state")).unwrap();
        assert_eq!(config.keys[0].secret.load(crate::config::key_secret).unwrap().len(), 32);
    }
}

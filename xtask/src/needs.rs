//! What the commands need on the machine: looks, installs when it may, else says the exact lines to type.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::repo::{Repo, answers, must, on_path};

/// Oldest Node that the web build runs on.
const NODE_MAJOR_MIN: u32 = 20;

/// The environment of Python packages that tests look for, from the root of the checkout.
const ORACLES: &str = "target/oracles";
/// Its Python.
const ORACLES_PYTHON: &str = "target/oracles/bin/python";

/// Something a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// C and C++ compiler: ring, zstd, libFuzzer.
    Compiler,
    /// `cargo fmt` and `cargo clippy`.
    Components,
    /// Node and npm.
    Node,
    /// `dig`.
    Dig,
    /// `kdig`.
    Kdig,
    /// `curl`.
    Curl,
    /// A headless browser.
    Chromium,
    /// dnspython, as a client nobody here wrote.
    Dnspython,
    /// BIND's server: the other end of transfers and updates, and the oracle of return codes.
    Named,
    /// Knot's server, likewise.
    Knotd,
    /// NSD, likewise.
    Nsd,
    /// `nsupdate`.
    Nsupdate,
    /// Python that can make environments of its own.
    Venv,
    /// DuckDB for Python in an environment of its own: the oracle of searches.
    Duckdb,
    /// Moto in the same environment: an S3 server, and a client of it, for the remote store.
    Moto,
    /// `cargo nextest`.
    Nextest,
    /// `cargo deny`.
    Deny,
    /// Valgrind, whose callgrind counts instructions.
    Valgrind,
}

/// How a missing thing is put in place.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Debian package.
    Apt(&'static str),
    /// Program built by cargo.
    Cargo(&'static str),
    /// Rustup component.
    Rustup(&'static str),
    /// Python package, in the environment under the target folder of the checkout.
    Pip(&'static str),
    /// Only a person can: what to do.
    Person(&'static str),
}

impl Need {
    fn met(self, repo: &Repo) -> bool {
        match self {
            Self::Compiler => on_path("cc").is_some() && on_path("c++").is_some(),
            Self::Components => {
                ["fmt", "clippy"].iter().all(|word| answers(Command::new("cargo").args([word, "--version"])))
            }
            Self::Node => on_path("npm").is_some() && node_major().is_some_and(|major| major >= NODE_MAJOR_MIN),
            Self::Dig => on_path("dig").is_some(),
            Self::Kdig => on_path("kdig").is_some(),
            Self::Curl => on_path("curl").is_some(),
            Self::Chromium => {
                ["chromium", "chromium-browser", "google-chrome"].iter().any(|name| on_path(name).is_some())
            }
            Self::Dnspython => answers(Command::new("/usr/bin/python3").args(["-c", "import dns.message"])),
            Self::Named => server("named"),
            Self::Knotd => server("knotd"),
            Self::Nsd => server("nsd"),
            Self::Nsupdate => on_path("nsupdate").is_some(),
            Self::Venv => answers(Command::new("python3").args(["-c", "import ensurepip, venv"])),
            Self::Duckdb => answers(repo.command(ORACLES_PYTHON).args(["-c", "import duckdb"])),
            Self::Moto => answers(repo.command(ORACLES_PYTHON).args(["-c", "import moto.server, boto3"])),
            Self::Nextest => answers(Command::new("cargo").args(["nextest", "--version"])),
            Self::Deny => answers(Command::new("cargo").args(["deny", "--version"])),
            Self::Valgrind => on_path("valgrind").is_some(),
        }
    }

    fn remedy(self) -> Remedy {
        match self {
            Self::Compiler => Remedy::Apt("build-essential"),
            Self::Components => Remedy::Rustup("rustfmt clippy"),
            Self::Node => {
                Remedy::Person("install Node 20 or newer with npm: Debian 12's own is too old for the web build")
            }
            Self::Dig => Remedy::Apt("bind9-dnsutils"),
            Self::Kdig => Remedy::Apt("knot-dnsutils"),
            Self::Curl => Remedy::Apt("curl"),
            Self::Chromium => Remedy::Apt("chromium"),
            Self::Dnspython => Remedy::Apt("python3-dnspython"),
            Self::Named => Remedy::Apt("bind9"),
            Self::Knotd => Remedy::Apt("knot"),
            Self::Nsd => Remedy::Apt("nsd"),
            Self::Nsupdate => Remedy::Apt("bind9-dnsutils"),
            Self::Venv => Remedy::Apt("python3-venv"),
            Self::Duckdb => Remedy::Pip("duckdb==2.0.1"),
            Self::Moto => Remedy::Pip("moto[server]==5.2.5"),
            Self::Nextest => Remedy::Cargo("cargo-nextest"),
            Self::Deny => Remedy::Cargo("cargo-deny"),
            Self::Valgrind => Remedy::Apt("valgrind"),
        }
    }
}

/// Lines that put missing things in place, and what only a person can do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    apt: Vec<&'static str>,
    cargo: Vec<&'static str>,
    rustup: Vec<&'static str>,
    pip: Vec<&'static str>,
    person: Vec<&'static str>,
}

impl Plan {
    fn of(missing: &[Need]) -> Plan {
        let mut plan = Plan::default();
        for need in missing {
            match need.remedy() {
                // Two programs may lie in one package.
                Remedy::Apt(package) if plan.apt.contains(&package) => {}
                Remedy::Apt(package) => plan.apt.push(package),
                Remedy::Cargo(program) => plan.cargo.push(program),
                Remedy::Rustup(component) => plan.rustup.push(component),
                Remedy::Pip(package) => plan.pip.push(package),
                Remedy::Person(text) => plan.person.push(text),
            }
        }
        plan
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        if !self.apt.is_empty() {
            let _ = writeln!(
                text,
                "  sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
                self.apt.join(" ")
            );
        }
        for components in &self.rustup {
            let _ = writeln!(text, "  rustup component add {components}");
        }
        for program in &self.cargo {
            let _ = writeln!(text, "  cargo install --locked {program}");
        }
        if !self.pip.is_empty() {
            // A shell would take brackets for a pattern.
            let quoted =
                |package: &&str| if package.contains('[') { format!("'{package}'") } else { (*package).to_owned() };
            let packages = self.pip.iter().map(quoted).collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "  python3 -m venv {ORACLES} && {ORACLES_PYTHON} -m pip install {packages}");
        }
        for line in &self.person {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

/// Makes sure of everything in `needs`: installs as root, else says what to type.
///
/// # Errors
/// When something is missing and may not or could not be installed.
pub(crate) fn ensure(repo: &Repo, needs: &[Need]) -> anyhow::Result<()> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.met(repo)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let plan = Plan::of(&missing);
    let may_install = is_root() && on_path("apt-get").is_some();
    if !plan.person.is_empty() || !(plan.apt.is_empty() || may_install) {
        anyhow::bail!("this machine lacks something this command needs; run:\n{}", plan.lines());
    }
    println!("installing what this machine lacks:\n{}", plan.lines());
    if !plan.apt.is_empty() {
        must(repo.command("apt-get").args(["update", "-q"]))?;
        let mut install = repo.command("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-q", "--no-install-recommends"]);
        must(install.args(&plan.apt).stdin(Stdio::null()))?;
    }
    for components in &plan.rustup {
        must(repo.command("rustup").args(["component", "add"]).args(components.split(' ')))?;
    }
    for program in &plan.cargo {
        must(&mut install_tool(repo, program))?;
    }
    if !plan.pip.is_empty() {
        must(repo.command("python3").args(["-m", "venv", ORACLES]))?;
        must(repo.command(ORACLES_PYTHON).args(["-m", "pip", "install", "-q"]).args(&plan.pip))?;
    }
    match needs.iter().find(|need| !need.met(repo)) {
        Some(need) => anyhow::bail!("installed, yet still missing: {need:?}"),
        None => Ok(()),
    }
}

/// Tools run for seconds here, so they are built to be built fast.
fn install_tool(repo: &Repo, program: &str) -> Command {
    let mut install = repo.command("cargo");
    install.args(["install", "--locked", program]);
    install.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    install
}

/// Whether a server is installed; those lie where only root's path may lead.
fn server(name: &str) -> bool {
    on_path(name).is_some() || std::path::Path::new("/usr/sbin").join(name).is_file()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn node_major() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    major(std::str::from_utf8(&output.stdout).ok()?)
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_things_become_lines_to_type() {
        let needs = [Need::Compiler, Need::Kdig, Need::Components, Need::Deny, Need::Duckdb, Need::Moto, Need::Node];
        let text = Plan::of(&needs).lines();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[0],
            "sudo apt-get update && sudo apt-get install -y --no-install-recommends build-essential knot-dnsutils"
        );
        assert_eq!(lines[1], "rustup component add rustfmt clippy");
        assert_eq!(lines[2], "cargo install --locked cargo-deny");
        assert_eq!(
            lines[3],
            "python3 -m venv target/oracles && target/oracles/bin/python -m pip install duckdb==2.0.1 'moto[server]==5.2.5'"
        );
        assert!(lines[4].starts_with("install Node 20"));
    }

    #[test]
    fn node_versions() {
        assert_eq!(major("v20.11.1\n"), Some(20));
        assert_eq!(major("v9.0.0"), Some(9));
        assert_eq!(major("20"), None);
    }
}

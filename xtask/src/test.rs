//! `cargo xtask test`: every check of the house in one command, in an order that fails early and compiles nothing twice.
//!
//! All cargo steps use the same profile, features (`--workspace`) and flags: warnings become errors through arguments to
//! clippy and rustdoc alone, never through `RUSTFLAGS`, which would rebuild the whole tree.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::demo::{Demo, ends_well_within};
use crate::needs::{self, Need};
use crate::repo::{Repo, must, on_path, passes};
use crate::{docs, fuzz, tidy};

/// Longest wait for the advisory database, which lies outside the package registries.
const ADVISORIES_WAIT: Duration = Duration::from_secs(60);

/// How a step ended.
enum Ended {
    Passed,
    Failed,
    /// Could not be done here, and that is no fault: why.
    Skipped(String),
}

impl From<bool> for Ended {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

struct Step {
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    /// Runs what `build` built.
    after_build: bool,
    run: fn(&Repo) -> anyhow::Result<Ended>,
}

const STEPS: &[Step] = &[
    Step {
        name: "tidy",
        about: "crate arrows, headers, leftovers, links",
        needs: &[],
        after_build: false,
        run: |repo| Ok(tidy::check(repo)?.into()),
    },
    Step {
        name: "fmt",
        about: "cargo fmt --check",
        needs: &[Need::Components],
        after_build: false,
        run: |repo| cargo(repo, &["fmt", "--all", "--check"]),
    },
    Step {
        name: "deny",
        about: "licences, sources and banned crates",
        needs: &[Need::Deny],
        after_build: false,
        run: |repo| cargo(repo, &["deny", "--locked", "check", "bans", "licenses", "sources"]),
    },
    Step {
        name: "advisories",
        about: "known holes in dependencies, where the database can be fetched",
        needs: &[Need::Deny],
        after_build: false,
        run: advisories,
    },
    Step {
        name: "clippy",
        about: "clippy, warnings as errors",
        needs: &[Need::Components, Need::Compiler, Need::Node],
        after_build: false,
        run: |repo| cargo(repo, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step {
        name: "rustdoc",
        about: "API documentation, warnings as errors",
        needs: &[Need::Compiler, Need::Node],
        after_build: false,
        run: rustdoc,
    },
    Step {
        name: "build",
        about: "every program and every test",
        needs: &[Need::Compiler, Need::Node],
        after_build: false,
        run: |repo| cargo(repo, &["build", "--locked", "--workspace", "--bins", "--tests"]),
    },
    Step {
        name: "rust",
        about: "unit, scenario, crash and interop tests (nextest)",
        needs: &[
            Need::Compiler,
            Need::Node,
            Need::Nextest,
            Need::Dig,
            Need::Kdig,
            Need::Curl,
            Need::Dnspython,
            Need::Named,
            Need::Knotd,
            Need::Nsd,
            Need::Nsupdate,
            Need::Venv,
            Need::Duckdb,
            Need::Moto,
        ],
        after_build: false,
        run: |repo| cargo(repo, &["nextest", "run", "--locked", "--workspace", "--profile", profile()]),
    },
    Step {
        name: "doctest",
        about: "examples in documentation",
        needs: &[Need::Compiler, Need::Node],
        after_build: false,
        run: |repo| cargo(repo, &["test", "--locked", "--workspace", "--doc"]),
    },
    Step {
        name: "docs",
        about: "generated reference pages are current; the book builds where mdbook is installed",
        needs: &[],
        after_build: true,
        run: pages,
    },
    Step {
        name: "fuzz",
        about: "every fuzz target over its corpus, and briefly beyond",
        needs: &[],
        after_build: true,
        run: |repo| Ok(fuzz::smoke(repo, &[])?.into()),
    },
    Step {
        name: "web",
        about: "dashboard: types and unit tests",
        needs: &[Need::Node],
        after_build: false,
        run: |repo| Ok(Web::open(repo)?.scripts(&["check", "test"])?.into()),
    },
    Step {
        name: "browser",
        about: "dashboard in a headless browser, against a server of made-up events",
        needs: &[Need::Node, Need::Chromium],
        after_build: false,
        run: |repo| Ok(Web::open(repo)?.scripts(&["test:browser"])?.into()),
    },
    Step {
        name: "demo",
        about: "the built product as a newcomer starts it, its dashboard in a headless browser",
        needs: &[Need::Node, Need::Chromium],
        after_build: true,
        run: demo,
    },
];

/// `cargo xtask test`.
pub(crate) fn run(repo: &Repo, words: &[String]) -> anyhow::Result<ExitCode> {
    let Some(chosen) = choose(words)? else {
        for step in STEPS {
            println!("{:<11} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let mut wanted: Vec<Need> = chosen.iter().flat_map(|step| step.needs).copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    needs::ensure(repo, &wanted)?;

    let mut rows = Vec::new();
    for step in chosen {
        println!("\n==> {}: {}", step.name, step.about);
        let begun = Instant::now();
        let ended = (step.run)(repo).unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            Ended::Failed
        });
        rows.push((step.name, begun.elapsed(), ended));
    }
    Ok(report(&rows))
}

/// The steps asked for, in order; `None` for `--list`.
fn choose(words: &[String]) -> anyhow::Result<Option<Vec<&'static Step>>> {
    let (mut only, mut skip) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let names = match word.as_str() {
            "--list" => return Ok(None),
            "--only" => &mut only,
            "--skip" => &mut skip,
            other => bail!("test does not know `{other}`; see `cargo xtask help`"),
        };
        let name = words.next().with_context(|| format!("{word} needs the name of a step"))?;
        if !STEPS.iter().any(|step| step.name == name) {
            bail!("no step `{name}`; see `cargo xtask test --list`");
        }
        names.push(name.as_str());
    }
    let asked = |step: &Step| (only.is_empty() || only.contains(&step.name)) && !skip.contains(&step.name);
    let needs_build = STEPS.iter().any(|step| asked(step) && step.after_build);
    let wanted = |step: &&Step| asked(step) || (step.name == "build" && needs_build);
    Ok(Some(STEPS.iter().filter(wanted).collect()))
}

fn report(rows: &[(&str, Duration, Ended)]) -> ExitCode {
    println!("\nstep         result     time");
    let mut total = Duration::ZERO;
    let mut failed = Vec::new();
    for (name, time, ended) in rows {
        total += *time;
        let (word, note) = match ended {
            Ended::Passed => ("passed", ""),
            Ended::Failed => ("FAILED", ""),
            Ended::Skipped(why) => ("skipped", why.as_str()),
        };
        println!("{name:<12} {word:<8} {:>6.1} s  {note}", time.as_secs_f64());
        if matches!(ended, Ended::Failed) {
            failed.push(*name);
        }
    }
    let minutes = total.as_secs_f64() / 60.0;
    if failed.is_empty() {
        println!("all steps passed in {minutes:.1} min");
        ExitCode::SUCCESS
    } else {
        println!(
            "steps that failed: {} ({minutes:.1} min); again: cargo xtask test --only {}",
            failed.join(", "),
            failed[0]
        );
        ExitCode::FAILURE
    }
}

fn cargo(repo: &Repo, words: &[&str]) -> anyhow::Result<Ended> {
    Ok(passes(repo.command("cargo").args(words))?.into())
}

fn profile() -> &'static str {
    if std::env::var_os("CI").is_some() { "ci" } else { "default" }
}

fn rustdoc(repo: &Repo) -> anyhow::Result<Ended> {
    let mut command = repo.command("cargo");
    command.args(["doc", "--locked", "--workspace", "--no-deps", "--lib", "--document-private-items"]);
    Ok(passes(command.env("RUSTDOCFLAGS", "-D warnings"))?.into())
}

fn advisories(repo: &Repo) -> anyhow::Result<Ended> {
    let mut fetch =
        repo.command("cargo").args(["deny", "fetch", "db"]).spawn().context("cannot run cargo deny fetch")?;
    if !ends_well_within(&mut fetch, ADVISORIES_WAIT)? {
        return Ok(Ended::Skipped("the advisory database cannot be fetched from here".to_owned()));
    }
    cargo(repo, &["deny", "--locked", "check", "--disable-fetch", "advisories"])
}

fn pages(repo: &Repo) -> anyhow::Result<Ended> {
    let current = docs::check(repo)?;
    let Some(mdbook) = on_path("mdbook") else {
        println!("mdbook is not installed: the book itself was not built");
        return Ok(current.into());
    };
    let built = passes(
        Command::new(mdbook).arg("build").arg(repo.root.join("docs")).arg("--dest-dir").arg(repo.target.join("book")),
    )?;
    Ok((current && built).into())
}

fn demo(repo: &Repo) -> anyhow::Result<Ended> {
    let mut web = Web::open(repo)?;
    let demo = Demo::start(repo)?;
    web.server = Some((demo.url.clone(), demo.token.clone()));
    let held = web.scripts(&["test:browser"]);
    let stopped = demo.stop()?;
    if !stopped {
        eprintln!("the demo did not end well after Ctrl-C");
    }
    Ok((held? && stopped).into())
}

/// A copy of the dashboard's sources below the target folder, with what npm installs, so that the source tree stays as it is.
struct Web {
    folder: PathBuf,
    /// Address and one-time token of a running product for the browser tests; without, they bring a server of their own.
    server: Option<(String, String)>,
}

impl Web {
    /// Makes the copy anew. What npm installed stays as long as the lock file does.
    fn open(repo: &Repo) -> anyhow::Result<Web> {
        let area = repo.target.join("web-test");
        let folder = area.join("web");
        let installed = Installed::at(&folder);
        let lock =
            std::fs::read(repo.root.join("web/package-lock.json")).context("cannot read web/package-lock.json")?;
        let is_installed = installed.is_for(&lock);
        if folder.exists() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                match (entry.file_type()?.is_dir(), entry.file_name() == "node_modules") {
                    (_, true) => {}
                    (true, false) => std::fs::remove_dir_all(entry.path())?,
                    (false, false) => std::fs::remove_file(entry.path())?,
                }
            }
        }
        // The server of made-up events speaks of codes in the words of the registry.
        let needed = |file: &Path| file.starts_with("web") || file == Path::new("docs/src/reference/codes.json");
        for file in repo.files()?.iter().filter(|file| needed(file)) {
            let to = area.join(file);
            std::fs::create_dir_all(to.parent().unwrap_or(&area))?;
            std::fs::copy(repo.root.join(file), &to).with_context(|| format!("cannot copy {}", file.display()))?;
        }
        let web = Web { folder, server: None };
        if !is_installed {
            must(web.npm().args(["ci", "--no-audit", "--no-fund"]))?;
            installed.note(&lock)?;
        }
        Ok(web)
    }

    fn npm(&self) -> Command {
        let mut npm = Command::new("npm");
        npm.current_dir(&self.folder);
        if let Some((url, token)) = &self.server {
            npm.env("NAMEWARD_URL", url).env("NAMEWARD_TOKEN", token);
        }
        npm
    }

    /// Runs npm scripts, all of them; whether all succeeded.
    fn scripts(&self, names: &[&str]) -> anyhow::Result<bool> {
        let mut all_passed = true;
        for name in names {
            all_passed &= passes(self.npm().args(["run", name]))?;
        }
        Ok(all_passed)
    }
}

/// Remembers which lock file `node_modules` was installed for.
struct Installed(PathBuf);

impl Installed {
    fn at(web: &Path) -> Installed {
        Installed(web.join("node_modules/.installed-lock"))
    }

    fn is_for(&self, lock: &[u8]) -> bool {
        std::fs::read(&self.0).is_ok_and(|kept| kept == lock)
    }

    fn note(&self, lock: &[u8]) -> anyhow::Result<()> {
        std::fs::write(&self.0, lock).with_context(|| format!("cannot write {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expected: &str) {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let text = match choose(&words) {
            Ok(Some(steps)) => steps.iter().map(|step| step.name).collect::<Vec<_>>().join(" "),
            Ok(None) => "list".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn choosing_steps() {
        let all = STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(" ");
        check("", &all);
        check("--list", "list");
        check("--only fmt --only tidy", "tidy fmt");
        check("--only fmt --skip fmt", "");
        check("--only fuzz", "build fuzz");
        check("--only demo --skip browser", "build demo");
        check("--only nope", "no step `nope`; see `cargo xtask test --list`");
        check("--only", "--only needs the name of a step");
        check("fast", "test does not know `fast`; see `cargo xtask help`");
    }

    #[test]
    fn a_failed_step_fails_the_run() {
        let time = Duration::from_secs(1);
        let skipped = Ended::Skipped("no network".to_owned());
        assert_eq!(report(&[("a", time, Ended::Passed), ("b", time, skipped)]), ExitCode::SUCCESS);
        assert_eq!(report(&[("a", time, Ended::Failed), ("b", time, Ended::Passed)]), ExitCode::FAILURE);
    }
}

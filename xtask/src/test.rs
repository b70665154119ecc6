//! `cargo xtask test`: every check of the house in one command, in an order that fails early and compiles nothing twice.
//!
//! All cargo steps use the same profile, features (`--workspace`) and flags: warnings become errors through arguments to
//! clippy and rustdoc alone, never through `RUSTFLAGS`, which would rebuild the whole tree.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::needs::{self, Need};
use crate::repo::{Repo, on_path, passes};
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
        needs: &[Need::Components, Need::Compiler],
        after_build: false,
        run: |repo| cargo(repo, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step {
        name: "rustdoc",
        about: "API documentation, warnings as errors",
        needs: &[Need::Compiler],
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
        needs: &[Need::Compiler, Need::Node, Need::Nextest, Need::Dig, Need::Kdig, Need::Curl, Need::Dnspython],
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
        run: |repo| web(repo, &["check", "test"]),
    },
    Step {
        name: "browser",
        about: "dashboard in a headless browser, against the built product",
        needs: &[Need::Node, Need::Chromium],
        after_build: true,
        run: |repo| web(repo, &["test:browser"]),
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
    let fetch = repo.command("cargo").args(["deny", "fetch", "db"]).spawn().context("cannot run cargo deny fetch")?;
    if !ends_well_within(fetch, ADVISORIES_WAIT)? {
        return Ok(Ended::Skipped("the advisory database cannot be fetched from here".to_owned()));
    }
    cargo(repo, &["deny", "--locked", "check", "--disable-fetch", "advisories"])
}

/// Waits for a child, at most so long; ends it after.
fn ends_well_within(mut child: std::process::Child, wait: Duration) -> anyhow::Result<bool> {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
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

/// Runs npm scripts of the dashboard in a copy, so that the source tree stays as it is.
fn web(repo: &Repo, scripts: &[&str]) -> anyhow::Result<Ended> {
    let copy = web_copy(repo)?;
    let npm = |words: &[&str]| {
        let mut command = Command::new("npm");
        command.args(words).current_dir(&copy).env("NAMEWARD_BIN", repo.built("nameward"));
        passes(&mut command)
    };
    if !npm(&["ci", "--no-audit", "--no-fund"])? {
        return Ok(Ended::Failed);
    }
    let mut all_passed = true;
    for script in scripts {
        all_passed &= npm(&["run", script])?;
    }
    Ok(all_passed.into())
}

/// A fresh copy of `web/` below the target folder, laid as in the checkout so that paths to its neighbours hold.
fn web_copy(repo: &Repo) -> anyhow::Result<PathBuf> {
    let area = repo.target.join("web-test");
    let copy = area.join("web");
    if copy.exists() {
        std::fs::remove_dir_all(&copy).with_context(|| format!("cannot empty {}", copy.display()))?;
    }
    for file in repo.files()? {
        if file.starts_with("web") || file.starts_with("crates/api") {
            let to = area.join(&file);
            std::fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
            std::fs::copy(repo.root.join(&file), &to).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    Ok(copy)
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

//! Where things lie and how commands are run: the checkout, cargo's target folder, child processes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The checkout this tool was built in.
pub(crate) struct Repo {
    /// Folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever environment or configuration put it.
    pub(crate) target: PathBuf,
}

impl Repo {
    /// Finds the checkout and asks cargo for its target folder.
    pub(crate) fn open() -> anyhow::Result<Repo> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?.to_path_buf();
        let output = cargo(&root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed");
        }
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("cargo metadata is no JSON")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
        Ok(Repo { root, target: PathBuf::from(target) })
    }

    /// Files of the checkout, relative to its root: tracked ones and new ones that are not ignored; without git, all but
    /// build products.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut list = Command::new("git");
        list.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut files = match list.output() {
            Ok(output) if output.status.success() => {
                let names = output.stdout.split(|octet| *octet == 0).filter(|name| !name.is_empty());
                names
                    .map(|name| PathBuf::from(OsStr::from_bytes(name)))
                    .filter(|file| self.root.join(file).is_file())
                    .collect()
            }
            _ => walk(&self.root)?,
        };
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// A command that runs in the checkout.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = if program == "cargo" { cargo(&self.root) } else { Command::new(program) };
        command.current_dir(&self.root);
        command
    }

    /// A program built by `cargo build`.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }
}

/// All files below `root`, relative to it, without build products and hidden folders of git.
pub(crate) fn walk(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    const BUILT: [&str; 4] = [".git", "target", "node_modules", "dist"];
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !BUILT.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path().strip_prefix(root)?.to_path_buf());
            }
        }
    }
    Ok(files)
}

/// Cargo as this tool was started by: the same toolchain, and none of the variables `cargo run` sets for its child, which
/// would make build scripts of dependencies look changed.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let set_for_child =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if set_for_child {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end with its output shown; says whether it succeeded.
pub(crate) fn passes(command: &mut Command) -> anyhow::Result<bool> {
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    Ok(status.success())
}

/// Runs a command that must succeed.
pub(crate) fn must(command: &mut Command) -> anyhow::Result<()> {
    if !passes(command)? {
        bail!("failed: {}", shown(command));
    }
    Ok(())
}

/// Runs a command in silence; says whether it could be run and succeeded.
pub(crate) fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// A program on `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

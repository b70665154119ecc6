//! Puts the dashboard into the crate: takes it built (`WEBUI_DIST`), or builds it with npm in `OUT_DIR`, or embeds a page that says
//! how to. Never writes into the source tree.
//!
//! - `WEBUI_DIST=dir` takes a page built elsewhere: packages, archives without Node.
//! - `WEBUI_REQUIRED=1` makes a missing page an error: releases, CI.
//! - `WEBUI_STUB=1` embeds the stand-in without asking npm: quick builds of everything else.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the build of the page reads, below `web/`. `node_modules`, `dist` and tests are not among it.
const SOURCES: [&str; 7] =
    ["index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src", "public"];
/// Names what `npm ci` installed, so that it runs again only when the lock file changes.
const INSTALLED: &str = "node_modules/.installed";
/// The oldest Node that Vite runs on.
const NODE_MIN: (u32, u32) = (20, 19);
/// Most files a page may have; more means that `WEBUI_DIST` points at something else.
const FILES_MAX: usize = 500;
/// A compressed form is kept when it saves at least one part in this many.
const SAVING_PARTS: usize = 10;
/// Build scripts run unoptimised: 9 compresses a page in a second or two, within 3 % of 11.
const BROTLI_QUALITY: i32 = 9;

fn main() {
    if let Err(fault) = run() {
        eprintln!("\n{fault}\n");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    for name in ["WEBUI_DIST", "WEBUI_REQUIRED", "WEBUI_STUB"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let web = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../web");
    match page(&web, &out)? {
        Some(dist) => generate(&out, &read_page(&dist)?, false),
        None => generate(&out, &[("index.html".to_owned(), include_bytes!("src/stub.html").to_vec())], true),
    }
}

/// The folder of the built page; `None` for the stand-in.
fn page(web: &Path, out: &Path) -> Result<Option<PathBuf>, String> {
    if let Some(dist) = flag("WEBUI_DIST") {
        println!("cargo:rerun-if-changed={dist}");
        let dist = PathBuf::from(dist);
        if !dist.join("index.html").is_file() {
            return Err(format!("WEBUI_DIST: {} holds no index.html: not a built page", dist.display()));
        }
        return Ok(Some(dist));
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    let Some(missing) = missing(web) else {
        return build(web, &out.join("web")).map(Some);
    };
    if flag("WEBUI_REQUIRED").is_some() {
        return Err(format!(
            "the dashboard cannot be built: {missing}, and WEBUI_REQUIRED forbids the stand-in page.\n\
             Install Node 20.19 or newer with npm, or set WEBUI_DIST to a folder with the built page."
        ));
    }
    println!("cargo:warning=dashboard not built ({missing}): a page that says how to is embedded instead");
    Ok(None)
}

/// Why the page cannot be built here; `None` when it can.
fn missing(web: &Path) -> Option<String> {
    if flag("WEBUI_STUB").is_some() {
        return Some("WEBUI_STUB is set".to_owned());
    }
    if !web.join("package.json").is_file() {
        return Some("the sources in web/ are not there".to_owned());
    }
    if version(npm()).is_none() {
        return Some("npm was not found".to_owned());
    }
    let Some((text, major, minor)) = version(Command::new("node")) else {
        return Some("node was not found".to_owned());
    };
    (major, minor).lt(&NODE_MIN).then(|| format!("node {text} is too old, {}.{} is needed", NODE_MIN.0, NODE_MIN.1))
}

/// What a program says of its version: the text, major and minor.
fn version(mut program: Command) -> Option<(String, u32, u32)> {
    let output = program.arg("--version").output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().trim_start_matches('v').to_owned();
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    Some((text, major, minor))
}

/// A variable that is set to something; `0` counts as not set.
fn flag(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty() && value != "0")
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Builds a copy of the sources and returns where the page is.
fn build(web: &Path, copy: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    for source in SOURCES {
        let target = copy.join(source);
        // Files that are gone from the sources must be gone here too.
        if target.is_dir() {
            fs::remove_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
        }
        copy_tree(&web.join(source), &target)?;
    }
    let read = |name: &str| fs::read_to_string(copy.join(name)).map_err(|error| format!("web/{name}: {error}"));
    let wanted = format!("{}{}", read("package-lock.json")?, read("package.json")?);
    let installed = copy.join(INSTALLED);
    if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
        run_npm(copy, &["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"])?;
        fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    }
    run_npm(copy, &["run", "build"])?;
    Ok(copy.join("dist"))
}

fn run_npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let line = format!("npm {}", arguments.join(" "));
    let output = npm().args(arguments).current_dir(folder).output().map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "building the dashboard failed: `{line}` ended with {} in {}\n\n{}{}\n\
         WEBUI_DIST=folder takes a page built elsewhere; WEBUI_STUB=1 builds without one.",
        output.status,
        folder.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", from.display());
    if !from.is_dir() {
        // Written rather than copied: a read-only source must not leave a read-only copy.
        return fs::write(to, fs::read(from).map_err(fault)?).map_err(|error| format!("{}: {error}", to.display()));
    }
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for entry in fs::read_dir(from).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// All files of a page: path below it with `/`, and content. In order of path, so that equal pages make equal code.
fn read_page(dist: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = Vec::new();
    let mut folders = vec![dist.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(dist).map_err(|error| error.to_string())?;
            let name = below.to_str().ok_or_else(|| format!("{}: not UTF-8", path.display()))?.replace('\\', "/");
            files.push((name, fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?));
            if files.len() > FILES_MAX {
                return Err(format!("{}: more than {FILES_MAX} files: not a built page", dist.display()));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// FNV-1a, 64 bits: tells versions of one file apart.
fn hash(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

fn brotli(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: BROTLI_QUALITY, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut packed, &parameters)?;
    Ok(packed)
}

/// Writes `assets.rs` and the files it includes.
fn generate(out: &Path, files: &[(String, Vec<u8>)], stub: bool) -> Result<(), String> {
    let folder = out.join("embedded");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut assets = String::new();
    let mut arms = String::new();
    for (index, (name, content)) in files.iter().enumerate() {
        let write = |form: &str, bytes: &[u8]| {
            let path = folder.join(format!("{index}.{form}"));
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(format!("include_bytes!({:?})", path.display().to_string()))
        };
        let packed = |form: &str, bytes: std::io::Result<Vec<u8>>| {
            let bytes = bytes.map_err(|error| format!("{name}: {error}"))?;
            let saves = bytes.len() + content.len() / SAVING_PARTS <= content.len() && !content.is_empty();
            if saves { Ok(format!("Some({})", write(form, &bytes)?)) } else { Ok::<_, String>("None".to_owned()) }
        };
        let _ = writeln!(
            assets,
            "    Asset {{\n        path: {:?},\n        mime: {:?},\n        etag: {:?},\n        immutable: {},\n        \
             plain: {},\n        gzip: {},\n        brotli: {},\n    }},",
            format!("/{name}"),
            mime(name),
            format!("\"{:016x}\"", hash(content)),
            // Vite puts a hash of the content into the name of what it writes there.
            !stub && name.starts_with("assets/"),
            write("plain", content)?,
            packed("gzip", gzip(content))?,
            packed("brotli", brotli(content))?,
        );
        let pattern = if name == "index.html" { "\"\" | \"index.html\"".to_owned() } else { format!("{name:?}") };
        let _ = writeln!(arms, "        {pattern} => {index},");
    }
    let index = files.iter().position(|(name, _)| name == "index.html").ok_or("the page has no index.html")?;
    let code = format!(
        "/// Whether a page that says how to build the dashboard stands in for it.\npub const STUB: bool = {stub};\n\
         const INDEX: usize = {index};\nstatic ASSETS: [Asset; {}] = [\n{assets}];\n\n\
         fn place(path: &str) -> Option<usize> {{\n    Some(match path {{\n{arms}        _ => return None,\n    }})\n}}\n",
        files.len(),
    );
    let path = out.join("assets.rs");
    fs::write(&path, code).map_err(|error| format!("{}: {error}", path.display()))
}

//! Runs every file of `scenarios/` against the real server: sockets on loopback, its own log, its own searches.
//! `scenarios/README.md` says what the lines mean.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

mod scenario;

use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios"))
}

fn check(name: &str) {
    let path = folder().join(format!("{name}.scn"));
    let text = std::fs::read_to_string(&path).unwrap();
    if let Err(fault) = scenario::run(&text) {
        panic!("{}:{fault}", path.display());
    }
}

macro_rules! scenarios {
    ($($function:ident = $file:literal;)*) => {
        $(#[test] fn $function() { check($file); })*

        #[test]
        fn every_file_is_run() {
            let known = [$($file),*];
            for entry in std::fs::read_dir(folder()).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "scn") {
                    let stem = path.file_stem().unwrap().to_str().unwrap();
                    assert!(known.contains(&stem), "{} is not listed in tests/scenarios.rs", path.display());
                }
            }
        }
    };
}

scenarios! {
    allow_wins_a_tie = "allow-wins-a-tie";
    block_answers = "block-answers";
    block_lists = "block-lists";
    the_cache = "cache";
    a_cname_to_a_blocked_name = "cname-to-a-blocked-name";
    codes_over_tcp = "codes-over-tcp";
    cookies = "cookies";
    cookies_required = "cookies-required";
    keys_by_tkey = "keys-by-tkey";
    large_answers = "large-answers";
    local_zones = "local-zones";
    sessions = "sessions";
    signatures = "signatures";
    strangers_and_odd_messages = "strangers-and-odd-messages";
    transfers = "transfers";
    updates = "updates";
    upstream_trouble = "upstream-trouble";
}

#[test]
fn a_scenario_that_is_not_met_fails_at_its_line() {
    let fault =
        scenario::run("list ads block ||ads.example^\nask 127.0.0.7 ads.example A\nexpect NOERROR\n").unwrap_err();
    assert!(fault.starts_with("3: expected NOERROR, got NXDOMAIN"), "{fault}");
    let fault =
        scenario::run("list ads block ||ads.example^\nask 127.0.0.7 ads.example A\nevent action:pass\n").unwrap_err();
    assert!(fault.starts_with("3: 0 events match"), "{fault}");
}

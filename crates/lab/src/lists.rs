//! The demo's lists: what its operator blocks and allows, in the formats lists come in.
//!
//! Their names are sites of the lab ([`crate::catalogue`]), so the traffic meets them. A few lines cannot be
//! parsed on purpose: every real list has some, and they are to be counted, not to be fatal.

use std::fmt::Write;

use crate::catalogue::{ADVERTS, MALWARE};

/// What a list does to the names on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Names to let through.
    Allow,
    /// Names to block.
    Block,
}

/// A list as an operator would give it.
#[derive(Clone, Debug)]
pub struct DemoList {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub kind: ListKind,
    /// The file's content.
    pub text: String,
}

/// A name that is on a block list and on the allow list.
pub const ALLOWED_EXCEPTION: &str = "www.metrics.example";

/// Lists for the demo: trackers as plain domains, advertising in adblock rules, malware as a hosts file, and exceptions.
#[must_use]
pub fn demo_lists() -> Vec<DemoList> {
    let (trackers, adverts) = ADVERTS.split_at(ADVERTS.len() / 2);
    vec![
        DemoList { name: "trackers", kind: ListKind::Block, text: plain(trackers) },
        DemoList { name: "advertising", kind: ListKind::Block, text: adblock(adverts) },
        DemoList { name: "malware", kind: ListKind::Block, text: hosts(MALWARE) },
        DemoList { name: "exceptions", kind: ListKind::Allow, text: exceptions() },
    ]
}

/// Every name the demo's block lists name.
#[must_use]
pub fn blocked_names() -> Vec<String> {
    ADVERTS.iter().chain(MALWARE).map(|name| (*name).to_owned()).collect()
}

fn plain(names: &[&str]) -> String {
    let mut text = String::from("# Trackers, one domain a line\n");
    for name in names {
        let _ = writeln!(text, "{name}");
    }
    text.push_str("not a domain at all\n-\n");
    text
}

fn adblock(names: &[&str]) -> String {
    let mut text = String::from("[Adblock Plus 2.0]\n! Title: Advertising\n");
    for name in names {
        let _ = writeln!(text, "||{name}^");
    }
    // A cosmetic rule and a path rule: meant for browsers, of no use to DNS.
    text.push_str("news.example##.banner\n||shop.example/promo/*$image\n");
    text
}

fn hosts(names: &[&str]) -> String {
    let mut text = String::from("# Malware and phishing, hosts format\n127.0.0.1 localhost\n");
    for name in names {
        let _ = writeln!(text, "0.0.0.0 {name} www.{name}");
    }
    text.push_str("0.0.0.0\n0.0.0.0 bad..name.test\n");
    text
}

fn exceptions() -> String {
    format!("# Needed by the booking page\n{ALLOWED_EXCEPTION}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn every_blocked_name_is_a_site_and_stands_on_a_list() {
        let catalogue = Catalogue::generate(1, 0);
        let lists = demo_lists();
        for name in blocked_names() {
            assert!(catalogue.sites().iter().any(|site| site.apex == name), "{name} has no zone");
            let listed = lists.iter().any(|list| list.kind == ListKind::Block && list.text.contains(&name));
            assert!(listed, "{name} is on no list");
        }
        let (_, parent) = ALLOWED_EXCEPTION.split_once('.').unwrap();
        assert!(blocked_names().iter().any(|name| name == parent));
    }
}

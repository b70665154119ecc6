//! Completion: what may stand at a place of a search text.
//!
//! Knows fields and their fixed values; the values that the log holds are for the caller to ask, and `values_of` says of
//! which field.

use std::ops::Range;

use crate::fault::floor_boundary;
use crate::fields::{FIELDS, Field, Id, Kind, field};
use crate::print::plain;
use crate::scan::Ends;
use crate::tokens::{Token, TokenKind, Within, lexed};

/// Most proposals at one place.
pub const PROPOSALS_MAX: usize = 100;

/// What may stand at a place of a search text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Bytes of the text that a proposal replaces; empty where a new word begins.
    pub span: Range<usize>,
    /// Proposals that fit what is written there, the likeliest first; at most `PROPOSALS_MAX`.
    pub proposals: Vec<Proposal>,
    /// Name of the field whose most frequent values may stand here too, each as `Count::value` gives it and written by
    /// `Field::term`.
    pub values_of: Option<&'static str>,
}

/// One text that may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The text.
    pub text: String,
    /// What it is.
    pub kind: ProposalKind,
    /// What it means; may be empty.
    pub about: &'static str,
}

/// What is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalKind {
    /// A field with its colon, or after `has:` without.
    Field,
    /// A comparison or another sign.
    Operator,
    /// A value of a field.
    Value,
    /// `AND`, `OR`, `NOT`, `has:`.
    Keyword,
}

/// What may stand where the cursor is: `at` is a place in bytes. Reads neither log nor clock.
#[must_use]
pub fn complete(text: &str, at: usize) -> Completions {
    let at = floor_boundary(text, at);
    let (before, after) = text.split_at(at);
    let (tokens, within) = lexed(before);
    let touching = tokens.last().filter(|token| token.span.end == at);
    match within {
        Within::Open => Completions { span: at..at, ..Completions::default() },
        Within::Terms => {
            let word = touching.filter(|token| token.kind == TokenKind::Word);
            terms(text, word.map_or(at, |token| token.span.start), at, &tokens)
        }
        Within::Values { field: name, fresh } => {
            let word = touching.filter(|token| token.kind == TokenKind::Value);
            let start = word.map_or(at, |token| token.span.start);
            let end = at + after.find(|char| Ends::Value.ends(char)).unwrap_or(after.len());
            let written = &before[start..];
            let name = &before[name];
            if name.eq_ignore_ascii_case("has") {
                let proposals = fitting(field_proposals(""), written);
                return Completions { span: start..end, proposals, values_of: None };
            }
            match field(name) {
                Some(known) => values(known, start..end, written, fresh && word.is_none()),
                None => Completions { span: start..end, ..Completions::default() },
            }
        }
    }
}

fn terms(text: &str, start: usize, at: usize, tokens: &[Token]) -> Completions {
    let rest = &text[at..];
    let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    // A field is replaced with its colon.
    let end = at + name + usize::from(rest[name..].starts_with(':'));
    let mut proposals = field_proposals(":");
    proposals.push(keyword("has:", "the field holds something"));
    let joins = tokens.iter().rev().find(|token| token.span.end <= start).is_some_and(|token| {
        !matches!(token.kind, TokenKind::Keyword | TokenKind::Stray) && &text[token.span.clone()] != "("
    });
    if joins {
        proposals.push(keyword("OR", "either side"));
        proposals.push(keyword("AND", "both sides; binds closer than OR, and may be left out"));
    }
    proposals.push(keyword("NOT", "everything else, empty fields too"));
    Completions { span: start..end, proposals: fitting(proposals, &text[start..at]), values_of: None }
}

fn keyword(text: &str, about: &'static str) -> Proposal {
    Proposal { text: text.to_owned(), kind: ProposalKind::Keyword, about }
}

fn field_proposals(end: &str) -> Vec<Proposal> {
    let proposal = |field: &Field| Proposal {
        text: format!("{}{end}", field.name),
        kind: ProposalKind::Field,
        about: field.about,
    };
    FIELDS.iter().map(proposal).collect()
}

fn values(field: &'static Field, span: Range<usize>, written: &str, signs: bool) -> Completions {
    let mut proposals = Vec::new();
    if signs {
        let operator = |(text, about): &(&str, &'static str)| Proposal {
            text: (*text).to_owned(),
            kind: ProposalKind::Operator,
            about,
        };
        proposals.extend(operators(field.id.kind()).iter().map(operator));
    }
    let named = field.id.names().iter().map(|(key, name)| Proposal {
        text: plain(name),
        kind: ProposalKind::Value,
        about: about(field.id, *key),
    });
    proposals.extend(named);
    let values_of = field.groups().then_some(field.name);
    Completions { span, proposals: fitting(proposals, written), values_of }
}

fn about(id: Id, key: u64) -> &'static str {
    match u16::try_from(key) {
        Ok(key) if id == Id::Code => {
            wire::code::CODES.iter().find(|info| info.code.key() == key).map_or("", |info| info.meaning)
        }
        _ => "",
    }
}

fn operators(kind: Kind) -> &'static [(&'static str, &'static str)] {
    const UNEQUAL: (&str, &str) = ("!=", "anything else, empty too");
    match kind {
        Kind::Numbered | Kind::Quantity(_) => {
            &[(">", "more than"), (">=", "at least"), ("<", "less than"), ("<=", "at most"), UNEQUAL]
        }
        Kind::Time => &[(">=", "since"), ("<", "before")],
        Kind::Domain => &[("=", "just this name"), ("*.", "only what is below"), UNEQUAL],
        Kind::Text => &[("=", "the whole text"), UNEQUAL],
        Kind::Word | Kind::Flags | Kind::Name | Kind::Label | Kind::Address => &[UNEQUAL],
    }
}

/// Those that begin with what is written first, then those that hold it.
fn fitting(proposals: Vec<Proposal>, written: &str) -> Vec<Proposal> {
    let written = written.trim_start_matches('"').to_lowercase();
    let rank = |proposal: &Proposal| {
        let text = proposal.text.trim_start_matches('"').to_lowercase();
        let alias = || {
            let known = field(text.trim_end_matches(':')).filter(|_| proposal.kind == ProposalKind::Field);
            known.is_some_and(|known| known.aliases.iter().any(|alias| alias.starts_with(&written)))
        };
        match text.find(&written) {
            Some(0) => Some(0),
            _ if alias() => Some(0),
            Some(_) => Some(1),
            None => None,
        }
    };
    let mut ranked: Vec<(u8, Proposal)> =
        proposals.into_iter().filter_map(|proposal| Some((rank(&proposal)?, proposal))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, proposal)| proposal).take(PROPOSALS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` is the cursor; the first proposals, the span, and the field to ask.
    fn told(text: &str, most: usize) -> String {
        let at = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let found = complete(&text, at);
        let words: Vec<&str> = found.proposals.iter().take(most).map(|proposal| proposal.text.as_str()).collect();
        format!("{}[{}] {}", &text[found.span], words.join(" "), found.values_of.unwrap_or("-"))
    }

    #[test]
    fn what_may_stand_at_a_place() {
        for (text, most, expected) in [
            ("|", 2, "[code: domain:] -"),
            ("co|", 2, "co[code: opcode:] -"),
            ("rc|", 2, "rc[code: rcode_header:] -"),
            ("la|t:>5", 1, "lat:[latency:] -"),
            ("code:|", 6, "[> >= < <= != NOERROR] code"),
            ("code:nx|", 2, "nx[NXDOMAIN NXRRSET] code"),
            ("code:>|", 1, "[NOERROR] code"),
            ("code:3,bad|", 2, "bad[BADVERS BADSIG] code"),
            ("code:(3 OR bad|", 1, "bad[BADVERS] code"),
            ("action:bl|ock x", 2, "block[block] action"),
            ("domain:|", 3, "[= *. !=] domain"),
            ("latency:|", 1, "[>] -"),
            ("has:ed|", 2, "ed[ede ede_text] -"),
            ("rule:\"a|", 9, "[] -"),
            ("nofield:a|", 9, "a[] -"),
            ("tld:zip o|", 3, "o[opcode: outcome: OR] -"),
            ("(o|", 3, "o[opcode: outcome: code:] -"),
            ("tld:zip |", 1, "[code:] -"),
            ("ede:Blo|", 1, "Blo[Blocked] ede"),
        ] {
            assert_eq!(told(text, most), expected, "{text}");
        }
        assert!(complete("é", 1).span == (0..0));
        assert!(complete("qtype:", 9_999).proposals.len() <= PROPOSALS_MAX);
    }

    #[test]
    fn every_proposal_of_a_value_is_one() {
        for field in FIELDS {
            let text = format!("{}:", field.name);
            for proposal in complete(&text, text.len()).proposals {
                if proposal.kind == ProposalKind::Value {
                    assert!(crate::parse(&format!("{text}{}", proposal.text)).is_ok(), "{text}{}", proposal.text);
                }
            }
        }
    }
}

//! Rules of access as people write them: who, which names, which types; and other servers with their keys.

use engine::{Grant, Names, Who};
use policy::Network;
use wire::kind;
use wire::name::Folded;

use super::{Peer, values};

/// What is wrong with a rule, and what may have been meant.
type Wrong = (String, Option<String>);

/// Words after the first of an update rule.
const WORDS: [&str; 3] = ["name:", "types:", "self"];

/// Reads `key:NAME` or a network.
pub(super) fn who(text: &str, keys: &[Folded]) -> Result<Who, Wrong> {
    match text.strip_prefix("key:") {
        Some(name) => key(name, keys).map(Who::Key),
        None => Network::parse(text).map(Who::Network).map_err(|error| {
            let is_key = Folded::from_text(text).is_some_and(|name| keys.contains(&name));
            (error.to_string(), is_key.then(|| format!("key:{text}")))
        }),
    }
}

/// Finds a key by name.
fn key(text: &str, keys: &[Folded]) -> Result<Folded, Wrong> {
    let name = Folded::from_text(text).ok_or_else(|| (format!("\"{text}\" is no name of a key"), None))?;
    if keys.contains(&name) {
        return Ok(name);
    }
    let known: Vec<String> = keys.iter().map(Folded::text).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err((format!("there is no [[key]] named \"{text}\""), values::nearest(text, &known)))
}

/// Reads `192.0.2.1`, `192.0.2.1:53 key=NAME`.
pub(super) fn peer(text: &str, keys: &[Folded]) -> Result<Peer, Wrong> {
    let mut words = text.split_whitespace();
    let address = values::socket(words.next().unwrap_or_default(), 53).map_err(|message| (message, None))?;
    let key = match words.next() {
        None => None,
        Some(word) => match word.strip_prefix("key=") {
            Some(name) => Some(key(name, keys)?),
            None => return Err((format!("\"{word}\" is not understood here: write key=NAME"), None)),
        },
    };
    match words.next() {
        None => Ok(Peer { address, key }),
        Some(word) => Err((format!("\"{word}\" is one word too many"), None)),
    }
}

/// Reads `key:ddns name:*.home.example types:A,AAAA`, `key:host self`, `192.0.2.0/24 types:TXT`.
pub(super) fn grant(text: &str, origin: &Folded, keys: &[Folded]) -> Result<Grant, Wrong> {
    let mut words = text.split_whitespace();
    let first = words.next().ok_or_else(|| ("an empty rule lets nobody do anything".to_owned(), None))?;
    let who = who(first, keys)?;
    let (mut names, mut types) = (None, None);
    for word in words {
        if word == "self" {
            if !matches!(who, Who::Key(_)) {
                return Err(("\"self\" is the name of a key: begin the rule with key:NAME".to_owned(), None));
            }
            once(&mut names, Names::OwnKey, "name: and self")?;
        } else if let Some(name) = word.strip_prefix("name:") {
            once(&mut names, names_of(name, origin)?, "name: and self")?;
        } else if let Some(list) = word.strip_prefix("types:") {
            let list = list.split(',').map(rtype).collect::<Result<Vec<u16>, Wrong>>()?;
            once(&mut types, list, "types:")?;
        } else {
            let head = word.split_inclusive(':').next().unwrap_or(word);
            return Err((
                format!("\"{word}\" is none of name:NAME, types:TYPE,TYPE and self"),
                values::nearest(head, &WORDS),
            ));
        }
    }
    Ok(Grant { who, names: names.unwrap_or(Names::Zone), types: types.unwrap_or_default() })
}

fn once<T>(slot: &mut Option<T>, value: T, what: &str) -> Result<(), Wrong> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err((format!("{what} may stand once in a rule"), None)),
    }
}

fn names_of(text: &str, origin: &Folded) -> Result<Names, Wrong> {
    let (is_below, bare) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let name = Folded::from_text(bare).ok_or_else(|| (format!("\"{bare}\" is no name"), None))?;
    if !name.is_at_or_below(origin) {
        return Err((format!("{name} is not in the zone {origin}"), Some(format!("name:{text}.{origin}"))));
    }
    Ok(if is_below { Names::Below(name) } else { Names::Exactly(name) })
}

fn rtype(text: &str) -> Result<u16, Wrong> {
    let wrong = || {
        let known: Vec<&str> = kind::type_names().map(|(_, name)| name).collect();
        (format!("\"{text}\" is no type of records"), values::nearest(text, &known))
    };
    kind::type_from_name(text).filter(|rtype| !matches!(rtype, 0 | 41 | 128 | 249..=255)).ok_or_else(wrong)
}

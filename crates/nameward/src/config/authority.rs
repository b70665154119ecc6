//! Sections about what is held with authority: keys, zones and who may do what with them, TKEY; and cookies.
//!
//! A secret is never part of what is shown, nor of what is said of a mistake.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Access, CookieMode, TkeySettings, Who};
use policy::Network;
use serde::Serialize;
use toml::Spanned;
use wire::name::Folded;
use wire::tsig::{self, Algorithm};

use super::settle::{Settle, path, whole};
use super::{Cookies, Hidden, Key, Peer, Secret, Shown, Zone, ZoneSource, access, file, values};

/// Most keys.
const KEYS_MAX: usize = 10_000;
/// Most rules of one kind for one zone.
const RULES_MAX: usize = 1_000;
/// Least pressure that makes sense, and most.
const PRESSURE: (i64, i64) = (1, 100_000_000);
/// What is shown of a secret.
const HIDDEN: &str = "\"(hidden)\"";

type Wrong = (String, Option<String>);

/// Reads a key's secret, base64.
///
/// # Errors
/// Says what is wrong without showing it.
pub fn key_secret(text: &str) -> Result<Vec<u8>, String> {
    let packed: String = text.split_whitespace().collect();
    match STANDARD.decode(packed) {
        Ok(secret) if secret.is_empty() => Err("the secret is empty; `nameward key generate` makes one".to_owned()),
        Ok(secret) => Ok(secret),
        Err(_) => Err("the secret is not base64; `nameward key generate` makes one".to_owned()),
    }
}

/// Reads a secret of cookies, 32 hexadecimal digits.
///
/// # Errors
/// Says what is wrong without showing it.
pub fn cookie_secret(text: &str) -> Result<[u8; 16], String> {
    let digits = text.trim();
    let wrong = || "a secret of cookies has 32 hexadecimal digits".to_owned();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(digits, 16).map(u128::to_be_bytes).map_err(|_| wrong())
}

/// Reads the secret of pseudonyms, 64 hexadecimal digits.
///
/// # Errors
/// Says what is wrong without showing it.
pub fn privacy_secret(text: &str) -> Result<[u8; 32], String> {
    let digits = text.trim();
    let wrong = || "a secret of pseudonyms has 64 hexadecimal digits".to_owned();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut secret = [0; 32];
    for (octet, at) in secret.iter_mut().zip((0..).step_by(2)) {
        *octet = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(secret)
}

impl Settle<'_> {
    /// A setting that is never shown.
    fn hidden<W: Serialize, T>(
        &mut self,
        key: &str,
        written: Spanned<W>,
        read: impl FnOnce(&W) -> Result<T, String>,
    ) -> Option<T> {
        let line = Some(self.line_at(written.span().start));
        self.shown.push(Shown { key: key.to_owned(), value: HIDDEN.to_owned(), line });
        match read(written.get_ref()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.fault(line, key, &message, None);
                None
            }
        }
    }

    /// A secret in the file or in another; `None` when neither is written or it is wrong.
    fn secret<T>(
        &mut self,
        section: &str,
        here: Option<Spanned<String>>,
        in_file: Option<Spanned<String>>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Secret<T>> {
        if let (Some(_), Some(also)) = (&here, &in_file) {
            let line = Some(self.line_at(also.span().start));
            self.fault(line, &format!("{section}.secret_file"), "stands beside secret: one of them is enough", None);
            return None;
        }
        match (here, in_file) {
            (Some(here), _) => {
                let secret = self.hidden(&format!("{section}.secret"), here, |text: &String| read(text))?;
                Some(Secret::Here(Hidden(secret)))
            }
            (None, in_file @ Some(_)) => {
                self.text(&format!("{section}.secret_file"), in_file, "", path).map(Secret::File)
            }
            (None, None) => None,
        }
    }

    pub(super) fn cookies(&mut self, section: file::Cookies) -> Option<Cookies> {
        let modes = [
            ("off", CookieMode::Off),
            ("give", CookieMode::Give),
            ("pressure", CookieMode::Pressure),
            ("require", CookieMode::Require),
        ];
        let mode = self.one("cookies.mode", section.mode, "give".to_owned(), |text| values::word(text, &modes));
        // An empty secret is as good as none: that is how the default file has it.
        let is_written =
            |written: &Option<Spanned<String>>| written.as_ref().is_some_and(|written| !written.get_ref().is_empty());
        let is_given = is_written(&section.secret) || is_written(&section.secret_file);
        let secret = if is_given {
            let [here, in_file] = [section.secret, section.secret_file]
                .map(|written| written.filter(|written| !written.get_ref().is_empty()));
            self.secret("cookies", here, in_file, cookie_secret)
        } else {
            self.text("cookies.secret", section.secret, "", |_| Ok(()));
            None
        };
        let previous = match section.previous {
            Some(written) if !written.get_ref().is_empty() => {
                self.hidden("cookies.previous", written, |texts: &Vec<String>| {
                    texts.iter().map(|text| cookie_secret(text).map(Hidden)).collect::<Result<Vec<_>, _>>()
                })
            }
            empty => self.one("cookies.previous", empty, Vec::new(), |_| Ok(Vec::new())),
        };
        let pressure = self.one("cookies.pressure", section.pressure, 10_000, |&number| {
            whole(number, PRESSURE.0, PRESSURE.1).map(|number| number as u32)
        });
        let require_from = self.rules("cookies.require_from", section.require_from, |text| {
            Network::parse(text).map_err(|error| (error.to_string(), None))
        });
        if is_given && secret.is_none() {
            return None;
        }
        let (mode, previous, pressure, require_from) = (mode?, previous?, pressure?, require_from?);
        Some(Cookies { mode, secret, previous, pressure, require_from })
    }

    /// Keys first: the other sections name them.
    pub(super) fn authority(
        &mut self,
        keys: Vec<file::Key>,
        tkey: file::Tkey,
        zones: Vec<file::Zone>,
    ) -> (Option<Vec<Key>>, Option<TkeySettings>, Option<Vec<Zone>>) {
        // A key that is wrong in itself still counts as named: one mistake is told once.
        let name = |section: &file::Key| Folded::from_text(section.name.as_ref()?.get_ref());
        let names: Vec<Folded> = keys.iter().filter_map(name).collect();
        let create = self.one("tkey.create", tkey.create, false, |create| Ok(*create));
        let allow = self.rules("tkey.allow", tkey.allow, |text| access::who(text, &names));
        let keys = self.keys(keys);
        let zones = self.zones(zones, &names);
        let tkey = create.zip(allow).map(|(create, allow)| TkeySettings { create, allow });
        (keys, tkey, zones)
    }

    fn keys(&mut self, sections: Vec<file::Key>) -> Option<Vec<Key>> {
        if sections.len() > KEYS_MAX {
            self.fault(None, "key", &format!("{} keys, at most {KEYS_MAX}", sections.len()), None);
            return None;
        }
        let mut keys: Vec<Option<Key>> = Vec::with_capacity(sections.len());
        for (index, section) in sections.into_iter().enumerate() {
            let line = self.line(&section.name);
            let key = self.key(index, section);
            if let Some(key) = &key
                && keys.iter().flatten().any(|before| before.name == key.name && before.algorithm == key.algorithm)
            {
                let message = format!("a second key is named \"{}\"", key.name);
                self.fault(line, &format!("key[{index}].name"), &message, None);
            }
            keys.push(key);
        }
        keys.into_iter().collect()
    }

    fn key(&mut self, index: usize, section: file::Key) -> Option<Key> {
        let at = format!("key[{index}]");
        let line = self.line(&section.name);
        let name = self.text(&format!("{at}.name"), section.name, "", |text| match Folded::from_text(text) {
            None if text.is_empty() => Err("a key needs a name".to_owned()),
            None => Err(format!("\"{text}\" is no name")),
            Some(name) => Ok(name),
        });
        let algorithms: Vec<(&str, Algorithm)> =
            Algorithm::ALL.iter().map(|algorithm| (algorithm.name(), *algorithm)).collect();
        let algorithm = self.one(&format!("{at}.algorithm"), section.algorithm, "hmac-sha256".to_owned(), |text| {
            values::word(text.trim_end_matches('.'), &algorithms)
        });
        if section.secret.is_none() && section.secret_file.is_none() {
            self.fault(line, &format!("{at}.secret"), "a key needs a secret; `nameward key generate` makes one", None);
        }
        let secret = self.secret(&at, section.secret, section.secret_file, key_secret);
        let mac_line = self.line(&section.mac_min);
        let mac_len_min = match section.mac_min {
            written @ Some(_) => {
                let read = |&number: &i64| whole(number, 0, i64::from(u16::MAX)).map(|number| Some(number as usize));
                self.one(&format!("{at}.mac_min"), written, 0, read)
            }
            None => Some(None),
        };
        let key = Key { name: name?, algorithm: algorithm?, secret: secret?, mac_len_min: mac_len_min? };
        // The lengths are checked even while the secret is elsewhere.
        let stand_in = Hidden(vec![0; 32]);
        let secret = if let Secret::Here(here) = &key.secret { here } else { &stand_in };
        if let Err(fault) = key.with(&secret.0) {
            let setting = if mac_line.is_some() { "mac_min" } else { "secret" };
            self.fault(mac_line.or(line), &format!("{at}.{setting}"), &fault.to_string(), None);
            return None;
        }
        Some(key)
    }

    fn zones(&mut self, sections: Vec<file::Zone>, keys: &[Folded]) -> Option<Vec<Zone>> {
        let zones_max = control::zones::ZONES_MAX;
        if sections.len() > zones_max {
            self.fault(None, "zone", &format!("{} zones, at most {zones_max}", sections.len()), None);
            return None;
        }
        let mut seen = std::collections::HashSet::new();
        let mut zones = Vec::with_capacity(sections.len());
        for (index, section) in sections.into_iter().enumerate() {
            let line = self.line(&section.name);
            let zone = self.zone(index, section, keys);
            if let Some(zone) = &zone
                && !seen.insert(zone.origin.clone())
            {
                let message = format!("a second zone is named \"{}\"", zone.origin);
                self.fault(line, &format!("zone[{index}].name"), &message, None);
            }
            zones.push(zone);
        }
        zones.into_iter().collect()
    }

    fn zone(&mut self, index: usize, section: file::Zone, keys: &[Folded]) -> Option<Zone> {
        let at = format!("zone[{index}]");
        let key = |name: &str| format!("{at}.{name}");
        let line = self.line(&section.name);
        let origin = self.text(&key("name"), section.name, "", |text| match Folded::from_text(text) {
            None if text.is_empty() => Err("a zone needs a name".to_owned()),
            None => Err(format!("\"{text}\" is no name")),
            Some(name) => Ok(name),
        });
        let sources = [section.file.is_some(), section.records.is_some(), section.primaries.is_some()].map(usize::from);
        if sources.iter().sum::<usize>() != 1 {
            self.fault(line, &at, "a zone has one of file, records and primaries", None);
        }
        let named = origin.clone().unwrap_or_else(Folded::root);
        let source = if section.file.is_some() {
            self.text(&key("file"), section.file, "", path).map(ZoneSource::File)
        } else if section.records.is_some() {
            self.one(&key("records"), section.records, Vec::new(), |lines: &Vec<String>| {
                let read = control::zones::check_records(&named, &lines.join("\n"));
                read.map(|()| ZoneSource::Records(lines.clone())).map_err(|message| (message, None))
            })
        } else {
            let primaries = self.rules(&key("primaries"), section.primaries, |text| access::peer(text, keys));
            primaries.map(ZoneSource::Primaries)
        };
        let is_secondary = matches!(source, Some(ZoneSource::Primaries(_)));
        for (written, name, is_out_of_place, message) in [
            (&section.update, "update", is_secondary, "a copy is not changed here but at its primary"),
            (
                &section.notify_from,
                "notify_from",
                !is_secondary,
                "only a zone with primaries hears of changes elsewhere",
            ),
        ] {
            if is_out_of_place && written.as_ref().is_some_and(|rules| !rules.get_ref().is_empty()) {
                let line = self.line(written);
                self.fault(line, &key(name), message, None);
            }
        }
        let query = self.rules(&key("query"), section.query, |text| access::who(text, keys));
        let transfer = self.rules(&key("transfer"), section.transfer, |text| access::who(text, keys));
        let notify = self.rules(&key("notify"), section.notify, |text| access::peer(text, keys));
        let notify_from = match section.notify_from {
            written @ Some(_) => self.rules(&key("notify_from"), written, |text| access::who(text, keys)),
            None => Some(source.as_ref().map(tellers).unwrap_or_default()),
        };
        let update = self.rules(&key("update"), section.update, |text| access::grant(text, &named, keys));
        let access = Access { query: query?, transfer: transfer?, notify: notify_from?, update: update? };
        Some(Zone { origin: origin?, source: source?, notify: notify?, access })
    }

    /// A list of rules, each read by `read`; every wrong one is told.
    pub(super) fn rules<T>(
        &mut self,
        key: &str,
        written: Option<Spanned<Vec<String>>>,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let line = self.line(&written);
        let texts = self.one(key, written, Vec::new(), |texts: &Vec<String>| match texts.len() {
            ..=RULES_MAX => Ok(texts.clone()),
            len => Err((format!("{len} rules, at most {RULES_MAX}"), None)),
        })?;
        let mut rules = Vec::with_capacity(texts.len());
        let count = texts.len();
        for text in &texts {
            match read(text) {
                Ok(rule) => rules.push(rule),
                Err((message, suggestion)) => {
                    let message = if count > 1 { format!("\"{text}\": {message}") } else { message };
                    self.fault(line, key, &message, suggestion);
                }
            }
        }
        (rules.len() == count).then_some(rules)
    }
}

/// Whose NOTIFY counts when nothing is said: the primaries, by key where there is one.
fn tellers(source: &ZoneSource) -> Vec<Who> {
    let teller = |peer: &Peer| match &peer.key {
        Some(key) => Some(Who::Key(key.clone())),
        None => Network::parse(&peer.address.ip().to_string()).ok().map(Who::Network),
    };
    match source {
        ZoneSource::Primaries(primaries) => primaries.iter().filter_map(teller).collect(),
        ZoneSource::File(_) | ZoneSource::Records(_) => Vec::new(),
    }
}

impl Key {
    /// The key with its secret.
    ///
    /// # Errors
    /// A secret that is none, or lengths the algorithm does not allow.
    pub fn with(&self, secret: &[u8]) -> Result<tsig::Key, tsig::KeyFault> {
        let mac_len = self.algorithm.mac_len();
        let mac_len_min = self.mac_len_min.unwrap_or(mac_len);
        tsig::Key::checked(self.name.clone(), self.algorithm, secret, mac_len, mac_len_min)
    }
}

impl<T: Clone> Secret<T> {
    /// The secret, read from its file when it is not here.
    ///
    /// # Errors
    /// Says what is wrong with the file, not what is in it.
    pub fn load(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
        match self {
            Secret::Here(here) => Ok(here.0.clone()),
            Secret::File(path) => {
                let text = secret_text(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                read(&text).map_err(|why| format!("{}: {why}", path.display()))
            }
        }
    }
}

fn secret_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    /// Longest file of a secret: a key of the longest kind is far shorter.
    const SECRET_BYTES_MAX: u64 = 64 * 1024;
    let mut text = String::new();
    std::fs::File::open(path)?.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

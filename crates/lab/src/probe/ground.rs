//! What the probes stand on: what was given, what a first look at the server showed, and messages made of it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt;
use wire::code::Code;
use wire::kind;
use wire::message::{Builder, Message, Record, Section};
use wire::name::{Folded, Name};
use wire::tsig::{Key, Request, Tsig};
use wire::view::{flag, option};

use super::ask::{Heard, exchange};
use super::cases::Needs;
use super::report::Verdict;
use super::seen::{OPCODE_DSO, Seen};
use super::{SERVFAIL_NAMES_MAX, Settings};
use crate::message::Transport;

/// OPCODE of UPDATE (RFC 2136).
pub(super) const OPCODE_UPDATE: u8 = 5;
/// The datagram we can take: the most that fits every path without fragments.
const UDP_BYTES: u16 = 1232;
/// RRSIG, KEY and the like fit; nothing a probe sends is longer.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Octets of a client cookie (RFC 7873 §4).
pub(super) const CLIENT_COOKIE_BYTES: usize = 8;

/// What is given and known.
pub(super) struct Ground<'a> {
    pub(super) settings: &'a Settings,
    /// A label nobody else uses.
    pub(super) nonce: String,
    pub(super) client_cookie: [u8; CLIENT_COOKIE_BYTES],
    /// The server's cookie for us, when it gives one.
    pub(super) server_cookie: Option<Vec<u8>>,
    /// The server answers nothing over UDP without a good cookie: every proper message carries it.
    cookies_required: bool,
    /// Data of the NS records at the top of the zone.
    pub(super) name_servers: Vec<Box<[u8]>>,
    /// Where the DNAME record leads.
    pub(super) dname_target: Option<Folded>,
    zone_fault: Option<String>,
    key_fault: Option<String>,
}

/// A message about to be sent, and what its reply is checked with.
pub(super) struct Ask {
    pub(super) bytes: Vec<u8>,
    /// The signed request and its time.
    pub(super) request: Option<(Request, u64)>,
    /// Whether it carries OPT.
    pub(super) has_opt: bool,
    /// The client cookie it carries, when the reply must repeat it.
    pub(super) client_cookie: Option<[u8; CLIENT_COOKIE_BYTES]>,
    /// The time a broken TSIG claims.
    pub(super) time_signed: Option<u64>,
}

/// A message under construction.
pub(super) struct Draft {
    builder: Builder,
    options: Option<Vec<u8>>,
}

impl<'a> Ground<'a> {
    /// Looks at the server once: whether it has the zone, takes the key, gives cookies.
    pub(super) async fn survey(settings: &'a Settings) -> io::Result<Ground<'a>> {
        let mut ground = Ground {
            settings,
            nonce: format!("probe-{:08x}", rand::rng().random::<u32>()),
            client_cookie: rand::rng().random(),
            server_cookie: None,
            cookies_required: false,
            name_servers: Vec::new(),
            dname_target: None,
            zone_fault: None,
            key_fault: None,
        };
        ground.survey_cookies().await?;
        if let Some(zone) = &settings.zone {
            let reply = ground.fetch(&ground.query(zone, kind::NS).bytes()).await?;
            ground.zone_fault = match reply {
                None => Some(format!("no reply when asked for {zone} NS")),
                Some((message, _)) if message.flags & flag::AA == 0 => {
                    let code = Code::derive(Some(message.rcode()), None, None).unwrap_or(Code::NOERROR);
                    Some(format!("the server is not authoritative for {zone} ({code} without AA)"))
                }
                Some((message, _)) => {
                    let at_top =
                        message.answer.iter().filter(|record| record.rtype == kind::NS && record.owner == *zone);
                    ground.name_servers = at_top.map(|record| record.rdata.clone()).collect();
                    None
                }
            };
        }
        if let Some(key) = &settings.key {
            let ask = ground.query(ground.apex(), kind::SOA).signed(key, now_seconds());
            if let Heard::Reply(reply) = exchange(settings, ground.transport(), &ask.bytes).await?
                && let Ok(seen) = Seen::read(&reply, ask.request)
                && seen.tsig_error().is_some_and(|error| error != 0)
            {
                ground.key_fault = Some(format!("the server does not take the key {}: {}", key.name, seen.code()));
            }
        }
        if let Some(dname) = &settings.dname
            && let Some((message, _)) = ground.fetch(&ground.query(dname, kind::DNAME).bytes()).await?
        {
            let found = message.answer.iter().find(|record| record.rtype == kind::DNAME && record.owner == *dname);
            ground.dname_target = found.and_then(|record| Name::new(&record.rdata)).map(|target| target.fold());
        }
        Ok(ground)
    }

    async fn survey_cookies(&mut self) -> io::Result<()> {
        let transport = self.transport();
        let draft = self.query(self.apex(), kind::SOA).option(option::COOKIE, &self.client_cookie);
        let Some((message, seen)) = self.fetch(&draft.bytes()).await? else { return Ok(()) };
        let Some(cookie) = seen.cookie.filter(|cookie| cookie.starts_with(&self.client_cookie)) else { return Ok(()) };
        self.server_cookie = cookie.get(CLIENT_COOKIE_BYTES..).filter(|server| !server.is_empty()).map(<[u8]>::to_vec);
        if transport == Transport::Udp && self.server_cookie.is_some() {
            let bare = self.fetch(&self.query(self.apex(), kind::SOA).bytes()).await?;
            let is_cut = bare.is_none_or(|(bare, _)| bare.flags & flag::TC != 0);
            self.cookies_required = is_cut && message.flags & flag::TC == 0;
        }
        Ok(())
    }

    async fn fetch(&self, ask: &Ask) -> io::Result<Option<(Message, Seen)>> {
        Ok(match exchange(self.settings, self.transport(), &ask.bytes).await? {
            Heard::Reply(reply) => Message::read(&reply).ok().zip(Seen::read(&reply, None).ok()),
            Heard::Nothing(_) => None,
        })
    }

    fn transport(&self) -> Transport {
        let udp = self.settings.transports.contains(&Transport::Udp);
        if udp { Transport::Udp } else { Transport::Tcp }
    }

    /// Why a probe with these needs is not sent.
    pub(super) fn lacks(&self, needs: &[Needs]) -> Option<(Verdict, String)> {
        let skipped = |why: &str| Some((Verdict::Skipped, why.to_owned()));
        let faulty = |fault: &Option<String>| fault.clone().map(|why| (Verdict::Skipped, why));
        needs.iter().find_map(|need| match need {
            Needs::Zone if self.settings.zone.is_none() => skipped("no zone given"),
            Needs::Zone => faulty(&self.zone_fault),
            Needs::Key if self.settings.key.is_none() => skipped("no key given"),
            Needs::Key => faulty(&self.key_fault),
            Needs::Cookies if self.server_cookie.is_none() => {
                Some((Verdict::NotOffered, "the server gives no cookies".to_owned()))
            }
            Needs::Cookies => None,
        })
    }

    /// The zone, or the root when there is none.
    pub(super) fn apex(&self) -> &Folded {
        static ROOT: std::sync::LazyLock<Folded> = std::sync::LazyLock::new(Folded::root);
        self.settings.zone.as_ref().unwrap_or(&ROOT)
    }

    /// A name below `parent` that does not exist.
    pub(super) fn absent(&self, parent: &Folded) -> Result<Folded, &'static str> {
        let text = if parent.wire().len() == 1 { self.nonce.clone() } else { format!("{}.{parent}", self.nonce) };
        Folded::from_text(&text).ok_or("the zone's name is too long for a name below it")
    }

    /// The key given; probes that need it are not made without.
    pub(super) fn key(&self) -> Result<&Arc<Key>, &'static str> {
        self.settings.key.as_ref().ok_or("no key given")
    }

    /// Names whose lookup may fail.
    pub(super) fn servfail_names(&self) -> impl Iterator<Item = &Folded> {
        self.settings.servfail_names.iter().take(SERVFAIL_NAMES_MAX)
    }

    /// A question.
    pub(super) fn query(&self, name: &Folded, qtype: u16) -> Draft {
        self.draft(0, flag::RD).question(name, qtype)
    }

    /// An update of this zone, empty so far.
    pub(super) fn update(&self, zone: &Folded) -> Draft {
        self.draft(OPCODE_UPDATE, 0).question(zone, kind::SOA)
    }

    /// A message with nothing but a header.
    pub(super) fn draft(&self, opcode: u8, flags: u16) -> Draft {
        let flags = u16::from(opcode) << 11 | flags;
        let draft = Draft { builder: Builder::new(rand::rng().random(), flags, MESSAGE_BYTES_MAX), options: None };
        match &self.server_cookie {
            Some(server) if self.cookies_required && opcode != OPCODE_DSO => {
                draft.option(option::COOKIE, &[&self.client_cookie[..], server].concat())
            }
            _ => draft,
        }
    }

    /// A plain query with another ID than `other`.
    pub(super) fn plain(&self, other: &[u8]) -> Vec<u8> {
        let mut bytes = self.query(self.apex(), kind::SOA).bytes().bytes;
        if bytes.get(..2) == other.get(..2)
            && let Some(octet) = bytes.first_mut()
        {
            *octet ^= 1;
        }
        bytes
    }
}

impl Draft {
    pub(super) fn question(mut self, name: &Folded, qtype: u16) -> Draft {
        self.builder.question(name.name(), qtype, kind::CLASS_IN);
        self
    }

    /// Adds a record; everything a probe sends fits.
    pub(super) fn record(mut self, section: Section, record: &Record) -> Draft {
        let fits = self.builder.record(section, record);
        debug_assert!(fits, "probes are short");
        self
    }

    /// A prerequisite of class ANY or NONE: no TTL, no data (RFC 2136 §2.4).
    pub(super) fn prerequisite(self, owner: &Folded, rtype: u16, class: u16) -> Draft {
        self.record(Section::Answer, &record(owner, rtype, class, 0, &[]))
    }

    /// Adds OPT with this option to those it has.
    pub(super) fn option(mut self, code: u16, data: &[u8]) -> Draft {
        let options = self.options.get_or_insert_default();
        // A second cookie would be ignored (RFC 7873 §5.2): the probe's own replaces ours.
        if code == option::COOKIE {
            options.clear();
        }
        options.extend_from_slice(&code.to_be_bytes());
        options.extend_from_slice(&(data.len().min(usize::from(u16::MAX)) as u16).to_be_bytes());
        options.extend_from_slice(data);
        self
    }

    /// The message, unsigned.
    pub(super) fn bytes(self) -> Ask {
        let Draft { mut builder, options } = self;
        let has_opt = options.is_some();
        if let Some(options) = options {
            let opt = record(&Folded::root(), kind::OPT, UDP_BYTES, 0, &options);
            let fits = builder.record(Section::Additional, &opt);
            debug_assert!(fits, "probes are short");
        }
        Ask { bytes: builder.finish(), request: None, has_opt, client_cookie: None, time_signed: None }
    }

    /// The message, unsigned, with an OPT record that was added as it is.
    pub(super) fn with_opt(mut self) -> Ask {
        self.options = None;
        Ask { has_opt: true, ..self.bytes() }
    }

    /// The message, signed.
    pub(super) fn signed(self, key: &Arc<Key>, at_seconds: u64) -> Ask {
        let mut ask = self.bytes();
        ask.request = Some((Request::sign(&mut ask.bytes, key, at_seconds), at_seconds));
        ask
    }

    /// The message, signed when there is a key.
    pub(super) fn signed_if(self, key: Option<&Arc<Key>>) -> Ask {
        match key {
            Some(key) => self.signed(key, now_seconds()),
            None => self.bytes(),
        }
    }

    /// The message, signed, and the TSIG record then changed.
    pub(super) fn forged(self, key: &Arc<Key>, change: impl FnOnce(&mut Tsig)) -> Ask {
        let mut ask = self.bytes();
        let unsigned = ask.bytes.clone();
        let now_seconds = now_seconds();
        let request = Request::sign(&mut ask.bytes, key, now_seconds);
        if let Some(mut tsig) = Tsig::find(&ask.bytes).and_then(|at| Tsig::read(&ask.bytes, at).ok()) {
            change(&mut tsig);
            ask.bytes = unsigned;
            tsig.append(&mut ask.bytes);
        }
        ask.request = Some((request, now_seconds));
        ask
    }
}

/// A record out of its parts.
pub(super) fn record(owner: &Folded, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Record {
    Record { owner: owner.clone(), rtype, class, ttl, rdata: rdata.into() }
}

/// Seconds since the epoch.
pub(super) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground")
            .field("server", &self.settings.server)
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

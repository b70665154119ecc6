//! A client that asks over UDP or TCP and reads the reply with a library that the server's hot path does not use.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::base::iana::{Class, Rtype};
use domain::base::opt::AllOptData;
use domain::base::{Message as Independent, MessageBuilder, Name, ParsedRecord};
use domain::dep::octseq::OctetsBuilder as _;
use domain::rdata::AllRecordData;
use socket2::{Domain, Socket, Type};
use wire::code::Code;
use wire::dso::Dso;
use wire::kind;
use wire::message::{Builder, Message, Section};
use wire::name::Folded;
use wire::tkey::Tkey;
use wire::tsig::{Key, ReplyFault, Request, Tsig};
use zone::transfer::{Brought, Intake};

/// ID of every message.
const ID: u16 = 0x4e57;
/// Longest wait for a reply that is due.
const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// How a message is sent.
#[derive(Clone, Default)]
pub struct How {
    tcp: bool,
    key: Option<Arc<Key>>,
    tamper: Option<Tamper>,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tamper {
    /// One octet of the signature.
    Mac,
    /// Signed a day ago.
    Time,
    /// By a key of this name that nobody knows.
    Key,
    /// Cut to 16 octets after signing, as truncation allows.
    Cut,
    /// Cut to 8 octets: shorter than any truncation allows.
    Stub,
}

impl How {
    /// Takes an option that says how to send; `false` when it is none of them.
    pub fn take(&mut self, option: &str, keys: &[Arc<Key>]) -> Result<bool, String> {
        match option.split_once('=') {
            None if option == "tcp" => self.tcp = true,
            Some(("key", name)) => {
                let found = keys.iter().find(|key| key.name.text() == name);
                self.key = Some(Arc::clone(found.ok_or_else(|| format!("no key {name}"))?));
            }
            Some(("tamper", what)) => {
                self.tamper = Some(match what {
                    "mac" => Tamper::Mac,
                    "time" => Tamper::Time,
                    "key" => Tamper::Key,
                    "cut" => Tamper::Cut,
                    "stub" => Tamper::Stub,
                    _ => return Err(format!("cannot read \"{option}\"")),
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Signs the message as told; gives what checks the replies.
    fn sign(&self, message: &mut Vec<u8>) -> Option<Request> {
        let mut key = Arc::clone(self.key.as_ref()?);
        let mut time = now_seconds();
        match self.tamper {
            Some(Tamper::Time) => time -= 86_400,
            Some(Tamper::Key) => {
                let name = Folded::from_text("nobody-knows.example").unwrap();
                key = Arc::new(Key::new(name, key.algorithm, key.secret()));
            }
            Some(Tamper::Cut) => Arc::make_mut(&mut key).mac_len = 16,
            Some(Tamper::Mac | Tamper::Stub) | None => {}
        }
        let before = message.clone();
        let request = Request::sign(message, &key, time);
        let at = Tsig::find(message).unwrap();
        let mut tsig = Tsig::read(message, at).unwrap();
        match self.tamper {
            Some(Tamper::Mac) => tsig.mac[3] ^= 0x40,
            Some(Tamper::Stub) => tsig.mac.truncate(8),
            _ => return Some(request),
        }
        *message = before;
        tsig.append(message);
        Some(request)
    }
}

pub struct Ask {
    name: Name<Vec<u8>>,
    qtype: Rtype,
    dnssec_ok: bool,
    edns_size: Option<u16>,
    version: u8,
    no_recursion: bool,
    opcode: u8,
    cookie: Option<Vec<u8>>,
    nsid: bool,
    how: How,
}

/// The client cookie of every client here.
const CLIENT_COOKIE: [u8; 8] = *b"biscuits";

/// What the client got.
#[derive(Debug)]
pub struct Got {
    pub code: Code,
    /// The four bits of the header alone.
    pub header: u16,
    /// Where the code was: `header`, `opt`, `tsig`, `tkey`.
    pub place: &'static str,
    pub question: String,
    pub answer: String,
    pub ttl: Option<u32>,
    pub ede: Vec<(u16, String)>,
    pub edns: bool,
    pub truncated: bool,
    pub authoritative: bool,
    /// Whether a signature was there, and held.
    pub signed: bool,
    /// Octets of TSIG's Other Data.
    pub tsig_other: usize,
    /// Both cookies, when there were any.
    pub cookie: Vec<u8>,
    pub nsid: String,
    /// Records of a transfer; how many messages it took.
    pub records: usize,
    pub messages: usize,
}

impl Ask {
    /// `last` is what the client got before: `cookie=again` sends its cookie.
    pub fn read(
        name: &str,
        qtype: &str,
        options: &[&str],
        keys: &[Arc<Key>],
        last: Option<&Got>,
    ) -> Result<Ask, String> {
        let name = name.parse().map_err(|error| format!("\"{name}\": {error}"))?;
        let qtype = qtype.parse().map_err(|_| format!("\"{qtype}\" is no type"))?;
        let mut ask = Ask {
            name,
            qtype,
            dnssec_ok: false,
            edns_size: Some(1232),
            version: 0,
            no_recursion: false,
            opcode: 0,
            cookie: None,
            nsid: false,
            how: How::default(),
        };
        for option in options {
            if ask.how.take(option, keys)? {
                continue;
            }
            let number = |text: &str| text.parse().map_err(|_| format!("\"{text}\" is no number"));
            match option.split_once('=') {
                Some(("edns", size)) => ask.edns_size = size.parse().ok(),
                Some(("version", version)) => ask.version = number(version)?,
                Some(("opcode", opcode)) => ask.opcode = number(opcode)?,
                Some(("cookie", "new")) => ask.cookie = Some(CLIENT_COOKIE.to_vec()),
                Some(("cookie", "wrong")) => ask.cookie = Some([&CLIENT_COOKIE[..], &[7; 16]].concat()),
                Some(("cookie", "short")) => ask.cookie = Some(vec![1; 9]),
                Some(("cookie", "again")) => ask.cookie = last.map(|got| got.cookie.clone()),
                None if *option == "do" => ask.dnssec_ok = true,
                None if *option == "plain" => ask.edns_size = None,
                None if *option == "no-rd" => ask.no_recursion = true,
                None if *option == "nsid" => ask.nsid = true,
                _ => return Err(format!("cannot read \"{option}\"")),
            }
        }
        Ok(ask)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec().question();
        message.header_mut().set_rd(!self.no_recursion);
        message.header_mut().set_id(ID);
        message.header_mut().set_opcode(self.opcode.into());
        message.push((&self.name, self.qtype, Class::IN)).unwrap();
        let mut message = message.additional();
        if let Some(size) = self.edns_size {
            let set = |opt: &mut domain::base::message_builder::OptBuilder<'_, Vec<u8>>| {
                opt.set_udp_payload_size(size);
                opt.set_dnssec_ok(self.dnssec_ok);
                opt.set_version(self.version);
                if let Some(cookie) = &self.cookie {
                    let len = u16::try_from(cookie.len()).unwrap();
                    opt.push_raw_option(10.into(), len, |target| target.append_slice(cookie))?;
                }
                if self.nsid {
                    opt.push_raw_option(3.into(), 0, |target| target.append_slice(&[]))?;
                }
                Ok(())
            };
            message.opt(set).unwrap();
        }
        message.finish()
    }
}

pub fn ask(from: IpAddr, target: SocketAddr, ask: &Ask) -> Result<Option<Got>, String> {
    exchange(from, target, ask.message(), &ask.how).map(Some)
}

/// Sends a message as told and reads the reply.
pub fn exchange(from: IpAddr, target: SocketAddr, mut message: Vec<u8>, how: &How) -> Result<Got, String> {
    let request = how.sign(&mut message);
    let reply = if how.tcp { over_tcp(from, target, &message) } else { over_udp(from, target, &message, REPLY_WITHIN) };
    let reply = reply.map_err(|error| format!("no reply: {error}"))?;
    let mut got = got(&reply)?;
    got.signed = request.is_some_and(|mut request| match request.check(&reply, now_seconds()) {
        Ok(_) => true,
        // The server's word counts only when its signature held.
        Err(ReplyFault::Told(_)) => {
            Tsig::find(&reply).and_then(|at| Tsig::read(&reply, at).ok()).is_some_and(|tsig| !tsig.mac.is_empty())
        }
        Err(_) => false,
    });
    Ok(got)
}

/// Transfers a zone; the first reply tells the code.
pub fn transfer(
    from: IpAddr,
    target: SocketAddr,
    zone: &str,
    held: Option<zone::Zone>,
    how: &How,
) -> Result<(Got, Option<zone::Zone>), String> {
    let origin = Folded::from_text(zone).ok_or_else(|| format!("\"{zone}\" is no name"))?;
    let mut message = Builder::new(ID, 0, usize::MAX);
    let qtype = if held.is_some() { kind::IXFR } else { kind::AXFR };
    message.question(origin.name(), qtype, kind::CLASS_IN);
    if let Some(soa) = held.as_ref().and_then(zone::Zone::soa) {
        assert!(message.record(Section::Authority, &soa));
    }
    let mut message = message.finish();
    if !how.tcp {
        return Ok((exchange(from, target, message, how)?, None));
    }
    let request = how.sign(&mut message);
    let mut request = request;
    let failed = |error: std::io::Error| format!("the transfer broke off: {error}");
    let mut stream = connect(from, target).map_err(failed)?;
    put(&mut stream, &message).map_err(failed)?;
    let mut intake = Intake::new(origin, held, 100_000);
    let mut first: Option<Got> = None;
    let mut records = 0;
    for messages in 1.. {
        let reply = take(&mut stream).map_err(failed)?;
        let mut now = got(&reply)?;
        let plain = match &mut request {
            Some(request) => request.check(&reply, now_seconds()),
            None => Ok(reply.clone()),
        };
        now.signed = request.is_some() && plain.is_ok();
        let mut so_far = first.take().unwrap_or(now);
        so_far.messages = messages;
        let Ok(plain) = plain else { return Ok((so_far, None)) };
        let read = Message::read(&plain).map_err(|fault| fault.to_string())?;
        records += read.answer.len();
        so_far.records = records;
        if so_far.code != Code::NOERROR {
            return Ok((so_far, None));
        }
        match intake.take(&read).map_err(|fault| fault.to_string())? {
            None => first = Some(so_far),
            Some(brought) => {
                if let Some(request) = &request {
                    request.finish().map_err(|fault| fault.to_string())?;
                }
                return Ok(match brought {
                    Brought::Nothing => (so_far, None),
                    Brought::Whole(zone) | Brought::Deltas(_, zone) => (so_far, Some(zone)),
                });
            }
        }
    }
    Err("endless".to_owned())
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn send(from: IpAddr, target: SocketAddr, hex: &str, patience: Duration) -> Result<Option<Got>, String> {
    match over_udp(from, target, &octets(hex)?, patience) {
        Ok(reply) => got(&reply).map(Some),
        Err(_) => Ok(None),
    }
}

pub fn send_over_tcp(from: IpAddr, target: SocketAddr, hex: &str) -> Result<Got, String> {
    let reply = over_tcp(from, target, &octets(hex)?).map_err(|error| format!("no reply: {error}"))?;
    got(&reply)
}

fn octets(hex: &str) -> Result<Vec<u8>, String> {
    let digits = hex.as_bytes().chunks(2);
    let octets: Option<Vec<u8>> =
        digits.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
    octets.ok_or_else(|| "the octets are no hexadecimal text".to_owned())
}

fn over_udp(from: IpAddr, target: SocketAddr, message: &[u8], patience: Duration) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_read_timeout(Some(patience))?;
    socket.send_to(message, target)?;
    let mut buffer = vec![0; 65_535];
    let (len, _) = socket.recv_from(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

fn over_tcp(from: IpAddr, target: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(from, target)?;
    put(&mut stream, message)?;
    take(&mut stream)
}

fn connect(from: IpAddr, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect(&target.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(REPLY_WITHIN))?;
    Ok(stream)
}

fn put(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let len = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat())
}

fn take(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// A DSO reply has TLVs where the other library looks for records.
fn got_dso(dso: &Dso<'_>) -> Got {
    let rcode = u16::from(dso.rcode);
    Got {
        code: Code::derive(Some(rcode), None, None).unwrap(),
        header: rcode,
        place: "header",
        question: String::new(),
        answer: dso.tlvs.iter().map(|tlv| tlv.kind.to_string()).collect::<Vec<_>>().join(" "),
        ttl: None,
        ede: Vec::new(),
        edns: false,
        truncated: false,
        authoritative: false,
        signed: false,
        tsig_other: 0,
        cookie: Vec::new(),
        nsid: String::new(),
        records: 0,
        messages: 1,
    }
}

pub fn got(reply: &[u8]) -> Result<Got, String> {
    if wire::dso::is_dso(reply)
        && let Ok(dso) = Dso::read(reply)
    {
        return Ok(got_dso(&dso));
    }
    let message = Independent::from_slice(reply).map_err(|_| "the reply has no header".to_owned())?;
    let unreadable = |error: domain::base::wire::ParseError| format!("the reply cannot be read: {error}");
    let opt = message.opt();
    let header = u16::from(message.header().rcode().to_int());
    let rcode = message.opt_rcode().to_int();
    if opt.is_none() && rcode != header {
        return Err("an extended code without OPT".to_owned());
    }
    let (mut ede, mut cookie, mut nsid) = (Vec::new(), Vec::new(), String::new());
    if let Some(opt) = &opt {
        for option in opt.opt().iter::<AllOptData<_, _>>() {
            match option.map_err(unreadable)? {
                AllOptData::ExtendedError(error) => {
                    let text = match error.text() {
                        Some(Ok(text)) => text.to_string(),
                        _ => String::new(),
                    };
                    ede.push((error.code().to_int(), text));
                }
                AllOptData::Cookie(both) => {
                    cookie = both.client().into_octets().to_vec();
                    cookie.extend_from_slice(both.server().map(AsRef::as_ref).unwrap_or_default());
                }
                AllOptData::Nsid(octets) => nsid = String::from_utf8_lossy(octets.as_slice()).into_owned(),
                _ => {}
            }
        }
    }
    let mut answers = Vec::new();
    let mut ttl: Option<u32> = None;
    let mut tkey_error = None;
    for record in message.answer().map_err(unreadable)? {
        let record: ParsedRecord<'_, _> = record.map_err(unreadable)?;
        if record.rtype() == Rtype::TKEY {
            continue;
        }
        let seconds = record.ttl().as_secs();
        ttl = Some(ttl.map_or(seconds, |least| least.min(seconds)));
        if let Ok(record) = record.to_any_record::<AllRecordData<_, _>>() {
            answers.push(record.data().to_string());
        }
    }
    // Neither TSIG nor TKEY is in the other library's hands: it has no place for the errors as we count them.
    let ours = Message::read(reply).map_err(|fault| fault.to_string())?;
    if let Some(record) = ours.answer.iter().find(|record| record.rtype == kind::TKEY) {
        tkey_error = Some(Tkey::read(&record.rdata).map_err(|at| format!("TKEY malformed at {at}"))?.error);
    }
    let tsig = match Tsig::find(reply) {
        Some(at) => Some(Tsig::read(reply, at).map_err(|at| format!("TSIG malformed at {at}"))?),
        None => None,
    };
    let tsig_error = tsig.as_ref().map(|tsig| tsig.error);
    let place = match (tsig_error, tkey_error) {
        (Some(error), _) if error != 0 => "tsig",
        (_, Some(error)) if error != 0 => "tkey",
        _ if rcode > 15 => "opt",
        _ => "header",
    };
    Ok(Got {
        code: Code::derive(Some(rcode), tsig_error, tkey_error).ok_or("no code")?,
        header,
        place,
        question: message.first_question().map_or_else(String::new, |question| question.qname().to_string()),
        answer: answers.join(" "),
        ttl,
        ede,
        edns: opt.is_some(),
        truncated: message.header().tc(),
        authoritative: message.header().aa(),
        signed: false,
        tsig_other: tsig.map_or(0, |tsig| tsig.other.len()),
        cookie,
        nsid,
        records: ours.answer.len(),
        messages: 1,
    })
}

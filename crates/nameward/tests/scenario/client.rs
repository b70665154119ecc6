//! A client that asks over UDP or TCP and reads the reply with a library that the server's hot path does not use.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use domain::base::iana::{Class, Rtype};
use domain::base::opt::AllOptData;
use domain::base::{Message, MessageBuilder, Name, ParsedRecord};
use domain::rdata::AllRecordData;
use wire::code::Code;

/// Longest wait for a reply that is due.
const REPLY_WITHIN: Duration = Duration::from_secs(10);

pub struct Ask {
    name: Name<Vec<u8>>,
    qtype: Rtype,
    tcp: bool,
    dnssec_ok: bool,
    edns_size: Option<u16>,
}

/// What the client got.
#[derive(Debug)]
pub struct Got {
    pub code: Code,
    pub question: String,
    pub answer: String,
    pub ttl: Option<u32>,
    pub ede: Vec<(u16, String)>,
    pub edns: bool,
    pub truncated: bool,
}

impl Ask {
    pub fn read(name: &str, qtype: &str, options: &[&str]) -> Result<Ask, String> {
        let name = name.parse().map_err(|error| format!("\"{name}\": {error}"))?;
        let qtype = qtype.parse().map_err(|_| format!("\"{qtype}\" is no type"))?;
        let mut ask = Ask { name, qtype, tcp: false, dnssec_ok: false, edns_size: Some(1232) };
        for option in options {
            match option.split_once('=') {
                Some(("edns", size)) => ask.edns_size = size.parse().ok(),
                None if *option == "tcp" => ask.tcp = true,
                None if *option == "do" => ask.dnssec_ok = true,
                None if *option == "plain" => ask.edns_size = None,
                _ => return Err(format!("cannot read \"{option}\"")),
            }
        }
        Ok(ask)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec().question();
        message.header_mut().set_rd(true);
        message.header_mut().set_id(0x4e57);
        message.push((&self.name, self.qtype, Class::IN)).unwrap();
        let mut message = message.additional();
        if let Some(size) = self.edns_size {
            let set = |opt: &mut domain::base::message_builder::OptBuilder<_>| {
                opt.set_udp_payload_size(size);
                opt.set_dnssec_ok(self.dnssec_ok);
                Ok(())
            };
            message.opt(set).unwrap();
        }
        message.finish()
    }
}

pub fn ask(from: IpAddr, target: SocketAddr, ask: &Ask) -> Result<Option<Got>, String> {
    let message = ask.message();
    let reply = if ask.tcp { over_tcp(target, &message) } else { over_udp(from, target, &message, REPLY_WITHIN) };
    let reply = reply.map_err(|error| format!("no reply: {error}"))?;
    got(&reply).map(Some)
}

pub fn send(from: IpAddr, target: SocketAddr, hex: &str, patience: Duration) -> Result<Option<Got>, String> {
    let digits = hex.as_bytes().chunks(2);
    let octets: Option<Vec<u8>> =
        digits.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
    let octets = octets.ok_or("the octets are no hexadecimal text")?;
    match over_udp(from, target, &octets, patience) {
        Ok(reply) => got(&reply).map(Some),
        Err(_) => Ok(None),
    }
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

fn over_tcp(target: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(REPLY_WITHIN))?;
    let len = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat())?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn got(reply: &[u8]) -> Result<Got, String> {
    let message = Message::from_slice(reply).map_err(|_| "the reply has no header".to_owned())?;
    let unreadable = |error: domain::base::wire::ParseError| format!("the reply cannot be read: {error}");
    let opt = message.opt();
    let header = u16::from(message.header().rcode().to_int());
    let rcode = message.opt_rcode().to_int();
    if opt.is_none() && rcode != header {
        return Err("an extended code without OPT".to_owned());
    }
    let mut ede = Vec::new();
    if let Some(opt) = &opt {
        for option in opt.opt().iter::<AllOptData<_, _>>() {
            if let AllOptData::ExtendedError(error) = option.map_err(unreadable)? {
                let text = match error.text() {
                    Some(Ok(text)) => text.to_string(),
                    _ => String::new(),
                };
                ede.push((error.code().to_int(), text));
            }
        }
    }
    let mut answers = Vec::new();
    let mut ttl: Option<u32> = None;
    for record in message.answer().map_err(unreadable)? {
        let record: ParsedRecord<'_, _> = record.map_err(unreadable)?;
        let seconds = record.ttl().as_secs();
        ttl = Some(ttl.map_or(seconds, |least| least.min(seconds)));
        if let Ok(record) = record.to_any_record::<AllRecordData<_, _>>() {
            answers.push(record.data().to_string());
        }
    }
    Ok(Got {
        code: Code::derive(Some(rcode), None, None).ok_or("no code")?,
        question: message.first_question().map_or_else(String::new, |question| question.qname().to_string()),
        answer: answers.join(" "),
        ttl,
        ede,
        edns: opt.is_some(),
        truncated: message.header().tc(),
    })
}

//! Messages to ask with: mostly queries as clients send them, some with a slip, some with several.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::Transport;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::edns::cookie_hash;
use super::message::name;
use super::{COOKIE, KEEPALIVE, NSID, PADDING};

/// One message, who sends it and when.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) bytes: Vec<u8>,
    pub(crate) client: IpAddr,
    pub(crate) transport: Transport,
    /// Seconds since the answers were kept, and until it is asked for the last time.
    pub(crate) age: u32,
    pub(crate) later: u32,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ask { bytes, client, transport, age, later } = self;
        write!(f, "{transport:?} from {client} after {age} s and {later} s more: ")?;
        bytes.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What may be wrong with it.
#[derive(Clone, Debug)]
enum Slip {
    Response,
    Opcode(u8),
    Questions(u16),
    /// Records counted in answer, authority: those are there, too.
    Records(bool, bool),
    Trailing(Vec<u8>),
    Cut(Index),
    SecondOpt,
    /// OPT of a name.
    OptOfName,
    /// Another record, before or behind OPT.
    Record(bool),
    /// TSIG, in its place or before OPT, of a class.
    Tsig(bool, u16),
    /// As many records as no query has.
    Many,
    /// An octet of the question's name becomes a pointer or a label too long.
    BadName(u8),
}

#[derive(Clone, Debug)]
struct OptAsked {
    udp_size: u16,
    version: u8,
    /// DO and the flags without a meaning.
    flags: u16,
    rcode: u8,
    options: Vec<(u16, Vec<u8>)>,
    /// RDLENGTH and what lies there differ from what the options say.
    ragged: bool,
}

/// Names that can be asked for, each with a type for which an answer may be kept.
pub(crate) fn ask(
    names: Vec<(Vec<u8>, u16)>,
    clients: Vec<IpAddr>,
    secrets: Vec<[u8; 16]>,
    unix_seconds: u32,
) -> impl Strategy<Value = Ask> {
    let ages = [0, 0, 0, 1, 4, 5, 6, 59, 60, 61, 119, 120, 121, 299, 300, 301, 3_600, 86_519, 86_520, 100_000];
    let transports = select(vec![
        Transport::Udp,
        Transport::Udp,
        Transport::Udp,
        Transport::Tcp,
        Transport::Dot,
        Transport::Doh,
        Transport::Doq,
    ]);
    let from = (select(clients), transports, select(ages.to_vec()), select(vec![0, 1, 5, 60, 400]));
    from.prop_flat_map(move |(client, transport, age, later)| {
        let slips = prop_oneof![12 => Just(vec![]), 3 => slip().prop_map(|slip| vec![slip]), 1 => prop::collection::vec(slip(), 2)];
        let opt = prop_oneof![1 => Just(None), 3 => opt(client, secrets.clone(), unix_seconds).prop_map(Some)];
        (question(names.clone()), header(), opt, slips, any::<u16>()).prop_map(move |(question, header, opt, slips, id)| {
            Ask { bytes: message(id, header, &question, opt.as_ref(), &slips), client, transport, age, later }
        })
    })
}

/// A name as clients spell it (0x20), type and class.
fn question(names: Vec<(Vec<u8>, u16)>) -> impl Strategy<Value = Vec<u8>> {
    let kinds = vec![1, 1, 28, 5, 6, 16, 41, 65, 128, 249, 250, 251, 252, 253, 254, 255];
    let kind = prop_oneof![6 => Just(None), 3 => select(kinds).prop_map(Some), 1 => any::<u16>().prop_map(Some)];
    let class = prop_oneof![12 => Just(1), 1 => select(vec![0, 2, 3, 4, 254, 255]), 1 => any::<u16>()];
    (select(names), any::<[u64; 4]>(), kind, class).prop_map(
        |((name, its_kind), upper, kind, class): (_, _, _, u16)| {
            let mut bytes = Vec::new();
            let mut label = 0;
            for (at, octet) in name.into_iter().enumerate() {
                let is_len = at == label;
                label = if is_len { at + 1 + usize::from(octet) } else { label };
                let raise = upper[at / 64] >> (at % 64) & 1 == 1 && !is_len;
                bytes.push(if raise { octet.to_ascii_uppercase() } else { octet });
            }
            bytes.extend([kind.unwrap_or(its_kind), class].map(u16::to_be_bytes).concat());
            bytes
        },
    )
}

/// Octets 2 and 3 without QR and opcode: mostly RD alone, at times anything.
fn header() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => Just(0x0100),
        2 => select(vec![0x0110, 0x0120, 0x0130]),
        1 => any::<u16>().prop_map(|bits| bits & 0x07ff | 0x0100),
        1 => any::<u16>().prop_map(|bits| bits & 0x06ff),
    ]
}

fn opt(client: IpAddr, secrets: Vec<[u8; 16]>, unix_seconds: u32) -> impl Strategy<Value = OptAsked> {
    let sizes = prop_oneof![
        select(vec![0, 100, 511, 512, 513, 700, 1_231, 1_232, 1_232, 1_233, 4_096, 65_535]),
        500..1_300_u16,
    ];
    let version = prop_oneof![14 => Just(0), 1 => select(vec![1, 255])];
    let flags = prop_oneof![3 => Just(0), 3 => Just(0x8000), 1 => any::<u16>()];
    let rcode = prop_oneof![9 => Just(0), 1 => any::<u8>()];
    let options = prop::collection::vec(option(client, secrets, unix_seconds), 0..4);
    let ragged = prop_oneof![24 => Just(false), 1 => Just(true)];
    (sizes, version, flags, rcode, options, ragged).prop_map(|(udp_size, version, flags, rcode, options, ragged)| {
        OptAsked { udp_size, version, flags, rcode, options, ragged }
    })
}

fn option(client: IpAddr, secrets: Vec<[u8; 16]>, unix_seconds: u32) -> impl Strategy<Value = (u16, Vec<u8>)> {
    let ages = select(vec![-301, -300, 0, 1, 1_800, 1_801, 3_600, 3_601]);
    let made = (any::<[u8; 8]>(), any::<[u8; 3]>(), ages, select(secrets), prop::bool::weighted(0.8)).prop_map(
        move |(cookie, reserved, age, secret, right)| {
            let made = unix_seconds.wrapping_add_signed(-age);
            let head = [&[1][..], &reserved, &made.to_be_bytes()].concat();
            let mut hash = cookie_hash(&cookie, &head, client, &secret);
            hash[0] ^= u8::from(!right);
            [&cookie[..], &head, &hash].concat()
        },
    );
    let octets = |len: std::ops::RangeInclusive<usize>| prop::collection::vec(any::<u8>(), len);
    let subnet = select(vec![
        vec![0, 1, 24, 0, 192, 0, 2],
        vec![0, 1, 0, 0],
        vec![0, 0, 0, 0],
        vec![0, 2, 33, 0, 32, 1, 13, 184, 128],
        // Bits behind the prefix, scope, length, family, nothing.
        vec![0, 1, 23, 0, 192, 0, 3],
        vec![0, 1, 24, 24, 192, 0, 2],
        vec![0, 1, 24, 0, 192, 0],
        vec![0, 3, 0, 0],
        vec![],
    ]);
    prop_oneof![
        6 => made.prop_map(|data| (COOKIE, data)),
        2 => octets(8..=8).prop_map(|data| (COOKIE, data)),
        2 => octets(0..=43).prop_map(|data| (COOKIE, data)),
        4 => Just((NSID, Vec::new())),
        1 => octets(1..=3).prop_map(|data| (NSID, data)),
        3 => Just((KEEPALIVE, Vec::new())),
        1 => octets(1..=3).prop_map(|data| (KEEPALIVE, data)),
        3 => (0..200_usize).prop_map(|len| (PADDING, vec![0; len])),
        2 => subnet.prop_map(|data| (8, data)),
        3 => (any::<u16>(), octets(0..=20)).prop_filter("a code without rules", |(code, _)| *code > 15),
    ]
}

fn slip() -> impl Strategy<Value = Slip> {
    prop_oneof![
        1 => Just(Slip::Response),
        4 => (1..16_u8).prop_map(Slip::Opcode),
        3 => select(vec![0, 0, 2, 3, 40]).prop_map(Slip::Questions),
        2 => any::<(bool, bool)>().prop_map(|(answer, authority)| Slip::Records(answer, authority)),
        2 => prop::collection::vec(any::<u8>(), 1..14).prop_map(Slip::Trailing),
        3 => any::<Index>().prop_map(Slip::Cut),
        1 => Just(Slip::SecondOpt),
        1 => Just(Slip::OptOfName),
        2 => any::<bool>().prop_map(Slip::Record),
        2 => (prop::bool::weighted(0.8), select(vec![255, 255, 1])).prop_map(|(last, class)| Slip::Tsig(last, class)),
        1 => Just(Slip::Many),
        2 => select(vec![64, 128, 192, 255]).prop_map(Slip::BadName),
    ]
}

/// The message as octets, slips and all.
fn message(id: u16, header: u16, question: &[u8], opt: Option<&OptAsked>, slips: &[Slip]) -> Vec<u8> {
    let (mut header, mut question, mut questions) = (header, question.to_vec(), 1);
    let (mut before, mut counts) = (Vec::new(), [0_u16; 2]);
    let mut additional: Vec<Vec<u8>> = opt.map(opt_record).into_iter().collect();
    let another = record(&name("other.example"), 1, 1, 60, &[192, 0, 2, 7]);
    for slip in slips {
        match slip {
            Slip::Response => header |= 0x8000,
            Slip::Opcode(opcode) => header |= u16::from(*opcode) << 11,
            Slip::Questions(number) => questions = *number,
            Slip::Records(answer, authority) => {
                let soa = [&[0, 0][..], &[7, 1, 1, 1, 1].map(u32::to_be_bytes).concat()].concat();
                for (index, _) in [answer, authority].into_iter().enumerate().filter(|(_, there)| **there) {
                    counts[index] += 1;
                    before.push(record(&[0xc0, 12], 6, 1, 0, &soa));
                }
            }
            Slip::SecondOpt => additional.push(opt.map_or_else(|| record(&[0], 41, 512, 0, &[]), opt_record)),
            Slip::OptOfName => additional.push(record(&name("x"), 41, 512, 0, &[])),
            Slip::Record(first) => additional.insert(if *first { 0 } else { additional.len() }, another.clone()),
            Slip::Tsig(last, class) => {
                let tsig = record(&name("key"), 250, *class, 0, &[0; 16]);
                additional.insert(if *last { additional.len() } else { 0 }, tsig);
            }
            Slip::Many => additional.extend(std::iter::repeat_n(another.clone(), 17)),
            Slip::BadName(octet) => question[0] = *octet,
            Slip::Trailing(_) | Slip::Cut(_) => {}
        }
    }
    let fields = [id, header, questions, counts[0], counts[1], additional.len() as u16];
    let mut bytes = fields.map(u16::to_be_bytes).concat();
    (0..questions).for_each(|_| bytes.extend(&question));
    bytes.extend([before, additional].concat().concat());
    for slip in slips {
        match slip {
            Slip::Trailing(octets) => bytes.extend(octets),
            Slip::Cut(at) => bytes.truncate(at.index(bytes.len().max(1))),
            _ => {}
        }
    }
    bytes
}

fn opt_record(opt: &OptAsked) -> Vec<u8> {
    let mut data = Vec::new();
    for (code, option) in &opt.options {
        data.extend([*code, option.len() as u16].map(u16::to_be_bytes).concat());
        data.extend(option);
    }
    if opt.ragged {
        data.extend([0, 99, 0]);
    }
    let ttl = u32::from(opt.rcode) << 24 | u32::from(opt.version) << 16 | u32::from(opt.flags);
    record(&[0], 41, opt.udp_size, ttl, &data)
}

fn record(owner: &[u8], kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let fixed = [kind.to_be_bytes(), class.to_be_bytes()].concat();
    [owner, &fixed, &ttl.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
}

/// Those the house admits, of both families and as one mapped into the other (RFC 4291 §2.5.5.2), and strangers.
pub(crate) fn clients() -> Vec<IpAddr> {
    let (inside, outside) = (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(192, 0, 2, 9));
    let six: Ipv6Addr = "fd00::7".parse().unwrap();
    let mapped = inside.to_ipv6_mapped();
    vec![
        inside.into(),
        inside.into(),
        inside.into(),
        inside.into(),
        six.into(),
        six.into(),
        mapped.into(),
        outside.into(),
    ]
}

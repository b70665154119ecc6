//! Holds a reply against what the RFC prescribes.

use wire::code::Code;

use super::cases::{Case, Form};
use super::ground::{Ask, CLIENT_COOKIE_BYTES};
use super::report::Verdict;
use super::seen::{Seen, Signature};

/// Shortest server cookie (RFC 7873 §4).
const SERVER_COOKIE_BYTES_MIN: usize = 8;
/// Octets of the server's time in Other Data (RFC 8945 §5.2.3).
const OTHER_TIME_BYTES: usize = 6;

/// Takes the reply apart and judges it.
pub(super) fn judge(case: &Case, aim: Code, mut ask: Ask, reply: &[u8]) -> (Option<Seen>, Verdict, String) {
    let request = ask.request.take();
    let was_signed = request.is_some();
    let seen = match Seen::read(reply, request) {
        Ok(seen) => seen,
        Err(fault) => return (None, Verdict::Wrong, fault),
    };
    let (verdict, note) = match general(&ask, reply, &seen) {
        Err(fault) => (Verdict::Wrong, fault),
        Ok(()) if seen.code() == aim => match form(case, &ask, &seen, was_signed) {
            Ok(()) => (Verdict::Right, String::new()),
            Err(fault) => (Verdict::Wrong, format!("{}: {fault}", case.rfc)),
        },
        Ok(()) => match case.others.iter().find(|other| other.codes.is_empty() || other.codes.contains(&seen.code())) {
            Some(other) => (other.verdict, other.note.to_owned()),
            None => (Verdict::Wrong, format!("{} wants {aim}, seen {}", case.rfc, seen.code())),
        },
    };
    (Some(seen), verdict, note)
}

/// What holds for every reply.
fn general(ask: &Ask, reply: &[u8], seen: &Seen) -> Result<(), String> {
    let sent = ask.bytes.get(2).map_or(0, |octet| octet >> 3 & 0xf);
    if reply.get(2).is_none_or(|octet| octet & 0x80 == 0) {
        return Err("RFC 1035 §4.1.1: a reply has QR set".to_owned());
    }
    if seen.opcode() != sent {
        return Err(format!("RFC 1035 §4.1.1: the reply's opcode is {}, the request's {sent}", seen.opcode()));
    }
    if seen.opt_version.is_some() && !ask.has_opt {
        return Err("RFC 6891 §7: the reply has OPT, the request had none".to_owned());
    }
    if let Signature::Invalid(why) = &seen.signature {
        return Err(format!("RFC 8945 §5.3: {why}"));
    }
    Ok(())
}

/// What the code's place asks for.
fn form(case: &Case, ask: &Ask, seen: &Seen, was_signed: bool) -> Result<(), String> {
    let header = |code: Code| {
        if u16::from(seen.rcode_header) == code.number() {
            return Ok(());
        }
        let found = Code::from_key(seen.rcode_header.into());
        Err(format!("the header must say {code} beside {}, and says {found}", seen.code()))
    };
    let signed = || match &seen.signature {
        Signature::Valid => Ok(()),
        _ => Err("the reply must be signed, and is not".to_owned()),
    };
    match case.form {
        // Of a message that cannot be read, the signature cannot either.
        Form::Header if was_signed && seen.code() != Code::FORMERR => signed(),
        Form::Header => Ok(()),
        Form::Opt if seen.opt_version == Some(0) => Ok(()),
        Form::Opt => Err("the reply's OPT must have version 0".to_owned()),
        Form::OptCookie => {
            let client = ask.client_cookie.unwrap_or_default();
            match seen.cookie.as_deref().map(|cookie| cookie.split_at_checked(CLIENT_COOKIE_BYTES)) {
                Some(Some((ours, server))) if ours == client && server.len() >= SERVER_COOKIE_BYTES_MIN => Ok(()),
                Some(_) => Err("the cookie in the reply is not ours with a server's behind it".to_owned()),
                None => Err("the reply must bring a fresh cookie, and has none".to_owned()),
            }
        }
        Form::TsigUnsigned => {
            header(Code::NOTAUTH)?;
            match &seen.signature {
                Signature::Unsigned => Ok(()),
                _ => Err("the reply must not be signed, and is".to_owned()),
            }
        }
        Form::TsigSigned => header(Code::NOTAUTH).and_then(|()| signed()),
        Form::TsigTime => {
            header(Code::NOTAUTH)?;
            signed()?;
            let Some(tsig) = &seen.tsig else { return signed() };
            if tsig.other.len() != OTHER_TIME_BYTES {
                return Err(format!("Other Data must hold the server's time, and has {} octets", tsig.other.len()));
            }
            match ask.time_signed {
                Some(ours) if tsig.time_signed != ours => {
                    Err("Time Signed must be the client's, so that it can check the reply".to_owned())
                }
                _ => Ok(()),
            }
        }
        Form::Tkey => {
            header(Code::NOERROR)?;
            if was_signed { signed() } else { Ok(()) }
        }
    }
}

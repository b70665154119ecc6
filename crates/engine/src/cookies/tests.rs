use std::net::SocketAddr;

use super::*;

const CLIENT_COOKIE: [u8; 8] = *b"clientco";
const NOON: i64 = 1_800_000_000;

fn source(transport: Transport) -> Source {
    Source { peer: SocketAddr::from(([192, 0, 2, 7], 5_000)), transport }
}

/// A moment, seconds after noon.
fn at(seconds: i64) -> Now {
    Now { wall_micros: (NOON + seconds) * 1_000_000, monotonic_micros: (1_000 + seconds) as u64 * 1_000_000 }
}

fn settings(mode: CookieMode, secrets: &[u8]) -> CookieSettings {
    let secrets = secrets.iter().map(|octet| Secret([*octet; 16])).collect();
    CookieSettings { mode, secrets, pressure_queries_per_second: 2, require_from: Arc::default() }
}

/// Option data: `none`, `client`, `wrong`, or one that was made at a moment with a secret, as `-40m 7`.
fn data(text: &str) -> Option<Vec<u8>> {
    let made = |minutes: i64, secret| {
        let seconds = (NOON + minutes * 60) as u32;
        make(CLIENT_COOKIE, source(Transport::Udp).peer.ip(), &Secret([secret; 16]), seconds).to_vec()
    };
    match text {
        "none" => None,
        "client" => Some(CLIENT_COOKIE.to_vec()),
        "wrong" => Some([&CLIENT_COOKIE[..], &[9; 16]].concat()),
        _ => {
            let (minutes, secret) = text.split_once("m ").unwrap();
            Some(made(minutes.parse().unwrap(), secret.parse().unwrap()))
        }
    }
}

fn options(data: Option<&[u8]>) -> Vec<u8> {
    let option = |data: &[u8]| [&option::COOKIE.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat();
    data.map(option).unwrap_or_default()
}

fn edns(options: &[u8]) -> Option<Edns<'_>> {
    Some(Edns { udp_size: 1_232, dnssec_ok: false, options })
}

#[test]
fn what_is_wanted_over_udp() {
    use CookieMode::{Give, Off, Pressure as UnderPressure, Require};
    use Wanted::{Cookie as ACookie, Nothing, Stream};
    for (mode, sent, calm, pressed) in [
        (Off, "none", Nothing, Nothing),
        (Off, "wrong", Nothing, Nothing),
        (Give, "none", Nothing, Nothing),
        (Give, "wrong", Nothing, Nothing),
        (UnderPressure, "none", Nothing, Stream),
        (UnderPressure, "client", Nothing, ACookie),
        (UnderPressure, "wrong", Nothing, ACookie),
        (UnderPressure, "0m 7", Nothing, Nothing),
        (UnderPressure, "-40m 7", Nothing, Nothing),
        (UnderPressure, "0m 8", Nothing, Nothing),
        (Require, "none", Stream, Stream),
        (Require, "client", ACookie, ACookie),
        (Require, "-61m 7", ACookie, ACookie),
        (Require, "0m 6", ACookie, ACookie),
        (Require, "0m 7", Nothing, Nothing),
        (Require, "5m 7", Nothing, Nothing),
        (Require, "6m 7", ACookie, ACookie),
    ] {
        let settings = settings(mode, &[7, 8]);
        let options = options(data(sent).as_deref());
        let look = |pressure: &mut Pressure| wanted(&settings, edns(&options), source(Transport::Udp), at(0), pressure);
        assert_eq!(look(&mut Pressure::default()), calm, "{mode:?} {sent}");
        let mut busy = Pressure { second: at(0).seconds(), queries: 100 };
        assert_eq!(look(&mut busy), pressed, "{mode:?} {sent} under pressure");
    }
    let none = settings(CookieMode::Require, &[]);
    let look = wanted(&none, None, source(Transport::Udp), at(0), &mut Pressure::default());
    assert_eq!(look, Wanted::Nothing, "nothing can be demanded without a secret");
}

#[test]
fn some_networks_always_need_a_cookie() {
    let from = |network: &str| Arc::from([Network::parse(network).unwrap()]);
    for (mode, network, sent, expected) in [
        (CookieMode::Give, "192.0.2.0/24", "wrong", Wanted::Cookie),
        (CookieMode::Give, "192.0.2.0/24", "none", Wanted::Stream),
        (CookieMode::Give, "192.0.2.0/24", "0m 7", Wanted::Nothing),
        (CookieMode::Give, "198.51.100.0/24", "wrong", Wanted::Nothing),
        (CookieMode::Pressure, "192.0.2.7", "client", Wanted::Cookie),
        (CookieMode::Off, "192.0.2.0/24", "wrong", Wanted::Nothing),
    ] {
        let settings = CookieSettings { require_from: from(network), ..settings(mode, &[7]) };
        let options = options(data(sent).as_deref());
        let look = wanted(&settings, edns(&options), source(Transport::Udp), at(0), &mut Pressure::default());
        assert_eq!(look, expected, "{mode:?} from {network}: {sent}");
    }
}

#[test]
fn pressure_is_of_one_second_and_of_those_without_a_good_cookie() {
    let settings = settings(CookieMode::Pressure, &[7]);
    let good = options(data("0m 7").as_deref());
    let mut pressure = Pressure::default();
    let mut look = |options: &[u8], now| wanted(&settings, edns(options), source(Transport::Udp), now, &mut pressure);
    for second in [0, 1, 5] {
        for _ in 0..10 {
            assert_eq!(look(&good, at(second)), Wanted::Nothing);
        }
        let seen = [0; 4].map(|_| look(&[], at(second)));
        assert_eq!(seen, [Wanted::Nothing, Wanted::Nothing, Wanted::Stream, Wanted::Stream], "second {second}");
        assert_eq!(look(&good, at(second)), Wanted::Nothing, "a good cookie is served whatever comes");
    }
}

#[test]
fn what_is_given() {
    let fresh = data("0m 7");
    for (secrets, sent, expected) in [
        (&[7, 8][..], "client", fresh.clone()),
        (&[7, 8], "wrong", fresh.clone()),
        (&[7, 8], "-10m 7", data("-10m 7")),
        (&[7, 8], "-40m 7", fresh.clone()),
        (&[7, 8], "-10m 8", fresh.clone()),
        (&[7], "-10m 8", fresh),
        (&[], "client", None),
    ] {
        let options = data(sent).unwrap();
        let given = given(&settings(CookieMode::Give, secrets), &options, source(Transport::Tcp), at(0));
        assert_eq!(given.map(Vec::from), expected, "{secrets:?} {sent}");
    }
    let off = settings(CookieMode::Off, &[7]);
    assert_eq!(given(&off, &CLIENT_COOKIE, source(Transport::Udp), at(0)), None);
    assert_eq!(given(&settings(CookieMode::Give, &[7]), &[1; 9], source(Transport::Udp), at(0)), None);
}

/// RFC 7873 §5.4.
#[test]
fn probes() {
    for (mode, transport, sent, expected) in [
        (CookieMode::Give, Transport::Udp, "client", Some(Code::NOERROR)),
        (CookieMode::Give, Transport::Udp, "0m 7", Some(Code::NOERROR)),
        (CookieMode::Give, Transport::Udp, "wrong", Some(Code::BADCOOKIE)),
        (CookieMode::Give, Transport::Tcp, "wrong", Some(Code::NOERROR)),
        (CookieMode::Off, Transport::Udp, "client", None),
        (CookieMode::Give, Transport::Udp, "none", None),
    ] {
        let options = options(data(sent).as_deref());
        let code = probe(&settings(mode, &[7]), edns(&options), source(transport), at(0));
        assert_eq!(code, expected, "{mode:?} {transport:?} {sent}");
    }
}

//! Copies of other servers' zones, and others told of ours.

use super::primary::{Ixfr, Primary};
use super::*;
use wire::tsig::{Algorithm, Key};
use zone::Keeper as _;

fn copy(primaries: impl IntoIterator<Item = Peer>) -> ZoneSettings {
    home(ZoneSource::Secondary(primaries.into_iter().collect()))
}

fn key(name_: &str, secret: &[u8]) -> Arc<Key> {
    Arc::new(Key::new(name(name_), Algorithm::HmacSha256, secret))
}

fn error(registrar: &Registrar) -> String {
    status(registrar).fault.unwrap_or_default()
}

#[tokio::test]
async fn a_copy_is_fetched_refreshed_kept_and_expires() {
    let house = House::new();
    let primary = Primary::start(zone(5, "www A 192.0.2.7\n")).await;
    let settings = copy([peer(primary.address)]);
    let registrar = house.open([settings.clone()]);
    assert_eq!(service(&registrar), format!("EDE 14: not yet transferred from {}", primary.address));
    assert_eq!(registrar.refresh_due().await, 1);
    assert_eq!((service(&registrar).as_str(), primary.asked().as_str()), ("5 www=7", "SOA AXFR"));
    assert_eq!(registrar.refresh_due().await, 0, "not due");

    // REFRESH of its SOA is an hour; chance takes at most a tenth off.
    house.advance(3_600);
    assert_eq!(registrar.refresh_due().await, 1);
    assert_eq!((primary.asked().as_str(), error(&registrar).as_str()), ("SOA", ""), "nothing new");

    primary.publish(zone(6, "www A 192.0.2.8\n"));
    let from = primary.address;
    registrar.notified(&name("home.example"), Some(5), from);
    assert_eq!(registrar.refresh_due().await, 0, "an old serial is no news");
    registrar.notified(&name("home.example"), Some(6), from);
    assert_eq!(registrar.refresh_due().await, 1);
    assert_eq!((service(&registrar).as_str(), primary.asked().as_str()), ("6 www=8", "SOA IXFR"));
    let State::Loaded(loaded) = State::clone(&held(&registrar).state()) else { panic!("not loaded") };
    assert_eq!(loaded.history.len(), 1, "others can have the change from us");
    drop(registrar);

    let registrar = house.open([settings.clone()]);
    assert_eq!(service(&registrar), "6 www=8", "served at once after a restart");
    drop(primary);
    registrar.refresh_due().await;
    assert!(error(&registrar).contains("no connection: Connection refused"), "{}", error(&registrar));
    house.advance(86_399);
    registrar.refresh_due().await;
    assert_eq!(service(&registrar), "6 www=8");
    house.advance(1);
    registrar.refresh_due().await;
    let expired = "EDE 24: expired: no primary has confirmed it within the time its SOA gives";
    assert_eq!(service(&registrar), expired);
    drop(registrar);
    assert_eq!(service(&house.open([settings])), expired, "after a restart too");
}

#[tokio::test]
async fn an_expired_copy_is_good_again_once_confirmed() {
    let house = House::new();
    let primary = Primary::start(zone(5, "www A 192.0.2.7\n")).await;
    let registrar = house.open([copy([peer(primary.address)])]);
    registrar.refresh_due().await;
    drop(registrar);
    house.advance(86_401);
    let registrar = house.open([copy([peer(primary.address)])]);
    assert!(service(&registrar).starts_with("EDE 24: expired"));
    primary.asked();
    registrar.refresh_due().await;
    assert_eq!((service(&registrar).as_str(), primary.asked().as_str()), ("5 www=7", "SOA"));
}

#[tokio::test]
async fn without_ixfr_the_whole_zone_comes() {
    for (ixfr, asked) in
        [(Ixfr::Sends, "SOA IXFR"), (Ixfr::SaysNotimp, "SOA IXFR AXFR"), (Ixfr::Closes, "SOA IXFR AXFR")]
    {
        let house = House::new();
        let primary = Primary::start(zone(5, "www A 192.0.2.7\n")).await;
        let registrar = house.open([copy([peer(primary.address)])]);
        registrar.refresh_due().await;
        primary.asked();
        primary.publish(zone(6, "www A 192.0.2.7\nmail A 192.0.2.9\nmore A 192.0.2.10\n"));
        primary.publish(zone(7, "www A 192.0.2.7\nmail A 192.0.2.9\n"));
        primary.ixfr(ixfr);
        registrar.notified(&name("home.example"), None, primary.address);
        registrar.refresh_due().await;
        assert_eq!((service(&registrar).as_str(), primary.asked().as_str()), ("7 mail=9 www=7", asked), "{ixfr:?}");
        drop(registrar);
        assert_eq!(service(&house.open([copy([peer(primary.address)])])), "7 mail=9 www=7", "{ixfr:?}");
    }
}

#[tokio::test]
async fn a_transfer_cut_short_changes_nothing() {
    let house = House::new();
    let primary = Primary::start(zone(5, "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n")).await;
    primary.ixfr(Ixfr::Breaks);
    let registrar = house.open([copy([peer(primary.address)])]);
    registrar.refresh_due().await;
    assert!(error(&registrar).ends_with("the connection was closed too soon"), "{}", error(&registrar));
    assert!(service(&registrar).starts_with("EDE 14"));
    assert!(!house.journal().exists());
}

#[tokio::test]
async fn limits_hold() {
    for (limits, why) in [
        (ZoneLimits { records_max: 4, ..ZoneLimits::default() }, "more than 4 records"),
        (ZoneLimits { octets_max: 100, ..ZoneLimits::default() }, "the transfer has more than 100 octets"),
    ] {
        let house = House::new();
        let primary = Primary::start(zone(5, "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\n")).await;
        let registrar = house.open([ZoneSettings { limits, ..copy([peer(primary.address)]) }]);
        registrar.refresh_due().await;
        assert_eq!(error(&registrar), format!("{}: {why}", primary.address));
        assert!(service(&registrar).starts_with("EDE 14"));
    }
}

#[tokio::test]
async fn what_is_signed_must_be_signed_right() {
    let house = House::new();
    let primary = Primary::start(zone(5, "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\nd A 192.0.2.4\n")).await;
    let right = key("xfer", b"a secret of sixteen octets");
    primary.key(&right);
    let with = |key: Option<Arc<Key>>| copy([Peer { address: primary.address, key }]);
    let registrar = house.open([with(None)]);
    registrar.refresh_due().await;
    assert_eq!(error(&registrar), format!("{}: answered REFUSED for its SOA", primary.address));
    for (other, why) in [
        (key("other", b"a secret of sixteen octets"), "the server says TSIG error 17"),
        (key("xfer", b"another secret"), "the server says TSIG error 16"),
    ] {
        registrar.reload(vec![with(Some(other))]).unwrap();
        registrar.refresh_due().await;
        assert_eq!(error(&registrar), format!("{}: {why}", primary.address));
    }
    assert!(service(&registrar).starts_with("EDE 14"));
    registrar.reload(vec![with(Some(Arc::clone(&right)))]).unwrap();
    registrar.refresh_due().await;
    assert_eq!((service(&registrar).as_str(), error(&registrar).as_str()), ("5 a=1 b=2 c=3 d=4", ""));
    primary.publish(zone(6, "a A 192.0.2.1\n"));
    registrar.notified(&name("home.example"), Some(6), primary.address);
    registrar.refresh_due().await;
    assert_eq!((service(&registrar).as_str(), error(&registrar).as_str()), ("6 a=1", ""));
}

#[tokio::test]
async fn primaries_are_asked_in_turn_and_who_notified_first() {
    let house = House::new();
    let gone = Primary::start(zone(9, "")).await;
    let (dead, deaf) = (gone.address, Primary::start(zone(5, "www A 192.0.2.7\n")).await);
    drop(gone);
    let registrar = house.open([copy([peer(dead), peer(deaf.address)])]);
    deaf.deaf();
    registrar.refresh_due().await;
    assert_eq!(service(&registrar), "5 www=7", "the first does not answer, the second over TCP only");

    // A primary behind our copy is no reason to go back.
    let behind = Primary::start(zone(4, "www A 192.0.2.6\n")).await;
    registrar.reload(vec![copy([peer(behind.address)])]).unwrap();
    registrar.refresh_due().await;
    assert_eq!(error(&registrar), format!("{}: its serial 4 is behind ours, 5", behind.address));
    assert_eq!(service(&registrar), "5 www=7");
}

#[tokio::test]
async fn others_are_told_at_the_start_and_of_each_change() {
    let house = House::new();
    let mut other = Primary::start(zone(1, "")).await;
    let shut = Primary::start(zone(1, "")).await;
    shut.answers_notify(4);
    let mut settings = house.write(5, "");
    settings.notify = vec![peer(other.address), peer(shut.address)];
    let registrar = house.open([settings]);
    let running = tokio::spawn(Arc::clone(&registrar).run());
    assert_eq!(other.notified.recv().await, Some(5));
    update(&registrar, "a=1").unwrap();
    assert_eq!(other.notified.recv().await, Some(6));
    let heard = loop {
        // Their answers are on the way.
        let heard = status(&registrar).heard;
        if heard.len() == 2 {
            break heard;
        }
        tokio::task::yield_now().await;
    };
    let said = |address| heard.iter().find(|heard| heard.address == address).unwrap().error.clone();
    assert_eq!((said(other.address), said(shut.address)), (None, Some("answered NOTIMP".to_owned())));
    running.abort();
}

#[tokio::test]
async fn a_secondary_runs_by_itself() {
    let house = House::new();
    let primary = Primary::start(zone(5, "www A 192.0.2.7\n")).await;
    let mut below = Primary::start(zone(1, "")).await;
    let shared = key("chain", b"one more secret");
    below.key(&shared);
    let mut settings = copy([peer(primary.address)]);
    settings.notify = vec![Peer { address: below.address, key: Some(shared) }];
    let registrar = house.open([settings]);
    let running = tokio::spawn(Arc::clone(&registrar).run());
    assert_eq!(below.notified.recv().await, Some(5), "whoever copies from us hears of the first transfer");
    primary.publish(zone(6, ""));
    registrar.notified(&name("home.example"), Some(6), primary.address);
    assert_eq!(below.notified.recv().await, Some(6));
    registrar.reload(Vec::new()).unwrap();
    assert!(registrar.status().is_empty());
    running.abort();
}

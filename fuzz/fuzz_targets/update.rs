//! An update message: read, checked and applied to a zone, or denied with a code; a zone never loses what makes it one, and
//! the change leads from the one version to the other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::message::Message;
use zone::file;
use zone::tree::Fault;
use zone::update::Update;

const ZONE: &str = "\
@ 300 SOA ns hostmaster 7 3600 600 86400 60
@ 300 NS ns
ns 300 A 192.0.2.1
www 300 A 192.0.2.2
www 300 A 192.0.2.3
alias 300 CNAME www
*.wild 300 TXT \"any\"
sub 300 DNAME elsewhere.example.
";

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::read(bytes) else { return };
    let Ok(update) = Update::read(&message) else { return };
    assert!(update.summary().len() <= 512);
    // The zone is the one the message names, so that mutations get past the question of whose it is.
    let Ok(zone) = file::read("zone", ZONE, &update.zone, &mut |_| Err("no includes".to_owned())) else { return };
    let before: Vec<_> = zone.records().collect();
    if update.check_prerequisites(&zone).is_ok()
        && update.prescan(&zone).is_ok()
        && let Ok(Some((after, delta))) = update.apply(&zone)
    {
        // An update may put records below a DNAME, or a DNAME above records: it occludes them (RFC 6672 §5.2).
        let faults = after.faults();
        assert!(faults.iter().all(|fault| matches!(fault, Fault::BelowDname(_))), "{faults:?}");
        let Ok(applied) = delta.apply(&zone) else { panic!("the change does not fit what it was made from") };
        assert!(applied.records().eq(after.records()));
        assert_ne!(zone.serial(), after.serial());
    }
    assert!(zone.records().eq(before), "the version before stays as it was");
});

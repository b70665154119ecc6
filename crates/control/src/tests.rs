//! Lists from files and from a server on loopback: what is in force, and what status says.

mod server;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policy::{BlockAnswer, Decision, Format, ListAction, ListInfo, Network, Snapshot};
use tempfile::TempDir;
use wire::name::Folded;
use wire::reply::BlockReply;

use crate::{Control, Limits, ListSource, ListState, Place, ReloadError, Settings};
use server::{Reply, Server};

const HOUR: Duration = Duration::from_secs(3600);

fn list(name: &str, place: Place) -> ListSource {
    let info = ListInfo { name: name.into(), action: ListAction::Block, format: Format::Auto, ede: 15 };
    ListSource { info, place, refresh: HOUR }
}

fn settings(folder: &Path, lists: impl IntoIterator<Item = ListSource>) -> Settings {
    Settings {
        folder: folder.to_owned(),
        lists: lists.into_iter().collect(),
        block: BlockAnswer { kind: BlockReply::Nxdomain, ttl: 10 },
        admitted: Network::LOOPBACK.to_vec(),
        limits: Limits { list_bytes_max: 10_000, ..Limits::default() },
    }
}

/// Minutes after the test began.
fn minute(minutes: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + 60 * minutes)
}

/// A control with the snapshots it published.
struct House {
    control: Arc<Control>,
    published: Arc<Mutex<Vec<Arc<Snapshot>>>>,
}

impl House {
    fn open(settings: Settings, now: SystemTime) -> House {
        let published = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&published);
        let control = Control::new(settings, 0x5eed, now, move |snapshot| sink.lock().unwrap().push(snapshot)).unwrap();
        House { control: Arc::new(control), published }
    }

    fn epoch(&self) -> u64 {
        let published = self.published.lock().unwrap();
        let epochs: Vec<u64> = published.iter().map(|snapshot| snapshot.epoch).collect();
        assert_eq!(epochs, (1..=epochs.len() as u64).collect::<Vec<u64>>(), "epochs follow each other");
        epochs.len() as u64
    }

    /// Those of the names that the snapshot published last blocks.
    fn blocked(&self, names: &str) -> String {
        let snapshot = Arc::clone(self.published.lock().unwrap().last().unwrap());
        let blocks = |name: &&str| snapshot.policy.judge(&Folded::from_text(name).unwrap()).decision == Decision::Block;
        names.split(' ').filter(blocks).collect::<Vec<&str>>().join(" ")
    }

    fn state(&self, name: &str) -> ListState {
        self.control.status().into_iter().find(|state| *state.name == *name).unwrap()
    }

    fn error(&self, name: &str) -> String {
        self.state(name).error.unwrap_or_default()
    }
}

/// Runs one refresh against a server that answers with `reply`, and shows what status says.
fn refused(reply: Reply) -> String {
    let folder = TempDir::new().unwrap();
    let server = Server::start([reply]);
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(server.url()))]), minute(0));
    assert_eq!(house.control.refresh_due(minute(0)), 1);
    assert_eq!((house.epoch(), house.state("ads").rules), (1, 0), "nothing new is in force");
    assert_eq!(house.state("ads").loaded_at, None);
    let copies: Vec<_> = fs::read_dir(folder.path().join("lists")).into_iter().flatten().collect();
    assert!(copies.is_empty(), "nothing is left on disk: {copies:?}");
    house.error("ads").replace(&server.url(), "URL")
}

#[test]
fn a_list_in_a_file_blocks_and_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ads.txt");
    fs::write(&path, "ads.example\nno..name\n").unwrap();
    let house = House::open(settings(folder.path(), [list("ads", Place::File(path.clone()))]), minute(0));
    assert_eq!(house.blocked("a.ads.example news.example"), "a.ads.example");
    let state = house.state("ads");
    assert_eq!((state.rules, state.rejected, state.faults[0].line), (1, 1, 2));
    assert_eq!((state.source, state.error), (path.display().to_string(), None));
    assert_eq!(state.loaded_at, Some(minute(0)));
}

#[test]
fn a_missing_file_is_told_and_the_others_protect() {
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("nowhere.txt");
    let lists = [
        list("gone", Place::File(nowhere.clone())),
        list("folder", Place::File(folder.path().to_owned())),
        list("own", Place::Text("ads.example".into())),
    ];
    let house = House::open(settings(folder.path(), lists), minute(0));
    assert_eq!(house.error("folder"), format!("cannot read {}: not a file", folder.path().display()));
    assert_eq!(house.blocked("ads.example"), "ads.example");
    let error = house.error("gone");
    assert!(error.starts_with(&format!("cannot read {}: No such file", nowhere.display())), "{error}");
    assert_eq!(house.error("own"), "");

    fs::write(&nowhere, "late.example").unwrap();
    assert_eq!(house.control.refresh_due(minute(0)), 0, "not due yet");
    assert_eq!(house.control.refresh_due(minute(1)), 2, "tried again after a minute");
    assert_eq!(house.blocked("ads.example late.example"), "ads.example late.example");
    assert_eq!(house.error("gone"), "");
}

#[test]
fn a_file_that_changes_is_read_again_and_one_that_breaks_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ads.txt");
    fs::write(&path, "one.example").unwrap();
    let house = House::open(settings(folder.path(), [list("ads", Place::File(path.clone()))]), minute(0));
    let names = "one.example two.example";

    house.control.refresh_due(minute(60));
    assert_eq!(house.epoch(), 1, "unchanged, not compiled again");

    fs::write(&path, "two.example, once\n||two.example^\n").unwrap();
    house.control.refresh_due(minute(120));
    assert_eq!((house.blocked(names).as_str(), house.state("ads").loaded_at), ("two.example", Some(minute(120))));

    fs::write(&path, "<!DOCTYPE html>\n<title>one.example</title>").unwrap();
    house.control.refresh_due(minute(180));
    assert_eq!(house.error("ads"), format!("{} is a web page, not a list", path.display()));

    fs::remove_file(&path).unwrap();
    house.control.refresh_due(minute(240));
    assert!(house.error("ads").contains("No such file"));
    assert_eq!((house.blocked(names).as_str(), house.epoch()), ("two.example", 2), "the last good copy is in force");

    let again = House::open(settings(folder.path(), [list("ads", Place::File(path))]), minute(300));
    assert_eq!(again.blocked(names), "two.example", "after a restart, too");
    assert!(again.error("ads").contains("No such file"));
}

#[test]
fn a_file_protects_even_where_no_copy_can_be_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ads.txt");
    fs::write(&path, "ads.example").unwrap();
    // A file where a folder should be: nobody can write below it, not even root.
    let house = House::open(settings(&path, [list("ads", Place::File(path.clone()))]), minute(0));
    assert_eq!(house.blocked("ads.example"), "ads.example");
    let error = house.error("ads");
    assert!(error.starts_with("cannot keep a copy: "), "{error}");

    assert_eq!(house.control.refresh_due(minute(60)), 1);
    assert_eq!((house.error("ads"), house.epoch()), (error, 1), "still true, nothing new");
}

#[test]
fn a_copy_that_vanishes_is_fetched_anew() {
    let folder = TempDir::new().unwrap();
    let reply = || Reply::Full("200 OK", &["ETag: \"one\""], b"ads.example\n".to_vec());
    let server = Server::start([reply(), reply()]);
    let path = folder.path().join("own.txt");
    fs::write(&path, "one.example").unwrap();
    let lists = [list("ads", Place::Url(server.url())), list("own", Place::File(path.clone()))];
    let house = House::open(settings(folder.path(), lists), minute(0));
    house.control.refresh_due(minute(0));
    fs::remove_file(folder.path().join("lists/ads.txt")).unwrap();

    fs::write(&path, "another.example").unwrap();
    house.control.refresh_soon(Some("own"));
    house.control.refresh_due(minute(1));
    assert!(house.error("ads").starts_with("cannot read the copy in force: No such file"), "{}", house.error("ads"));
    assert_eq!(house.blocked("ads.example one.example"), "ads.example one.example", "the snapshot before stays");

    house.control.refresh_due(minute(2));
    assert!(!server.requests()[1].contains("if-none-match"));
    assert_eq!(house.blocked("ads.example one.example another.example"), "ads.example another.example");
    assert_eq!(house.error("ads"), "");
}

#[test]
fn a_packed_file_is_unpacked_and_its_size_counted_unpacked() {
    let folder = TempDir::new().unwrap();
    let pack = |file: &str, text: &str| {
        let path = folder.path().join(file);
        let mut packer = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::best());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap();
        path
    };
    let small = pack("small.gz", "ads.example\n");
    let bomb = pack("bomb.gz", &"bomb.example\n".repeat(1000));
    assert!(fs::metadata(&bomb).unwrap().len() < 10_000);
    let lists = [list("small", Place::File(small)), list("bomb", Place::File(bomb.clone()))];
    let house = House::open(settings(folder.path(), lists), minute(0));
    assert_eq!(house.blocked("ads.example bomb.example"), "ads.example");
    assert_eq!(house.error("bomb"), format!("{} is larger than 10000 bytes", bomb.display()));
}

#[test]
fn a_download_is_kept_asked_for_politely_and_survives_a_restart() {
    let folder = TempDir::new().unwrap();
    let headers = &["ETag: \"one\"", "Last-Modified: Tue, 24 Nov 2026 00:00:00 GMT"];
    let server = Server::start([Reply::Full("200 OK", headers, b"ads.example\n".to_vec())]);
    let settings = settings(folder.path(), [list("ads", Place::Url(server.url()))]);
    let house = House::open(settings.clone(), minute(0));
    assert_eq!((house.blocked("ads.example").as_str(), house.epoch()), ("", 1), "start does not wait");
    assert_eq!(house.control.refresh_due(minute(0)), 1);
    assert_eq!((house.blocked("ads.example").as_str(), house.epoch()), ("ads.example", 2));
    assert_eq!(house.state("ads").loaded_at, Some(minute(0)));

    server.then([Reply::Full("304 Not Modified", &[], vec![])]);
    assert_eq!(house.control.refresh_due(minute(59)), 0);
    assert_eq!(house.control.refresh_due(minute(60)), 1);
    assert_eq!((house.epoch(), house.error("ads").as_str()), (2, ""));
    let requests = server.requests();
    assert!(!requests[0].contains("if-none-match"));
    assert!(requests[1].contains("if-none-match: \"one\""), "{}", requests[1]);
    assert!(requests[1].contains("if-modified-since: tue, 24 nov 2026 00:00:00 gmt"), "{}", requests[1]);
    assert!(requests[1].contains("user-agent: nameward/"), "{}", requests[1]);

    let again = House::open(settings, minute(70));
    assert_eq!(again.blocked("ads.example"), "ads.example", "from the copy, at once");
    assert_eq!(again.state("ads").loaded_at, Some(minute(0)));
    assert_eq!(again.control.refresh_due(minute(70)), 0, "looked at 10 minutes ago");
    assert_eq!(again.control.refresh_due(minute(120)), 1);
}

#[test]
fn a_refresh_that_fails_keeps_the_last_good_copy_and_is_tried_sooner_again() {
    let folder = TempDir::new().unwrap();
    let failure = || Reply::Full("500 Internal Server Error", &[], b"oops".to_vec());
    let server = Server::start([Reply::ok("ads.example\n"), failure(), failure(), Reply::ok("new.example\n")]);
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(server.url()))]), minute(0));
    house.control.refresh_due(minute(0));
    house.control.refresh_due(minute(60));
    let expected = format!("cannot fetch {}: the server answered 500 Internal Server Error", server.url());
    assert_eq!((house.error("ads"), house.blocked("ads.example")), (expected, "ads.example".into()));
    assert_eq!((house.state("ads").rules, house.state("ads").loaded_at), (1, Some(minute(0))));
    assert_eq!(house.control.refresh_due(minute(61)), 1, "after a minute");
    assert_eq!(house.control.refresh_due(minute(62)), 0, "then after two");
    assert_eq!(house.control.refresh_due(minute(63)), 1);
    assert_eq!((house.error("ads").as_str(), house.blocked("ads.example new.example").as_str()), ("", "new.example"));
}

#[test]
fn what_is_no_list_is_refused() {
    for (reply, expected) in [
        (Reply::ok("  <!doctype HTML><p>ads.example"), "URL is a web page, not a list"),
        (Reply::ok("no list here\n"), "URL holds no rule; line 1, \"no list here\": no address in front of the name"),
        (Reply::ok(&"ads.example\n".repeat(1000)), "URL is larger than 10000 bytes"),
        (Reply::Full("404 Not Found", &[], vec![]), "cannot fetch URL: the server answered 404 Not Found"),
        (Reply::Full("304 Not Modified", &[], vec![]), "cannot fetch URL: the server answered 304 Not Modified"),
    ] {
        assert_eq!(refused(reply), expected);
    }
    let cut = refused(Reply::Cut("ads.example\nmore.exa"));
    assert!(cut.starts_with("cannot read URL: "), "{cut}");
}

#[test]
fn an_emptied_download_leaves_its_rules_in_force() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Reply::ok("ads.example\n"), Reply::ok("# nothing\n")]);
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(server.url()))]), minute(0));
    house.control.refresh_due(minute(0));
    house.control.refresh_due(minute(60));
    assert_eq!(house.error("ads"), format!("{} is empty; the rules it had stay in force", server.url()));
    assert_eq!(house.blocked("ads.example"), "ads.example");
}

#[test]
fn a_packed_download_is_unpacked() {
    let folder = TempDir::new().unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"ads.example\n").unwrap();
    let packed = packer.finish().unwrap();
    let coded = Server::start([Reply::Full("200 OK", &["Content-Encoding: gzip"], packed.clone())]);
    let plain = Server::start([Reply::Full("200 OK", &["Content-Type: application/gzip"], packed)]);
    for server in [coded, plain] {
        let house = House::open(settings(folder.path(), [list("ads", Place::Url(server.url()))]), minute(0));
        house.control.refresh_due(minute(0));
        assert_eq!((house.blocked("ads.example"), house.error("ads")), ("ads.example".into(), String::new()));
    }
}

#[test]
fn a_server_that_hangs_times_out_and_holds_up_no_other_list() {
    let folder = TempDir::new().unwrap();
    let (hangs, works) = (Server::start([Reply::Hang]), Server::start([Reply::ok("ads.example")]));
    let lists = [list("hangs", Place::Url(hangs.url())), list("works", Place::Url(works.url()))];
    let mut settings = settings(folder.path(), lists);
    settings.limits.read = Duration::from_millis(100);
    let house = House::open(settings, minute(0));
    assert_eq!(house.control.refresh_due(minute(0)), 2);
    assert_eq!(house.blocked("ads.example"), "ads.example");
    let error = house.error("hangs");
    assert!(error.contains("timeout"), "{error}");
}

#[test]
fn nobody_listening_is_told() {
    let folder = TempDir::new().unwrap();
    let url = Server::start([]).url();
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(url.clone()))]), minute(0));
    house.control.refresh_due(minute(0));
    assert!(house.error("ads").starts_with(&format!("cannot fetch {url}: ")), "{}", house.error("ads"));
}

#[test]
fn a_server_that_does_not_speak_tls_is_told() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Reply::ok("ads.example")]);
    let url = server.url().replace("http:", "https:");
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(url.clone()))]), minute(0));
    house.control.refresh_due(minute(0));
    assert!(house.error("ads").starts_with(&format!("cannot fetch {url}: ")), "{}", house.error("ads"));
    assert_eq!(house.blocked("ads.example"), "");
}

#[test]
fn a_copy_from_another_place_is_not_used() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Reply::ok("ads.example\n")]);
    let house = House::open(settings(folder.path(), [list("ads", Place::Url(server.url()))]), minute(0));
    house.control.refresh_due(minute(0));
    let moved = list("ads", Place::Url("https://lists.example/ads.txt".into()));
    let again = House::open(settings(folder.path(), [moved]), minute(1));
    assert_eq!(again.blocked("ads.example"), "");
    assert_eq!(again.state("ads").loaded_at, None);
}

#[test]
fn parts_left_by_a_crash_are_swept_and_a_broken_origin_is_no_origin() {
    let folder = TempDir::new().unwrap();
    let copies = folder.path().join("lists");
    fs::create_dir(&copies).unwrap();
    fs::write(copies.join(".ads.1-0.part"), "half").unwrap();
    fs::write(copies.join("ads.txt"), "ads.example").unwrap();
    fs::write(copies.join("ads.json"), "{\"version\": 1, \"sou").unwrap();
    let url = Place::Url("https://lists.example/ads.txt".into());
    let house = House::open(settings(folder.path(), [list("ads", url)]), minute(0));
    assert_eq!(house.blocked("ads.example"), "");
    assert!(!copies.join(".ads.1-0.part").exists());
}

#[test]
fn reload_swaps_everything_at_once() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Reply::ok("web.example\n")]);
    let (web, own) = (list("web", Place::Url(server.url())), list("own", Place::Text("own.example".into())));
    let house = House::open(settings(folder.path(), [web.clone(), own]), minute(0));
    house.control.refresh_due(minute(0));
    let names = "web.example own.example new.example";
    assert_eq!(house.blocked(names), "web.example own.example");

    let mut next = settings(folder.path(), [web, list("new", Place::Text("new.example".into()))]);
    next.block.kind = BlockReply::Refused;
    house.control.reload(next, minute(1)).unwrap();
    assert_eq!((house.blocked(names).as_str(), house.epoch()), ("web.example new.example", 3));
    assert_eq!(house.control.snapshot().block.kind, BlockReply::Refused);
    assert_eq!(
        (house.control.refresh_due(minute(1)), server.requests().len()),
        (0, 1),
        "what stays is not fetched again"
    );
}

#[test]
fn a_reload_that_fails_keeps_what_is_in_force() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ads.txt");
    fs::write(&path, "ads.example").unwrap();
    let ads = list("ads", Place::File(path.clone()));
    let house = House::open(settings(folder.path(), [ads.clone()]), minute(0));
    fs::write(&path, "changed.example").unwrap();

    let nowhere = list("new", Place::File(folder.path().join("nowhere.txt")));
    let error = house.control.reload(settings(folder.path(), [ads.clone(), nowhere]), minute(1)).unwrap_err();
    assert!(matches!(&error, ReloadError::List { list, .. } if **list == *"new"), "{error}");
    assert!(error.to_string().starts_with("list \"new\": cannot read "), "{error}");
    let error = house.control.reload(settings(folder.path(), [ads.clone(), ads.clone()]), minute(1)).unwrap_err();
    assert_eq!(error.to_string(), "list \"ads\" is configured twice");
    assert_eq!((house.blocked("ads.example changed.example").as_str(), house.epoch()), ("ads.example", 1));
    assert_eq!(house.control.status().len(), 1);

    house.control.reload(settings(folder.path(), [ads]), minute(1)).unwrap();
    assert_eq!(house.blocked("ads.example changed.example"), "changed.example", "a reload reads files anew");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let text = || Place::Text(String::new());
    let long = "n".repeat(65);
    for (lists, expected) in [
        (vec![list("", text())], "list \"\": a name has 1 to 64 letters"),
        (vec![list("../ads", text())], "list \"../ads\": a name has"),
        (vec![list(".ads", text())], "list \".ads\": a name has"),
        (vec![list(&long, text())], "list \"nnn"),
        (vec![list("ads", text()), list("Ads", text())], "list \"Ads\" is configured twice"),
        (
            vec![list("ads", Place::Url("ftp://lists.example/a".into()))],
            "list \"ads\": \"ftp://lists.example/a\" is not an http",
        ),
        (vec![list("ads", Place::Url("ads.txt".into()))], "list \"ads\": \"ads.txt\" is not an http"),
        ((0..256).map(|index| list(&format!("l{index}"), text())).collect(), "256 lists, at most 255 are possible"),
    ] {
        let error = settings(Path::new("."), lists).check().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let shown = |url: &str| Place::Url(url.into()).to_string();
    assert_eq!(shown("https://user:secret@lists.example/a@b.txt?c=d"), "https://lists.example/a@b.txt?c=d");
    assert_eq!(shown("http://lists.example:8080"), "http://lists.example:8080");
}

#[tokio::test]
async fn the_background_task_fetches_refreshes_when_asked_and_stops() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Reply::ok("one.example\n"), Reply::ok("two.example\n")]);
    let settings = settings(folder.path(), [list("ads", Place::Url(server.url()))]);
    let house = House::open(settings, SystemTime::now());
    let mut changes = house.control.changes();
    let task = tokio::spawn(Arc::clone(&house.control).run());
    changes.wait_for(|number| *number == 2).await.unwrap();
    assert_eq!(house.blocked("one.example two.example"), "one.example");

    assert!(!house.control.refresh_soon(Some("none of that name")));
    assert!(house.control.refresh_soon(Some("ads")));
    changes.wait_for(|number| *number == 3).await.unwrap();
    assert_eq!(house.blocked("one.example two.example"), "two.example");

    house.control.stop();
    task.await.unwrap();
}

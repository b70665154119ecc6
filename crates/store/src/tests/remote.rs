//! Segments in a remote store: sent, searched, dropped and verified there, whatever the far end does.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::house::{segments_at, this_hour};
use super::*;
use crate::remote::Patience;
use crate::segment::HOUR_MICROS;

/// How the far end is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Good,
    /// Every request is refused.
    Fails,
    /// No request is answered.
    Hangs,
    /// Half of what is sent arrives.
    Cuts,
}

/// A store in memory, in a mood.
#[derive(Debug)]
struct Far {
    objects: InMemory,
    mood: Mutex<Mood>,
    reads: AtomicU64,
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("far")
    }
}

impl Far {
    fn new() -> Arc<Far> {
        Arc::new(Far { objects: InMemory::new(), mood: Mutex::new(Mood::Good), reads: AtomicU64::new(0) })
    }

    fn is(&self, mood: Mood) {
        *lock(&self.mood) = mood;
    }

    async fn mood(&self) -> Result<Mood> {
        let mood = *lock(&self.mood);
        match mood {
            Mood::Fails => Err(Error::Generic { store: "far", source: "connection refused".into() }),
            Mood::Hangs => std::future::pending().await,
            Mood::Good | Mood::Cuts => Ok(mood),
        }
    }

    /// Names of all objects but the owner's, from the place on.
    fn names(&self) -> Vec<String> {
        let all = wait(self.objects.list(None).try_collect::<Vec<_>>()).unwrap();
        let names = all.iter().map(|object| object.location.as_ref().strip_prefix("logs/").unwrap().to_owned());
        let mut names: Vec<String> = names.filter(|name| name != "owner").collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Bytes {
        wait(async { self.objects.get(&Location::from(format!("logs/{name}"))).await?.bytes().await }).unwrap()
    }

    fn write(&self, name: &str, bytes: impl Into<Bytes>) {
        wait(self.objects.put(&Location::from(format!("logs/{name}")), bytes.into().into())).unwrap();
    }

    fn remove(&self, name: &str) {
        wait(self.objects.delete(&Location::from(format!("logs/{name}")))).unwrap();
    }

    fn remote(self: &Arc<Far>, owner: &str) -> Arc<Remote> {
        self.remote_waiting(owner, Duration::from_secs(60))
    }

    fn remote_waiting(self: &Arc<Far>, owner: &str, answer: Duration) -> Arc<Remote> {
        let patience = Patience { answer, put: answer };
        Arc::new(Remote::of_test(Arc::clone(self) as _, Duration::from_secs(2 * 3_600), owner, patience))
    }
}

#[async_trait]
impl ObjectStore for Far {
    async fn put_opts(&self, location: &Location, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mood = self.mood().await?;
        let bytes = Bytes::from(payload);
        let cut = mood == Mood::Cuts && !location.as_ref().ends_with("owner");
        let bytes = if cut { bytes.slice(..bytes.len() / 2) } else { bytes };
        self.objects.put_opts(location, bytes.into(), options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Location,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Location, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, SeqCst);
        self.mood().await?;
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Location>>) -> BoxStream<'static, Result<Location>> {
        match *lock(&self.mood) {
            Mood::Good | Mood::Cuts => self.objects.delete_stream(locations),
            Mood::Fails => stream::iter([Err(Error::Generic { store: "far", source: "refused".into() })]).boxed(),
            Mood::Hangs => stream::pending().boxed(),
        }
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, Result<ObjectMeta>> {
        match *lock(&self.mood) {
            Mood::Good | Mood::Cuts => self.objects.list(prefix),
            Mood::Fails => stream::iter([Err(Error::Generic { store: "far", source: "refused".into() })]).boxed(),
            Mood::Hangs => stream::pending().boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Location, to: &Location, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn open_with(folder: &Path, remote: &Arc<Remote>) -> (Store, Opened) {
    let settings = Settings { remote: Some(Arc::clone(remote)), ..settings(folder) };
    Store::open_on(Disk::default(), Duration::from_millis(1), settings).unwrap()
}

fn remote_of(store: &Store) -> RemoteStatus {
    store.status().remote.unwrap()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        breathe();
    }
}

/// A log of three segments of 100 events, two of them in the remote store, and their hours.
fn sent(folder: &Path, far: &Arc<Far>) -> (Store, [i64; 3]) {
    let now = this_hour();
    let hours = [now - 57, now - 33, now - 1];
    segments_at(folder, &hours);
    let (store, opened) = open_with(folder, &far.remote("this log"));
    assert_eq!(opened.notes, Vec::<String>::new());
    until("sent", || remote_of(&store).segments == 2 && files(folder, "parquet").len() == 1);
    (store, hours)
}

/// The numbers of events a search of these hours finds.
fn between(store: &Store, from_hour: i64, to_hour: i64) -> datafusion::error::Result<usize> {
    let at = |hour: i64| {
        let micros =
            datafusion::scalar::ScalarValue::TimestampMicrosecond(Some(hour * HOUR_MICROS), Some("UTC".into()));
        datafusion::prelude::lit(micros)
    };
    let found = searches::collect_table(store.table(), |frame| {
        frame.filter(datafusion::prelude::col("time").between(at(from_hour), at(to_hour))).unwrap()
    })?;
    Ok(found.iter().map(RecordBatch::num_rows).sum())
}

#[test]
fn settled_segments_go_are_searched_there_and_dropped_there() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, hours) = sent(folder.path(), &far);
    let status = remote_of(&store);
    assert_eq!((status.rows, status.waiting, status.loose, status.fault), (200, 0, 0, None));
    assert_eq!((status.url.as_deref(), far.names().len()), (Some("s3://test/logs"), 2));
    assert_eq!((store.health().segments, store.health().rows), (3, 300));
    assert!(store.health().bytes > 0 && status.bytes > 0);

    let rows = all(&store);
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
    let reads = far.reads.load(SeqCst);
    assert!(reads > 0);
    assert_eq!(between(&store, hours[2], hours[2] + 1).unwrap(), 100);
    assert_eq!(far.reads.load(SeqCst), reads, "nothing there is read for what is here");
    drop(store);

    let (store, opened) = open_with(folder.path(), &far.remote("another name is not taken"));
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(far.reads.load(SeqCst), reads, "opening asks nobody");
    assert_eq!(all(&store), rows);

    store.set_retention(Some(Duration::from_secs(40 * 3_600)), None);
    until("one is dropped", || far.names().len() == 1 && remote_of(&store).loose == 0);
    assert_eq!(all(&store), rows[100..]);
    assert_eq!(store.status().purged, 100);
}

#[test]
fn an_object_stays_while_a_reader_holds_its_segment() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    let table = store.table();
    store.set_retention(Some(Duration::from_secs(5 * 3_600)), None);
    wait_until(&store, |health| health.segments == 1);
    // The segment thread has been round since, and ordered what there was to order.
    (0..3).for_each(|_| drop(store.manifest()));
    assert_eq!(remote_of(&store).loose, 2);
    let rows = searches::collect_table(table, |frame| frame).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 300);
    // The table went with the search.
    until("objects are deleted", || far.names().is_empty() && remote_of(&store).loose == 0);
}

#[test]
fn a_reader_of_before_keeps_the_file_here() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let now = this_hour();
    segments_at(folder.path(), &[now - 57]);
    let table = {
        far.is(Mood::Fails);
        let (store, _) = open_with(folder.path(), &far.remote("this log"));
        let table = store.table();
        far.is(Mood::Good);
        until("sent", || remote_of(&store).segments == 1);
        assert_eq!(files(folder.path(), "parquet").len(), 1, "a table holds it");
        assert_eq!(all(&store).len(), 100);
        table
    };
    assert_eq!(searches::collect_table(table, |frame| frame).unwrap().len(), 1);
    assert_eq!(files(folder.path(), "parquet").len(), 0);
}

#[test]
fn a_far_end_that_is_down_costs_room_here_and_no_more() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let now = this_hour();
    segments_at(folder.path(), &[now - 57, now - 33]);
    for mood in [Mood::Fails, Mood::Hangs, Mood::Cuts] {
        far.is(mood);
        let (store, _) = open_with(folder.path(), &far.remote_waiting("this log", Duration::from_millis(20)));
        until("it is said", || store.health().remote_fault.is_some());
        let status = remote_of(&store);
        assert_eq!((status.segments, status.waiting), (0, 2), "{mood:?}");
        assert!(status.fault.unwrap().contains("s3://test/logs/"), "{mood:?}");
        assert_eq!(all(&store).len(), 200);
        assert_eq!(store.health().stopped, None);
    }
    far.is(Mood::Good);
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("sent", || remote_of(&store).segments == 2);
    assert_eq!((all(&store).len(), remote_of(&store).fault), (200, None));
}

#[test]
fn a_search_that_the_far_end_fails_says_so_and_names_the_object() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, hours) = sent(folder.path(), &far);
    drop(store);
    let (store, _) = open_with(folder.path(), &far.remote_waiting("this log", Duration::from_millis(20)));
    let name = far.names()[0].clone();
    let check = |why: &str| {
        let error = between(&store, hours[0], hours[0] + 1).unwrap_err();
        let told = remote_fault(&error).unwrap_or_else(|| panic!("{error}"));
        assert!(told.contains(&format!("s3://test/logs/{name}")) && told.contains(why), "{told}");
        assert_eq!(between(&store, hours[2], hours[2] + 1).unwrap(), 100, "what is here is searched");
    };
    far.is(Mood::Fails);
    check("connection refused");
    far.is(Mood::Hangs);
    check("no answer within 20 ms");
    far.is(Mood::Good);
    let object = far.read(&name);
    far.remove(&name);
    check("missing");
    far.write(&name, object);
    assert_eq!(between(&store, hours[0], hours[0] + 1).unwrap(), 100);
}

#[test]
fn a_crash_around_sending_loses_nothing_and_leaves_nothing() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let now = this_hour();
    segments_at(folder.path(), &[now - 57, now - 33, now - 1]);
    let before = crash_image(folder.path());
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("sent", || remote_of(&store).segments == 2 && remote_of(&store).loose == 0);
    let rows = all(&store);
    store.close();
    drop(store);
    let names = far.names();

    // The objects are there, and the manifest does not say so.
    let (store, _) = open_with(before.path(), &far.remote("this log"));
    until("sent again", || remote_of(&store).segments == 2);
    assert_eq!((all(&store), far.names()), (rows.clone(), names.clone()));
    drop(store);

    // The manifest says so, and the files are still here.
    let image = crash_image(folder.path());
    let mut manifest = manifest::load(image.path()).unwrap();
    for name in &names {
        let file = image.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, far.read(name)).unwrap();
        manifest.removed.push(name.strip_prefix("segments/").unwrap().to_owned());
    }
    manifest.save(&Disk::default(), image.path()).unwrap();
    let (store, opened) = open_with(image.path(), &far.remote("this log"));
    assert_eq!((opened.notes, all(&store)), (Vec::new(), rows));
    assert_eq!(files(image.path(), "parquet").len(), 1);
    store.close();
    drop(store);

    // A segment was dropped, and its object is still there.
    let mut manifest = manifest::load(image.path()).unwrap();
    let gone = manifest.segments.iter().position(|entry| entry.remote).unwrap();
    let gone = manifest.segments.remove(gone);
    manifest.remote.as_mut().unwrap().loose.push(gone.file);
    manifest.save(&Disk::default(), image.path()).unwrap();
    let (store, _) = open_with(image.path(), &far.remote("this log"));
    until("deleted", || far.names().len() == 1 && remote_of(&store).loose == 0);
    assert_eq!(all(&store).len(), 200);
}

#[test]
fn another_object_of_the_same_name_is_left_alone() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    segments_at(folder.path(), &[this_hour() - 57]);
    let file = only_file(folder.path(), "parquet");
    let name = file.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
    far.write(&name, "of somebody else");
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("it is said", || remote_of(&store).fault.is_some_and(|fault| fault.contains("there already")));
    assert_eq!(far.read(&name), "of somebody else");
    assert_eq!((all(&store).len(), remote_of(&store).segments), (100, 0));
}

#[test]
fn two_logs_do_not_share_a_place() {
    let far = Far::new();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_store, _) = sent(first.path(), &far);
    let names = far.names();
    segments_at(second.path(), &[this_hour() - 80]);
    let (other, _) = open_with(second.path(), &far.remote("other log"));
    until("it is said", || remote_of(&other).fault.is_some_and(|fault| fault.contains("another log owns this place")));
    assert_eq!((far.names(), all(&other).len()), (names, 100));
}

#[test]
fn a_place_without_the_segments_is_refused() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    drop(store);
    let empty = Far::new();
    segments_at(folder.path(), &[this_hour() - 81]);
    let (store, _) = open_with(folder.path(), &empty.remote("this log"));
    until("it is said", || remote_of(&store).fault.is_some_and(|fault| fault.contains("log.remote.url")));
    assert_eq!(empty.names(), Vec::<String>::new());
}

#[test]
fn verification_reads_what_is_there_and_names_what_is_wrong() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.segments, report.segment_rows, report.remote_unread), (3, 300, 0));

    let names = far.names();
    let mut bytes = far.read(&names[0]).to_vec();
    bytes[100] ^= 1;
    far.write(&names[0], bytes);
    far.remove(&names[1]);
    far.write("segments/day=2020-01-01/hour=00/0000000001.parquet", "stranger");
    far.write("note.txt", "stranger");
    let found = |report: &Report| -> Vec<(String, FindingKind)> {
        let mut found: Vec<_> =
            report.findings.iter().map(|finding| (finding.file.display().to_string(), finding.kind)).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    };
    let report = store.verify().unwrap();
    let expect = [
        ("note.txt".to_owned(), FindingKind::Unknown),
        ("segments/day=2020-01-01/hour=00/0000000001.parquet".to_owned(), FindingKind::Unknown),
        (names[0].clone(), FindingKind::Damaged),
        (names[1].clone(), FindingKind::Missing),
    ];
    assert_eq!(found(&report), expect.map(|(name, kind)| (format!("s3://test/logs/{name}"), kind)));
    assert_eq!((report.segments, report.remote_unread), (1, 0));
    store.close();
    drop(store);

    // Nothing there is deleted for being damaged or unknown.
    assert_eq!(far.names().len(), 3);
    let report = verify(folder.path()).unwrap();
    assert!(report.is_good());
    assert_eq!((report.segments, report.remote_unread), (1, 2));

    let (store, _) = open_with(folder.path(), &far.remote_waiting("this log", Duration::from_millis(20)));
    far.is(Mood::Hangs);
    let report = store.verify().unwrap();
    assert_eq!((report.findings.len(), report.remote_unread), (1, 2), "{:?}", report.findings);
    assert!(report.findings[0].reason.contains("no answer"));
}

#[test]
fn a_tenants_events_go_from_a_segment_there_too() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let hour = this_hour() - 57;
    let (store, _) = open(folder.path());
    let tenants = [None, Some("short"), Some("long")];
    put(
        &store,
        (0..30).map(|at| Event {
            tenant: tenants[at as usize % 3].map(Arc::from),
            ..event(at, hour * HOUR_MICROS + at as i64)
        }),
    );
    store.close();
    drop(store);
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("sent", || remote_of(&store).segments == 1);
    let before = far.names();
    let reads = far.reads.load(SeqCst);
    store.set_keep_tenants(vec![("other".into(), Duration::from_secs(3_600))]);
    store.compact().unwrap();
    assert_eq!(far.reads.load(SeqCst), reads, "the rollup says that it holds none of them");
    store.set_keep_tenants(vec![("short".into(), Duration::from_secs(5 * 3_600))]);
    until("written anew and sent again", || {
        store.health().rows == 20 && remote_of(&store).segments == 1 && remote_of(&store).loose == 0
    });
    let after = far.names();
    assert!(after.len() == 1 && after != before, "{after:?}");
    assert!(all(&store).iter().all(|row| row.tenant.as_deref() != Some("short")));
    assert_eq!(store.status().purged, 10);
    assert!(store.verify().unwrap().is_good());
    until("nothing fetched is left", || files(folder.path(), "parquet").is_empty());
}

#[test]
fn a_missing_rollup_of_a_segment_there_is_made_again() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    drop(store);
    let rollup = folder.path().join("rollups").join(far.names()[0].strip_prefix("segments/").unwrap());
    let good = std::fs::read(&rollup).unwrap();
    std::fs::remove_file(&rollup).unwrap();
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("made again", || std::fs::read(&rollup).is_ok_and(|made| made.len() == good.len()));
    until("nothing fetched is left", || files(folder.path(), "parquet").len() == 1);
    assert_eq!(all(&store).len(), 300);
}

#[test]
fn a_damaged_object_is_not_worked_on_and_stays_in_the_log() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    drop(store);
    let name = far.names()[0].clone();
    far.write(&name, "no segment");
    std::fs::remove_file(folder.path().join("rollups").join(name.strip_prefix("segments/").unwrap())).unwrap();
    let (store, _) = open_with(folder.path(), &far.remote("this log"));
    until("it is said", || remote_of(&store).fault.is_some_and(|fault| fault.contains(&name)));
    assert_eq!((store.health().segments, store.health().set_aside), (3, 0));
    assert_eq!(far.read(&name), "no segment");
}

#[test]
fn without_the_setting_only_searches_of_what_is_there_fail() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, hours) = sent(folder.path(), &far);
    drop(store);
    let (store, opened) = open(folder.path());
    assert!(opened.notes.len() == 1 && opened.notes[0].contains("log.remote.url is not set"), "{:?}", opened.notes);
    let told = remote_fault(&between(&store, hours[0], hours[1]).unwrap_err()).unwrap();
    assert!(told.contains("log.remote.url") && told.contains("segments/day="), "{told}");
    assert_eq!(between(&store, hours[2], hours[2] + 1).unwrap(), 100);
    assert_eq!((remote_of(&store).url, remote_of(&store).segments), (None, 2));
    // Their time is over all the same, and the objects go when somebody says again where they are.
    store.set_retention(Some(Duration::from_secs(5 * 3_600)), None);
    wait_until(&store, |health| health.segments == 1);
    assert_eq!(far.names().len(), 2);
    drop(store);
    let (_store, opened) = open_with(folder.path(), &far.remote("this log"));
    assert_eq!(opened.notes, Vec::<String>::new());
    until("deleted", || far.names().is_empty());
}

#[test]
fn a_lost_manifest_costs_no_object() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    let (store, _) = sent(folder.path(), &far);
    drop(store);
    let names = far.names();
    std::fs::write(folder.path().join("manifest"), "nothing").unwrap();
    let (store, opened) = open_with(folder.path(), &far.remote("a new name"));
    assert!(opened.notes.iter().any(|note| note.contains("s3://test/logs are not known")), "{:?}", opened.notes);
    assert_eq!(all(&store).len(), 100);
    put(&store, [event(0, (this_hour() - 57) * HOUR_MICROS)]);
    store.close();
    drop(store);
    let (store, _) = open_with(folder.path(), &far.remote("a new name"));
    until("it is said", || remote_of(&store).fault.is_some_and(|fault| fault.contains("another log owns")));
    assert_eq!(far.names(), names);
}

#[test]
fn closing_does_not_wait_for_the_far_end() {
    let (folder, far) = (tempfile::tempdir().unwrap(), Far::new());
    segments_at(folder.path(), &[this_hour() - 57]);
    far.is(Mood::Hangs);
    let (store, _) = open_with(folder.path(), &far.remote_waiting("this log", Duration::from_secs(100_000)));
    until("asked", || far.reads.load(SeqCst) > 0);
    store.close();
    drop(store);
    assert_eq!(all(&open(folder.path()).0).len(), 100);
}

//! The remote store: an object store that holds settled segments in the place of the local disk.
//!
//! Only segments go there, each as one object that is never written twice; WAL, live rows, manifest and rollups stay in the
//! folder, so nothing that answers or counts waits for a network. Every request goes over one thread of its own, each
//! with a limit of time. What is there is said by the manifest alone: listing serves to find what should not be there.
//!
//! Knows objects; what becomes of a segment is for the segment thread to decide.

mod keep;
mod patient;
mod place;
mod shipper;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig, local::LocalFileSystem,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::live::lock;
use crate::segment::{self, Segment};
use patient::Patient;

pub(crate) use keep::Keeper;
pub(crate) use patient::SAYS;
pub use place::Place;
pub(crate) use shipper::{Order, Outcome, Shipped, run};

/// Folder of objects that were fetched to be worked on, inside the log folder. Emptied at start.
pub(crate) const FETCHED: &str = "fetched";
/// Object that says whose the place is.
pub(crate) const OWNER: &str = "owner";
/// Largest such object that is read, bytes.
const OWNER_BYTES_MAX: u64 = 1 << 10;
const OWNER_PREFIX: &str = "nameward log ";
/// Where the engine that searches knows the remote store by; one per process that searches a log.
const ENGINE_URL: &str = "nameward-remote://log";

/// How long is waited for one answer, and for the next part of one.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long one segment may take to be sent.
const PUT_WITHIN: Duration = Duration::from_secs(600);
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How often a request is sent again when the far end says that it is busy.
const RETRIES_MAX: usize = 2;

/// Limits of time for requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one answer, and for the next part of one.
    pub(crate) answer: Duration,
    /// For one segment to be sent.
    pub(crate) put: Duration,
}

/// How the far end of an `s3://` place is spoken to.
#[derive(Clone, Default)]
pub struct Access {
    /// Its address, where it is not Amazon's of the region.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Name and secret of the key; `None`: the role of the machine.
    pub key: Option<(String, String)>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("endpoint", &self.endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

/// What of the manifest is about the remote store.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What the owner object must say for the place to be ours.
    pub(crate) owner: String,
    /// Files whose objects are or may be there, and that no segment stands for any more, or not yet.
    pub(crate) loose: Vec<String>,
}

/// A remote store, and which segments go there.
pub struct Remote {
    shown: String,
    keep_local: Duration,
    /// The owner's name of a log that has none yet.
    fresh_owner: String,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    /// Why the last request failed; `None` after one that did not.
    fault: Mutex<Option<String>>,
    runtime: Option<Runtime>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.shown).field("keep_local", &self.keep_local).finish_non_exhaustive()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // The last one may go on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Remote {
    /// Makes ready to use a place; asks nobody yet. Segments whose newest event is older than `keep_local` go there. A log that
    /// never used one signs the place with `fresh_owner`: random text.
    ///
    /// # Errors
    /// Says which part of `access` cannot be.
    pub fn new(place: &Place, access: &Access, keep_local: Duration, fresh_owner: String) -> io::Result<Remote> {
        let runtime = runtime()?;
        let (store, prefix): (Arc<dyn ObjectStore>, _) = match place {
            Place::S3 { bucket, prefix } => {
                (Arc::new(s3(bucket, access, runtime.handle())?), Path::from(prefix.as_str()))
            }
            Place::Folder(folder) => {
                let prefix = Path::from_absolute_path(folder).map_err(io::Error::other)?;
                (Arc::new(LocalFileSystem::new()), prefix)
            }
        };
        let patience = Patience { answer: ANSWER_WITHIN, put: PUT_WITHIN };
        Ok(Remote::over(place.to_string(), store, prefix, keep_local, fresh_owner, patience, runtime))
    }

    fn over(
        shown: String,
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        keep_local: Duration,
        fresh_owner: String,
        patience: Patience,
        runtime: Runtime,
    ) -> Remote {
        let store = Arc::new(Patient::new(store, shown.clone(), prefix.clone(), patience));
        let (fault, runtime) = (Mutex::default(), Some(runtime));
        Remote { shown, keep_local, fresh_owner, prefix, store, fault, runtime }
    }

    /// Any store, for tests.
    #[cfg(test)]
    pub(crate) fn of_test(
        store: Arc<dyn ObjectStore>,
        keep_local: Duration,
        owner: &str,
        patience: Patience,
    ) -> Remote {
        let (shown, prefix) = ("s3://test/logs".to_owned(), Path::from("logs"));
        Remote::over(shown, store, prefix, keep_local, owner.to_owned(), patience, runtime().unwrap())
    }

    /// Where it is, as shown.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn keep_local(&self) -> Duration {
        self.keep_local
    }

    /// What searches read it through, and the name they know it by.
    pub(crate) fn store(&self) -> (ObjectStoreUrl, Arc<dyn ObjectStore>) {
        #[expect(clippy::expect_used, reason = "a constant that is a URL")]
        let url = ObjectStoreUrl::parse(ENGINE_URL).expect("it is a URL");
        (url, Arc::clone(&self.store))
    }

    /// Where the object of a segment file is.
    pub(crate) fn location(&self, file: &str) -> Path {
        file.split('/').fold(self.prefix.clone().join(segment::FOLDER), |path, part| path.join(part))
    }

    /// What an operator calls the object of a segment file.
    pub(crate) fn name_of(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.shown, segment::FOLDER)
    }

    pub(crate) fn fault(&self) -> Option<String> {
        lock(&self.fault).clone()
    }

    /// Notes what came of a request; whether the fault is another than before.
    fn note(&self, fault: Option<&str>) -> bool {
        let mut last = lock(&self.fault);
        let new = last.as_deref() != fault;
        *last = fault.map(str::to_owned);
        new
    }

    /// Waits for work on the network. Not for an async thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        // There is one until it is dropped.
        let runtime = self.runtime.as_ref().ok_or_else(|| io::Error::other("the remote store is closed"))?;
        Ok(runtime.handle().block_on(work))
    }

    /// Makes sure that the place is ours; takes it when it is nobody's and `may_take`.
    async fn claim(&self, owner: &str, may_take: bool) -> Result<(), String> {
        let object = self.prefix.clone().join(OWNER);
        let ours = format!("{OWNER_PREFIX}{owner}\n");
        for _ in 0..2 {
            match self.small(&object).await {
                Ok(said) if said == ours.as_bytes() => return Ok(()),
                Ok(_) => {
                    return Err(format!(
                        "{}/{OWNER} says that another log owns this place: give each log its own",
                        self.shown
                    ));
                }
                Err(Error::NotFound { .. }) if may_take => {
                    let payload = PutPayload::from(ours.clone());
                    match self.store.put_opts(&object, payload, PutMode::Create.into()).await {
                        Ok(_) => return Ok(()),
                        // Somebody was quicker: look who.
                        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                        Err(error) => return Err(text(&error)),
                    }
                }
                Err(Error::NotFound { .. }) => {
                    return Err(format!(
                        "{} is not where the segments of this log are: there is no {OWNER} in it. Set log.remote.url back, or copy \
                         all objects here first",
                        self.shown
                    ));
                }
                Err(error) => return Err(text(&error)),
            }
        }
        Err(format!("{}/{OWNER} comes and goes", self.shown))
    }

    async fn small(&self, object: &Path) -> Result<Vec<u8>, Error> {
        let found = self.store.get(object).await?;
        if found.meta.size > OWNER_BYTES_MAX {
            return Ok(Vec::new());
        }
        Ok(found.bytes().await?.into())
    }

    /// Sends the bytes of a segment and looks whether they are there. An object that is there already must have the same.
    async fn put(&self, segment: &Segment, bytes: Bytes) -> Result<(), String> {
        let object = self.location(&segment.entry.file);
        match self.store.put_opts(&object, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) => {}
            // From before a crash, or from an attempt whose answer did not come.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => match self.check(segment).await {
                Ok(_) => return Ok(()),
                Err(Unlike::Differs(reason)) => {
                    let name = self.name_of(&segment.entry.file);
                    return Err(format!("{name} is there already and is not what this log would put there: {reason}"));
                }
                Err(Unlike::Missing) => return Err("an object that was there is gone".to_owned()),
                Err(Unlike::Unread(reason)) => return Err(reason),
            },
            Err(error) => return Err(text(&error)),
        }
        let size = self.store.head(&object).await.map_err(|error| text(&error))?.size;
        if size == segment.entry.bytes {
            return Ok(());
        }
        // It is ours and is of no use; left there, it would be in the way of the next attempt.
        let _ = self.delete(&segment.entry.file).await;
        let name = self.name_of(&segment.entry.file);
        Err(format!("{name} has {size} bytes after {} were sent", segment.entry.bytes))
    }

    /// Deletes an object; one that is not there is deleted.
    async fn delete(&self, file: &str) -> Result<(), String> {
        match self.store.delete(&self.location(file)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(text(&error)),
        }
    }

    /// Brings an object here, to where its segment looks for it. Only one that is whole is put there.
    async fn fetch(&self, segment: &Segment) -> Result<(), String> {
        let aside = segment.path.with_extension(crate::disk::TEMP_EXTENSION);
        let fetched = self.fetch_to(segment, &aside).await;
        if fetched.is_err() {
            let _ = std::fs::remove_file(&aside);
        }
        fetched
    }

    async fn fetch_to(&self, segment: &Segment, aside: &FilePath) -> Result<(), String> {
        use std::io::Write as _;
        let local = |error: io::Error| format!("{}: {error}", aside.display());
        if let Some(folder) = aside.parent() {
            std::fs::create_dir_all(folder).map_err(local)?;
        }
        let mut file = std::fs::File::create(aside).map_err(local)?;
        let mut failed = None;
        let read = self.read(segment, |bytes| {
            if failed.is_none() {
                failed = file.write_all(bytes).err();
            }
        });
        read.await.map_err(|unlike| self.told(&segment.entry.file, &unlike))?;
        match failed {
            Some(error) => Err(local(error)),
            None => std::fs::rename(aside, &segment.path).map_err(local),
        }
    }

    /// Reads an object whole and holds it against the manifest; its size.
    pub(crate) async fn check(&self, segment: &Segment) -> Result<u64, Unlike> {
        self.read(segment, |_| ()).await
    }

    async fn read(&self, segment: &Segment, mut each: impl FnMut(&[u8])) -> Result<u64, Unlike> {
        let found = match self.store.get(&self.location(&segment.entry.file)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Err(Unlike::Missing),
            Err(error) => return Err(Unlike::Unread(text(&error))),
        };
        let sized = |bytes: u64| {
            let wrong = || Unlike::Differs(format!("it has {bytes} bytes instead of {}", segment.entry.bytes));
            (bytes == segment.entry.bytes).then_some(()).ok_or_else(wrong)
        };
        sized(found.meta.size)?;
        let (mut bytes, mut crc) = (0, crc32fast::Hasher::new());
        let mut parts = GetResult::into_stream(found);
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| Unlike::Unread(text(&error)))?;
            bytes += part.len() as u64;
            crc.update(&part);
            each(&part);
            if bytes > segment.entry.bytes {
                break;
            }
        }
        sized(bytes)?;
        if crc.finalize() == segment.entry.crc {
            Ok(bytes)
        } else {
            Err(Unlike::Differs("its checksum is wrong".to_owned()))
        }
    }

    /// What is wrong with an object, for an operator.
    pub(crate) fn told(&self, file: &str, unlike: &Unlike) -> String {
        match unlike {
            Unlike::Missing => format!("{} is missing", self.name_of(file)),
            Unlike::Differs(reason) => format!("{} is damaged: {reason}", self.name_of(file)),
            Unlike::Unread(reason) => reason.clone(),
        }
    }

    /// Calls `each` with the name of every object of the place, from the place on.
    pub(crate) async fn list(&self, mut each: impl FnMut(&str)) -> Result<(), String> {
        let mut objects = self.store.list(Some(&self.prefix));
        while let Some(object) = objects.next().await {
            let ObjectMeta { location, .. } = object.map_err(|error| text(&error))?;
            let inside = location.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(location.as_ref());
            each(inside.trim_start_matches('/'));
        }
        Ok(())
    }
}

/// How an object is not what the manifest says.
#[derive(Debug)]
pub(crate) enum Unlike {
    /// It is not there.
    Missing,
    /// Its bytes are others.
    Differs(String),
    /// It could not be read, which says nothing of it.
    Unread(String),
}

fn text(error: &Error) -> String {
    // `Patient` put what happened into a text of our own; the rest is what the library calls it.
    let text = error.to_string();
    text.find(SAYS).map_or_else(|| text.clone(), |at| text[at..].to_owned())
}

/// What a remote store did not do, when that is why the engine failed. By text: of a footer that could not be read the engine
/// keeps nothing else.
#[must_use]
pub fn remote_fault(error: &DataFusionError) -> Option<String> {
    let text = error.to_string();
    text.find(SAYS).map(|at| text[at..].to_owned())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("log-remote").enable_all().build()
}

fn s3(bucket: &str, access: &Access, handle: &Handle) -> io::Result<impl ObjectStore> {
    let options = ClientOptions::new().with_timeout(PUT_WITHIN).with_connect_timeout(CONNECT_WITHIN);
    let retry =
        RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES_MAX, retry_timeout: ANSWER_WITHIN };
    // All connections belong to the one thread, whoever asks: a connection dies with the runtime it was made on.
    let mut builder = AmazonS3Builder::new()
        .with_http_connector(SpawnedReqwestConnector::new(handle.clone()))
        .with_bucket_name(bucket)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(region) = &access.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &access.endpoint {
        let http = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint).with_allow_http(http);
    }
    if let Some((id, secret)) = &access.key {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
    }
    builder.build().map_err(io::Error::other)
}

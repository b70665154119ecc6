//! An object store whose requests end in time, and whose errors say which object of which place is meant.
//!
//! Engine and library wrap an error in texts of their own and do not always keep its type, so what we say begins with words
//! that can be found again.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Patience;

/// How every text begins that says what a remote store did not do.
pub(crate) const SAYS: &str = "the remote store ";
/// Longest reason that is repeated, characters: far ends send pages.
const REASON_CHARS_MAX: usize = 300;

#[derive(Debug)]
pub(super) struct Patient {
    inner: Arc<dyn ObjectStore>,
    teller: Teller,
    patience: Patience,
}

/// Words an error.
#[derive(Clone, Debug)]
struct Teller {
    shown: Arc<str>,
    prefix: Path,
}

/// What a remote store did not do.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

impl Teller {
    fn object(&self, location: &Path) -> String {
        let inside = location.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(location.as_ref());
        format!("{}/{}", self.shown, inside.trim_start_matches('/'))
    }

    /// The same error about the same object, in our words.
    fn told(&self, location: &Path, error: Error) -> Error {
        let object = self.object(location);
        let says = |reason: &str| {
            // Whatever the far end wrote, nothing in it speaks to a terminal.
            let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            Box::new(Told(format!("{SAYS}failed at {object}: {}", reason.take(REASON_CHARS_MAX).collect::<String>())))
        };
        let path = location.to_string();
        match error {
            Error::NotFound { .. } => Error::NotFound { path, source: says("it is missing") },
            Error::AlreadyExists { .. } => Error::AlreadyExists { path, source: says("it is there already") },
            Error::Precondition { .. } => Error::Precondition { path, source: says("it is there already") },
            other => Error::Generic { store: "remote", source: says(&chain(&other)) },
        }
    }

    fn late(&self, location: &Path, within: Duration) -> Error {
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        let source = Box::new(Told(format!("no answer within {} ms ({late})", within.as_millis())));
        self.told(location, Error::Generic { store: "remote", source })
    }
}

/// The innermost reason last: libraries wrap "connection refused" three times.
fn chain(error: &Error) -> String {
    let mut text = match error {
        Error::Generic { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    let mut source = std::error::Error::source(error).and_then(std::error::Error::source);
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = inner.source();
    }
    text
}

impl Patient {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, shown: String, prefix: Path, patience: Patience) -> Patient {
        Patient { inner, teller: Teller { shown: shown.into(), prefix }, patience }
    }

    async fn within<T>(
        &self,
        within: Duration,
        location: &Path,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match tokio::time::timeout(within, work).await {
            Ok(done) => done.map_err(|error| self.teller.told(location, error)),
            Err(_) => Err(self.teller.late(location, within)),
        }
    }

    /// A stream each part of which comes in time, or an error in its place and no more.
    fn patient<T: Send + 'static>(
        &self,
        location: &Path,
        parts: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let (teller, location, within) = (self.teller.clone(), location.clone(), self.patience.answer);
        let start = Some(parts);
        stream::unfold(start, move |parts| {
            let (teller, location) = (teller.clone(), location.clone());
            async move {
                let mut parts = parts?;
                match tokio::time::timeout(within, parts.next()).await {
                    Ok(None) => None,
                    Ok(Some(Ok(part))) => Some((Ok(part), Some(parts))),
                    Ok(Some(Err(error))) => Some((Err(teller.told(&location, error)), None)),
                    Err(_) => Some((Err(teller.late(&location, within)), None)),
                }
            }
        })
        .boxed()
    }
}

impl fmt::Display for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.teller.shown)
    }
}

#[async_trait]
impl ObjectStore for Patient {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.within(self.patience.put, location, self.inner.put_opts(location, payload, options)).await {
            // What is missing is what it should be put into.
            Err(Error::NotFound { .. }) => {
                let source = Box::new(Told("there is no such bucket or folder".to_owned()));
                Err(self.teller.told(location, Error::Generic { store: "remote", source }))
            }
            done => done,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.within(self.patience.answer, location, self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.within(self.patience.answer, location, self.inner.get_opts(location, options)).await?;
        if let GetResultPayload::Stream(parts) = found.payload {
            found.payload = GetResultPayload::Stream(self.patient::<Bytes>(location, parts));
        }
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let place = self.teller.prefix.clone();
        self.patient(&place, self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let place = prefix.unwrap_or(&self.teller.prefix).clone();
        self.patient(&place, self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let place = prefix.unwrap_or(&self.teller.prefix).clone();
        self.within(self.patience.answer, &place, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.within(self.patience.answer, to, self.inner.copy_opts(from, to, options)).await
    }
}

//! Octets of a file or stream: unpacked where they are gzip, counted as they were read, with the first of them at hand.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use flate2::read::MultiGzDecoder;

/// Octets looked at to tell the format.
pub(crate) const HEAD_LEN: usize = 64 * 1024;
/// What gzip may make of its input: so many octets in any case, beyond them so many times what was read. Logs stay far below;
/// what does not is made to fill machines.
const INFLATED_FREE: u64 = 64 << 20;
const INFLATED_TIMES_MAX: u64 = 300;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where octets come from.
pub(crate) struct Input {
    /// The first of them, unpacked.
    pub(crate) head: Vec<u8>,
    /// All of them, unpacked, the head included.
    pub(crate) read: Box<dyn Read + Send>,
    /// Octets read so far, as they are in the file.
    pub(crate) done: Arc<AtomicU64>,
    /// Octets of the file; `None` for a stream.
    pub(crate) total: Option<u64>,
    /// When the file was written last, microseconds since the epoch.
    pub(crate) modified_micros: Option<i64>,
    /// Why it cannot be read on.
    pub(crate) fault: Fault,
}

/// Why octets do not come any more, though there should be more of them: the disk, the line, gzip that is cut or damaged. Set
/// once, by whoever reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<String>>);

impl Fault {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Input {
    pub(crate) fn open(path: &Path) -> io::Result<Input> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder; name the files in it"));
        }
        let modified = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let mut input = Input::from_read(Box::new(file))?;
        input.total = about.is_file().then_some(about.len());
        input.modified_micros = modified.and_then(|since| i64::try_from(since.as_micros()).ok());
        Ok(input)
    }

    pub(crate) fn from_read(read: Box<dyn Read + Send>) -> io::Result<Input> {
        let done = Arc::new(AtomicU64::new(0));
        let mut read: Box<dyn Read + Send> = Box::new(Counted { read, done: Arc::clone(&done) });
        let mut head = Vec::new();
        let mut taken = take_head(&mut read, GZIP_MAGIC.len(), &mut head);
        if head == GZIP_MAGIC {
            let packed = Cursor::new(std::mem::take(&mut head)).chain(read);
            read = Box::new(Inflated { read: MultiGzDecoder::new(packed), made: 0, done: Arc::clone(&done) });
        }
        if taken.is_ok() {
            taken = take_head(&mut read, HEAD_LEN - head.len(), &mut head);
        }
        match taken {
            Err(error) if head.is_empty() => return Err(error),
            // What came before is read; then the fault is met, which many readers give only once.
            Err(error) => read = Box::new(Broken(Some(error))),
            Ok(()) => {}
        }
        let fault = Fault::default();
        let read = Box::new(Cursor::new(head.clone()).chain(read));
        let read = Box::new(Watched { read, fault: fault.clone() });
        Ok(Input { head, read, done, total: None, modified_micros: None, fault })
    }
}

/// Appends the next octets, fewer only at the end and before a fault.
fn take_head(read: &mut dyn Read, len: usize, head: &mut Vec<u8>) -> io::Result<()> {
    read.take(len as u64).read_to_end(head).map(|_| ())
}

/// What was broken when it was looked at.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Notes the first fault; nothing is read behind it.
struct Watched {
    read: Box<dyn Read + Send>,
    fault: Fault,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(reason) = self.fault.get() {
            return Err(io::Error::other(reason));
        }
        // Ends: a read that is interrupted again and again is the system's to end.
        loop {
            match self.read.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let _ = self.fault.0.set(error.to_string());
                    return Err(error);
                }
                read => return read,
            }
        }
    }
}

struct Counted {
    read: Box<dyn Read + Send>,
    done: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.read.read(buffer)?;
        self.done.fetch_add(len as u64, Relaxed);
        Ok(len)
    }
}

/// gzip, unless it makes far more of its input than logs do.
struct Inflated<R: Read> {
    read: MultiGzDecoder<R>,
    made: u64,
    done: Arc<AtomicU64>,
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.read.read(buffer)?;
        self.made += len as u64;
        let allowed = INFLATED_FREE.max(self.done.load(Relaxed).saturating_mul(INFLATED_TIMES_MAX));
        if self.made > allowed {
            let reason = format!("gzip that unpacks to more than {INFLATED_TIMES_MAX} times its size is not read on");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(len)
    }
}

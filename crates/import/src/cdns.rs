//! C-DNS (RFC 8618, version 1.0) and two of its drafts, 0.5 and 0.2: blocks of tables, and pairs of query and reply that
//! point into them.
//!
//! Of a block the tables are held, its pairs are read one by one. Messages are put together again from their parts, so that
//! they are read as all others are.

mod block;
mod pair;

use std::io::Read;

use event::Event;

use crate::cbor::{Cbor, Left};
use crate::reader::{Bad, Notes, Records};
use block::Block;

/// Block parameters kept.
const PARAMETERS_MAX: usize = 1_024;
/// Longest text read.
const TEXT_LEN_MAX: usize = 4_096;

/// What numbers the fields of maps have depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// Draft of the first tools.
    V02,
    /// Draft.
    V05,
    /// RFC 8618.
    V10,
}

/// What a block was written with.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    /// Ticks in a second.
    ticks: u64,
    /// Whether the answers of replies were kept. The drafts do not say: taken for kept.
    has_answers: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { ticks: 1_000_000, has_answers: true }
    }
}

/// Bit of the hints on pairs that says that answers of replies were kept.
const HINT_ANSWERS: u64 = 1 << 15;

/// Where in the file the reader is.
enum Place {
    Blocks,
    /// Within a block's pairs.
    Pairs(Box<Block>, Left),
    End,
}

pub(crate) struct Cdns {
    cbor: Cbor,
    version: Version,
    parameters: Vec<Parameters>,
    blocks: Left,
    place: Place,
    notes: Notes,
}

impl Cdns {
    pub(crate) fn new(read: Box<dyn Read + Send>) -> Result<Cdns, String> {
        let mut cbor = Cbor::new(read);
        let mut file = cbor.array()?;
        cbor.more(&mut file)?;
        let mut version = match cbor.text(TEXT_LEN_MAX)?.as_str() {
            "C-DNS" => Version::V10,
            "DNS-STAT" => Version::V02,
            _ => return Err("it does not say that it is".to_owned()),
        };
        cbor.more(&mut file)?;
        let parameters = preamble(&mut cbor, &mut version)?;
        cbor.more(&mut file)?;
        let blocks = cbor.array()?;
        Ok(Cdns { cbor, version, parameters, blocks, place: Place::Blocks, notes: Notes::default() })
    }

    /// Moves on. `None` while there is nothing to give yet.
    ///
    /// # Errors
    /// Why the file cannot be read on.
    fn step(&mut self) -> Result<Option<Result<Event, String>>, String> {
        let cbor = &mut self.cbor;
        self.place = match std::mem::replace(&mut self.place, Place::End) {
            Place::End => Place::End,
            Place::Blocks => {
                if cbor.more(&mut self.blocks)? {
                    match Block::begin(cbor, self.version, &self.parameters)? {
                        (block, Some(pairs)) => Place::Pairs(Box::new(block), pairs),
                        (_, None) => Place::Blocks,
                    }
                } else {
                    cbor.end();
                    Place::End
                }
            }
            Place::Pairs(mut block, mut pairs) => {
                if cbor.more(&mut pairs)? {
                    let pair = pair::Pair::read(cbor, self.version)?;
                    let event = pair.event(&block, self.version);
                    self.place = Place::Pairs(block, pairs);
                    return Ok(Some(event));
                }
                block.end(cbor, &mut self.notes)?;
                Place::Blocks
            }
        };
        Ok(None)
    }
}

impl Records for Cdns {
    fn pull(&mut self) -> Option<Result<Event, Bad>> {
        loop {
            if matches!(self.place, Place::End) {
                return None;
            }
            let given = self.step();
            let place = || format!("octet {}", self.cbor.position());
            match given {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event.map_err(|reason| Bad { place: place(), reason })),
                Err(reason) => return Some(Err(Bad { place: place(), reason })),
            }
        }
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

/// Reads the file's preamble: version and block parameters.
fn preamble(cbor: &mut Cbor, version: &mut Version) -> Result<Vec<Parameters>, String> {
    let mut all = Vec::new();
    let mut major = 1;
    let mut fields = cbor.map()?;
    while cbor.more(&mut fields)? {
        match (cbor.unsigned()?, *version) {
            (0, Version::V10) => major = cbor.unsigned()?,
            (1, Version::V10) => {
                *version = match (major, cbor.unsigned()?) {
                    (1, 0) => Version::V10,
                    (0, 5) => Version::V05,
                    (_, minor) => return Err(format!("version {major}.{minor}; 1.0, 0.5 and 0.2 are read")),
                };
            }
            (3, Version::V10) => {
                let mut parameters = cbor.array()?;
                while cbor.more(&mut parameters)? {
                    if all.len() >= PARAMETERS_MAX {
                        return Err(format!("more than {PARAMETERS_MAX} block parameters"));
                    }
                    all.push(block_parameters(cbor)?);
                }
            }
            _ => cbor.skip()?,
        }
    }
    if all.is_empty() {
        all.push(Parameters::default());
    }
    Ok(all)
}

fn block_parameters(cbor: &mut Cbor) -> Result<Parameters, String> {
    let mut parameters = Parameters { has_answers: false, ..Parameters::default() };
    let mut fields = cbor.map()?;
    while cbor.more(&mut fields)? {
        if cbor.unsigned()? != 0 {
            cbor.skip()?;
            continue;
        }
        let mut storage = cbor.map()?;
        while cbor.more(&mut storage)? {
            match cbor.unsigned()? {
                0 => parameters.ticks = cbor.unsigned()?.max(1),
                2 => {
                    let mut hints = cbor.map()?;
                    while cbor.more(&mut hints)? {
                        match cbor.unsigned()? {
                            0 => parameters.has_answers = cbor.unsigned()? & HINT_ANSWERS != 0,
                            _ => cbor.skip()?,
                        }
                    }
                }
                _ => cbor.skip()?,
            }
        }
    }
    Ok(parameters)
}

//! What we hold with authority, and who may do what with it: zones, keys, access.
//!
//! One immutable set, published by one pointer swap; the zones inside change by themselves ([`zone::Held`]).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use policy::Network;
use wire::name::Folded;
use wire::tsig::Key;
use zone::{Keeper, Zones};

/// One who may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever signs with this key.
    Key(Folded),
    /// Whoever comes from here.
    Network(Network),
}

impl Who {
    /// Whether this client, with this key if its signature was accepted, is meant.
    #[must_use]
    pub fn is(&self, client: IpAddr, key: Option<&Folded>) -> bool {
        match self {
            Who::Key(name) => key == Some(name),
            Who::Network(network) => network.contains(client),
        }
    }
}

/// Names a grant covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// The whole zone.
    Zone,
    /// Exactly this name.
    Exactly(Folded),
    /// This name and everything below it.
    Below(Folded),
    /// The name that equals the key's name.
    OwnKey,
}

/// Leave to update some names and types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub who: Who,
    /// Which names.
    pub names: Names,
    /// Which types; empty is every type but SOA, NS and DNSSEC's own (RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY).
    pub types: Vec<u16>,
}

/// Who may do what with one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who may ask, beside those who may ask for everything (`clients.allow`).
    pub query: Vec<Who>,
    /// Who may transfer it.
    pub transfer: Vec<Who>,
    /// Whose NOTIFY counts (a secondary's primaries).
    pub notify: Vec<Who>,
    /// Who may update what.
    pub update: Vec<Grant>,
}

/// TKEY as the operator has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TkeySettings {
    /// Whether keys may be made (mode 2, Diffie-Hellman). Off by default: without it every creating mode is BADMODE.
    pub create: bool,
    /// Who may speak TKEY at all, beside a client that signs with a key it wants to delete.
    pub allow: Vec<Who>,
}

/// Everything held with authority.
pub struct Authority {
    /// The zones.
    pub zones: Zones,
    /// Access by apex; none means nobody but askers.
    pub access: HashMap<Folded, Access>,
    /// Keys of the configuration.
    pub keys: Vec<Arc<Key>>,
    /// TKEY.
    pub tkey: TkeySettings,
    /// Keeps changes.
    pub keeper: Arc<dyn Keeper>,
}

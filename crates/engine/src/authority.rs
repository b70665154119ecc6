//! What we hold with authority, and who may do what with it: zones, keys, access.
//!
//! One immutable set, published by one pointer swap; the zones inside change by themselves ([`zone::Held`]).

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use policy::Network;
use wire::kind;
use wire::name::Folded;
use wire::tsig::Key;
use zone::{Delta, Keeper, Zone, Zones};

/// Types no grant covers unless it names them: the zone's own frame, and what its signer makes.
const TYPES_APART: [u16; 7] = [kind::SOA, kind::NS, kind::RRSIG, kind::NSEC, kind::DNSKEY, kind::NSEC3, NSEC3PARAM];

/// Parameters of NSEC3 (RFC 5155).
const NSEC3PARAM: u16 = 51;

/// One who may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an operator writes a handful of them")]
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

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Key(name) => write!(f, "key {name}"),
            Who::Network(network) => write!(f, "{network}"),
        }
    }
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

impl Grant {
    /// Whether it covers this name of the zone at `origin`, for a client that signed with `key`.
    #[must_use]
    pub fn covers_name(&self, name: &Folded, origin: &Folded, key: Option<&Folded>) -> bool {
        match &self.names {
            Names::Zone => name.is_at_or_below(origin),
            Names::Exactly(granted) => name == granted,
            Names::Below(granted) => name.is_at_or_below(granted),
            Names::OwnKey => key == Some(name),
        }
    }

    /// Whether it covers this type.
    #[must_use]
    pub fn covers_type(&self, rtype: u16) -> bool {
        if self.types.is_empty() { !TYPES_APART.contains(&rtype) } else { self.types.contains(&rtype) }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} may change ", self.who)?;
        match &self.names {
            Names::Zone => f.write_str("the whole zone")?,
            Names::Exactly(name) => write!(f, "{name}")?,
            Names::Below(name) => write!(f, "{name} and below")?,
            Names::OwnKey => f.write_str("its own name")?,
        }
        if !self.types.is_empty() {
            let types: Vec<_> = self.types.iter().map(|&rtype| kind::type_name(rtype)).collect();
            write!(f, " ({})", types.join(", "))?;
        }
        Ok(())
    }
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
    /// Whether keys may be made (mode 2, Diffie-Hellman). Off by default: without it every creating mode is BADMODE, or BADALG
    /// where mode 2 names an algorithm we lack.
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

impl Authority {
    /// Nothing is held and nobody may do anything.
    #[must_use]
    pub fn none() -> Authority {
        Authority {
            zones: Zones::default(),
            access: HashMap::new(),
            keys: Vec::new(),
            tkey: TkeySettings::default(),
            keeper: Arc::new(Refusing),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("zones", &self.zones).field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// Keeps nothing: for an authority without zones.
struct Refusing;

impl Keeper for Refusing {
    fn commit(&self, _origin: &Folded, _delta: &Delta, _after: &Zone) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn changed(&self, _origin: &Folded) {}

    fn notified(&self, _origin: &Folded, _serial: Option<u32>, _from: SocketAddr) {}
}

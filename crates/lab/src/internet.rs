//! The Internet itself: every server of the lab, opened on one port, started and stopped together.
//!
//! | Address | What lives there |
//! |---|---|
//! | 127.53.0.1 | the root |
//! | 127.53.1.1 and up | top-level domains, one each |
//! | 127.53.2.1 to .8 | ordinary zones, each on two of them; 10.in-addr.arpa for the office's machines |
//! | 127.53.3.1 and .2 | delivery networks |
//! | 127.53.8.1 and up | troubled zones, one each |
//! | 127.53.9.1 and .2 | the ISP's resolvers |
//! | 127.53.9.3 | a resolver that fell silent |
//!
//! Troubled zones, and what a client of the ISP's resolver gets:
//!
//! | Zone | Its servers | Through the resolver |
//! |---|---|---|
//! | `broken.example` | answer SERVFAIL | SERVFAIL, EDE 23 |
//! | `lame.example` | answer REFUSED | REFUSED, EDE 23 |
//! | `silent.example` | read and say nothing | SERVFAIL, EDE 22, late |
//! | `gone.example` | do not exist | SERVFAIL, EDE 22 |
//! | `slow.example` | answer late, each name by its own delay | the answer, late |
//! | `liar.example` | wrong id, wrong question, wrong source (203.0.113.66) | SERVFAIL, EDE 22, late |
//! | `honest.liar.example` | the same lies, then the truth (192.0.2.1) | the truth |
//! | `truncating.example` | TC on UDP whatever the size, full over TCP | the answer |
//! | `formerr.example`, `notimp.example` | answer FORMERR, NOTIMP | the same code |
//! | `explaining.example` | answer SERVFAIL with EDE 6 | SERVFAIL, EDE 23 and 6 |
//! | `stale.` / `filtered.explaining.example` | an answer with EDE 3 / NXDOMAIN with EDE 17 | the same |
//! | `www.loop.example` | CNAMEs in a circle | SERVFAIL, EDE 0 |
//! | `long.loop.example` | two dozen CNAMEs in a row | SERVFAIL, EDE 0 |
//! | `huge.example` | 7 KiB of TXT; `www` has 80 addresses | the answer, over TCP |

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::authority;
use crate::catalogue::Catalogue;
use crate::message::Transport;
use crate::provider::{self, Provider};
use crate::server::{self, Served, Service, Sockets};
use crate::world::{self, World};

const PROVIDERS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 53, 9, 1), Ipv4Addr::new(127, 53, 9, 2)];
const DEAD_PROVIDER: Ipv4Addr = Ipv4Addr::new(127, 53, 9, 3);
/// Where replies from the wrong source come from.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 53, 8, 251);

/// How the Internet is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names and records follow from it.
    pub seed: u64,
    /// Ordinary sites beside the fixed ones, at most [`crate::catalogue::SITES_MAX`].
    pub site_count: usize,
    /// The port of every server; 0 takes a free one.
    pub port: u16,
    /// How late `slow.example` answers.
    pub slow: RangeInclusive<Duration>,
    /// How long the ISP's resolvers wait for one server; they ask two before they give up.
    pub step_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            site_count: 800,
            port: 0,
            slow: Duration::from_millis(150)..=Duration::from_millis(800),
            step_timeout: Duration::from_millis(1500),
        }
    }
}

/// A running Internet. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Internet {
    port: u16,
    catalogue: Arc<Catalogue>,
    tasks: JoinSet<()>,
}

impl Internet {
    /// Builds the zones, opens the sockets and starts answering.
    ///
    /// # Errors
    ///
    /// When no port is free on all of the lab's addresses.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let catalogue = Arc::new(Catalogue::generate(settings.seed, settings.site_count));
        let world = Arc::new(World::build(&catalogue, settings.slow.clone())?);
        let authorities = world.addresses();
        let addresses: Vec<_> = authorities.iter().copied().chain(PROVIDERS).chain([DEAD_PROVIDER]).collect();
        let (port, opened) = server::open(&addresses, settings.port).await?;
        let elsewhere = Arc::new(UdpSocket::bind((ELSEWHERE, 0)).await?);
        let mut internet = Self { port, catalogue, tasks: JoinSet::new() };
        for (address, sockets) in addresses.into_iter().zip(opened) {
            if address == DEAD_PROVIDER {
                internet.run(sockets, &elsewhere, Arc::new(Dead));
            } else if PROVIDERS.contains(&address) {
                let provider = provider::Settings {
                    address,
                    root: world::ROOT,
                    port,
                    step_timeout: settings.step_timeout,
                    seed: settings.seed ^ u64::from(u32::from(address)),
                };
                internet.run(sockets, &elsewhere, Arc::new(Provider::new(provider)));
            } else {
                let world = Arc::clone(&world);
                internet.run(sockets, &elsewhere, Arc::new(Authority { world, address }));
            }
        }
        Ok(internet)
    }

    fn run(&mut self, sockets: Sockets, elsewhere: &Arc<UdpSocket>, service: Arc<impl Service>) {
        self.tasks.spawn(server::serve_udp(sockets.udp, Arc::clone(elsewhere), Arc::clone(&service)));
        self.tasks.spawn(server::serve_tcp(sockets.tcp, service));
    }

    /// The root server.
    #[must_use]
    pub fn root(&self) -> SocketAddr {
        (world::ROOT, self.port).into()
    }

    /// The ISP's resolvers, as a customer's router would be told them. The last one never answers.
    #[must_use]
    pub fn upstreams(&self) -> Vec<SocketAddr> {
        PROVIDERS.into_iter().chain([DEAD_PROVIDER]).map(|address| (address, self.port).into()).collect()
    }

    /// The resolvers that work.
    #[must_use]
    pub fn live_upstreams(&self) -> Vec<SocketAddr> {
        PROVIDERS.into_iter().map(|address| (address, self.port).into()).collect()
    }

    /// The sites it holds, for those who want to ask for them.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue)
    }

    /// Stops every server and closes the sockets before it returns.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

struct Authority {
    world: Arc<World>,
    address: Ipv4Addr,
}

impl Service for Authority {
    fn serve(&self, message: &[u8], transport: Transport) -> Served {
        Served::Replies(authority::answer(&self.world, self.address, message, transport))
    }
}

/// Reads everything and says nothing.
struct Dead;

impl Service for Dead {
    fn serve(&self, _: &[u8], _: Transport) -> Served {
        Served::Replies(Vec::new())
    }
}

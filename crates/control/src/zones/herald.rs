//! Tells others of a new serial (RFC 1996): at the start and after each change, every server by itself.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::{info, warn};

use super::exchange;
use super::kept::Kept;
use super::registrar::Clock;
use super::settings::Peer;
use crate::lock;

/// Tells all servers of one zone, again with each change. A change while some have not answered begins anew for all: what
/// they would confirm is no longer the news.
pub(crate) async fn tell(kept: Arc<Kept>, clock: Clock) {
    loop {
        let mut telling = JoinSet::new();
        let settings = kept.settings();
        lock(&kept.facts).heard.retain(|address, _| settings.notify.iter().any(|peer| peer.address == *address));
        let soa = kept.loaded().and_then(|loaded| loaded.zone.soa());
        if let Some(soa) = soa {
            for peer in &settings.notify {
                let (peer, soa) = (peer.clone(), soa.clone());
                let (kept, clock) = (Arc::clone(&kept), Arc::clone(&clock));
                telling.spawn(async move {
                    let told = exchange::notify(&peer, kept.origin(), &soa, &clock).await;
                    note(&kept, &peer, told, &clock);
                });
            }
        }
        // Tasks still waiting for an answer end when the set is dropped.
        tokio::select! {
            () = kept.changed.notified() => {}
            () = async {
                while telling.join_next().await.is_some() {}
                kept.changed.notified().await;
            } => {}
        }
    }
}

fn note(kept: &Kept, peer: &Peer, told: Result<(), String>, clock: &Clock) {
    let serial = kept.serial();
    match &told {
        Ok(()) => info!(zone = %kept.origin(), serial, peer = %peer.address, "told of the new serial"),
        Err(error) => {
            warn!(zone = %kept.origin(), serial, peer = %peer.address, %error, "could not tell of the new serial")
        }
    }
    lock(&kept.facts).heard.insert(peer.address, (clock(), told));
}

//! From the configuration to what the log takes in: whose events are whose, how client addresses are kept, who answers; and the
//! secret of pseudonyms.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use store::{Addresses, Admission, Network, PrivacyFor, PrivacyRule};

use crate::config::{self, Config, Privacy};
use crate::key;

/// File of the secret of pseudonyms in the state folder, when none is configured.
const PRIVACY_SECRET_FILE: &str = "privacy.secret";
/// Where the system says the host's name.
const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";
/// The name of a host that has none.
const NODE_DEFAULT: &str = "nameward";

/// What the log takes in.
///
/// # Errors
/// When the secret of pseudonyms is needed and cannot be read or kept.
pub(crate) fn admission(config: &Config) -> anyhow::Result<Admission> {
    let log = &config.log;
    let (v4_bits, v6_bits) = log.privacy_bits;
    let addresses = |privacy: Privacy| match privacy {
        Privacy::Full => Addresses::Full,
        Privacy::Truncated => Addresses::Truncated { v4_bits, v6_bits },
        Privacy::Pseudonym => Addresses::Pseudonym,
        Privacy::Counts => Addresses::CountsOnly,
    };
    let network = |network: &policy::Network| Network::new(network.address, network.prefix);
    let mut tenants = Vec::new();
    let mut rules = vec![(PrivacyFor::Everyone, log.privacy)];
    for tenant in &config.tenants {
        tenants.extend(tenant.networks.iter().filter_map(network).map(|network| (network, Arc::clone(&tenant.name))));
        rules.extend(tenant.privacy.map(|privacy| (PrivacyFor::Tenant(Arc::clone(&tenant.name)), privacy)));
    }
    for section in &config.privacy {
        let networks = section.networks.iter().filter_map(network);
        rules.extend(networks.map(|network| (PrivacyFor::Network(network), section.privacy)));
    }
    let needs_secret = rules.iter().any(|(_, privacy)| *privacy == Privacy::Pseudonym);
    let privacy =
        rules.into_iter().map(|(whom, privacy)| PrivacyRule { whom, addresses: addresses(privacy) }).collect();
    let secret = if needs_secret { Some(secret(config)?) } else { None };
    Ok(Admission { node: Some(node(config).into()), tenants, privacy, secret })
}

/// How long events of tenants are kept.
pub(crate) fn keep_tenants(config: &Config) -> Vec<(Arc<str>, Duration)> {
    let keep = |tenant: &config::Tenant| Some((Arc::clone(&tenant.name), tenant.keep_age?));
    config.tenants.iter().filter_map(keep).collect()
}

/// This server's name in every event.
pub(crate) fn node(config: &Config) -> String {
    config.log.node.clone().unwrap_or_else(|| {
        let text = std::fs::read_to_string(HOSTNAME_FILE).unwrap_or_default();
        match text.trim() {
            "" => NODE_DEFAULT.to_owned(),
            name => name.to_owned(),
        }
    })
}

/// The secret of pseudonyms: the configured one, else ours, made when it is first needed.
fn secret(config: &Config) -> anyhow::Result<[u8; 32]> {
    if let Some(file) = &config.log.privacy_secret_file {
        let secret = config::Secret::File(file.clone()).load(config::privacy_secret);
        return secret.map_err(|why| anyhow!("log.privacy_secret_file: {why}"));
    }
    kept_secret(&config.state.join(PRIVACY_SECRET_FILE))
}

fn kept_secret(file: &Path) -> anyhow::Result<[u8; 32]> {
    let failed = || format!("cannot keep the secret of pseudonyms in {}", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => config::privacy_secret(&text).map_err(|why| anyhow!("{}: {why}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|error| anyhow!("the system gives no random octets: {error}"))?;
            let text: String = secret.iter().map(|octet| format!("{octet:02x}")).collect();
            key::keep(file, &text).with_context(failed)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission_of(text: &str, state: &Path) -> Admission {
        admission(&config::read(text, state).unwrap()).unwrap()
    }

    #[test]
    fn sections_become_rules() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[log]\nnode = \"ns1\"\nprivacy = \"truncated\"\nprivacy_bits_v4 = 16\n\
                    [[tenant]]\nname = \"home\"\nnetworks = [\"192.0.2.0/24\"]\nprivacy = \"full\"\nkeep_age = \"1 day\"\n\
                    [[privacy]]\nnetworks = [\"192.0.2.9\"]\nprivacy = \"counts\"\n";
        let admission = admission_of(text, folder.path());
        assert_eq!((admission.node.as_deref(), admission.tenants.len(), admission.secret), (Some("ns1"), 1, None));
        assert!(admission.tenants[0].0.contains("192.0.2.200".parse().unwrap()));
        let whom: Vec<String> = admission.privacy.iter().map(|rule| format!("{:?}", rule.whom)).collect();
        assert!(
            whom[0].starts_with("Everyone") && whom[1].starts_with("Tenant") && whom[2].starts_with("Network"),
            "{whom:?}"
        );
        let keep = keep_tenants(&config::read(text, folder.path()).unwrap());
        assert_eq!(keep, [(Arc::<str>::from("home"), Duration::from_secs(86_400))]);
    }

    #[test]
    fn the_secret_of_pseudonyms_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[privacy]]\nnetworks = [\"192.0.2.9\"]\nprivacy = \"pseudonym\"\n";
        let first = admission_of(text, folder.path()).secret;
        assert!(first.is_some_and(|secret| secret != [0; 32]));
        assert_eq!(admission_of(text, folder.path()).secret, first);
    }
}

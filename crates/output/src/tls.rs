//! TLS to a collector: whom we trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Files of TLS, PEM.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Authorities the far end's certificate may come from; `None`: those the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, the chain after it, when the far end wants one.
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    pub client_key_file: Option<PathBuf>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn load(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(self.roots()?);
        let config = match (&self.client_cert_file, &self.client_key_file) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| said(key, &error))?;
                builder.with_client_auth_cert(chain, key_der).map_err(|error| said(cert, &error))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("a client certificate and its key come together".to_owned()),
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca_file {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| said(file, &error))?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        match (added, found.errors.first()) {
            (0, Some(error)) => Err(format!("the system's certificate authorities cannot be read: {error}")),
            (0, None) => Err("the system trusts no certificate authority: name a file of them".to_owned()),
            _ => Ok(roots),
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(format!("{}: no certificate in it", file.display())),
        Ok(found) => Ok(found),
        Err(error) => Err(said(file, &error)),
    }
}

fn said(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_missing_or_hold_nothing_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let gone = folder.path().join("gone.pem");
        let pem = |name: &str| Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name));
        let told = |tls: Tls| tls.load().err().unwrap_or_default();
        assert!(told(Tls { ca_file: Some(gone), ..Tls::default() }).contains("gone.pem: "));
        assert!(told(Tls { ca_file: Some(empty.clone()), ..Tls::default() }).contains("empty.pem: no certificate"));
        let ours = Tls { ca_file: pem("ca.pem"), client_cert_file: pem("client.pem"), client_key_file: None };
        assert!(told(ours.clone()).contains("come together"));
        assert!(told(Tls { client_key_file: Some(empty), ..ours.clone() }).contains("empty.pem: "));
        assert_eq!(told(Tls { client_key_file: pem("client.key"), ..ours }), "");
    }
}

//! TLS on the connection to nats-server: the files of three variables (`docs/configuration.md`).
//!
//! If the server announces TLS, anybody in between can announce that there is none. So with any of
//! the three variables the handshake comes first, and nothing is sent without it.

use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::{self, PemObject};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ClientConfig, RootCertStore};
use clap::Args;
use thiserror::Error;

/// The certificates of the two sides. If none is set, there is TLS only if nats-server asks for it.
#[derive(Debug, Clone, Default, Args)]
pub struct Tls {
    /// Who vouches for nats-server, PEM; the system's authorities if it is not set
    #[arg(
        long = "nats-tls-ca",
        env = "STILE_NATS_TLS_CA",
        value_name = "STILE_NATS_TLS_CA"
    )]
    ca: Option<PathBuf>,

    /// This service's certificate, PEM, if nats-server asks for one (mutual TLS)
    #[arg(
        long = "nats-tls-cert",
        env = "STILE_NATS_TLS_CERT",
        value_name = "STILE_NATS_TLS_CERT"
    )]
    cert: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(
        long = "nats-tls-key",
        env = "STILE_NATS_TLS_KEY",
        value_name = "STILE_NATS_TLS_KEY"
    )]
    key: Option<PathBuf>,
}

/// Why the files cannot be used. The text names the variable and quotes no file.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One of the two without the other.
    #[error("set both STILE_NATS_TLS_CERT and STILE_NATS_TLS_KEY, or neither")]
    Half,
    /// The authority's file.
    #[error("STILE_NATS_TLS_CA: {0}")]
    Ca(String),
    /// The certificate's file.
    #[error("STILE_NATS_TLS_CERT: {0}")]
    Cert(String),
    /// The key's file.
    #[error("STILE_NATS_TLS_KEY: {0}")]
    Key(String),
    /// Both can be read, and do not belong together.
    #[error("STILE_NATS_TLS_CERT, STILE_NATS_TLS_KEY: they are no certificate and its key")]
    Mismatch,
}

impl Tls {
    /// Checks that the files can be used, so that a fault stops the start. Each new connection
    /// reads them again: a renewed certificate counts from the next connection on.
    ///
    /// # Errors
    /// [`TlsError`] names the variable.
    pub fn check(&self) -> Result<(), TlsError> {
        if let Some(ca) = &self.ca {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(ca).map_err(TlsError::Ca)? {
                let added = roots.add(certificate);
                added.map_err(|_| TlsError::Ca("it holds no authority".to_owned()))?;
            }
        }
        match (&self.cert, &self.key) {
            (None, None) => Ok(()),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert).map_err(TlsError::Cert)?;
                let key = PrivateKeyDer::from_pem_file(key);
                let key = key.map_err(|error| TlsError::Key(reason(&error, "no key")))?;
                ClientConfig::builder()
                    .with_root_certificates(RootCertStore::empty())
                    .with_client_auth_cert(chain, key)
                    .map(drop)
                    .map_err(|_| TlsError::Mismatch)
            }
            _ => Err(TlsError::Half),
        }
    }

    /// Adds the files to the connection's options.
    #[must_use]
    pub fn apply(&self, mut options: ConnectOptions) -> ConnectOptions {
        if self.ca.is_none() && self.cert.is_none() && self.key.is_none() {
            return options;
        }
        options = options.tls_first(); // It requires TLS, too.
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        options
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let none = "no certificates";
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(format!("it holds {none}")),
        Ok(found) => Ok(found),
        Err(error) => Err(reason(&error, none)),
    }
}

/// What is wrong with a file's text is not quoted: it may be a key's.
fn reason(error: &pem::Error, held: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        _ => format!("it holds {held}"),
    }
}

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A certificate authority made for one test, and a certificate by it for the loopback interface.
#[derive(Debug)]
pub struct Certificate {
    /// The authority's certificate, as clients are told it.
    pub ca_pem: Vec<u8>,
    /// The server's certificate.
    pub chain: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes both, the server's files in `dir`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn make(dir: &Path) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(rcgen::DnType::CommonName, "si-backup test authority");
        let ca = CertifiedIssuer::self_signed(params, key_pair()?).map_err(io::Error::other)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server_key = key_pair()?;
        let server = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&server_key, &ca))
            .map_err(io::Error::other)?;
        let (chain, key) = (dir.join("server.pem"), dir.join("server.key"));
        fs::write(&chain, server.pem())?;
        fs::write(&key, server_key.serialize_pem())?;
        Ok(Self { ca_pem: ca.pem().into_bytes(), chain, key })
    }
}

fn key_pair() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// How much of a body is looked at, in bytes.
const LIMIT: u64 = 1 << 20;

/// Whether a page answers with a status, and with a text in its body.
pub(super) fn get(
    url: &str,
    expect: u16,
    contains: Option<&str>,
    timeout: Duration,
) -> Result<String, String> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(timeout))
        // Another address is another page.
        .max_redirects(0)
        .http_status_as_error(false)
        .tls_config(tls)
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|e| format!("no answer: {e}"))?;
    let status = response.status().as_u16();
    if status != expect {
        return Err(format!("it answers with status {status}, and {expect} is expected"));
    }
    if let Some(text) = contains {
        let mut body = Vec::new();
        let reader = response.body_mut().as_reader();
        reader.take(LIMIT).read_to_end(&mut body).map_err(|e| format!("its body ends early: {e}"))?;
        if memchr::memmem::find(&body, text.as_bytes()).is_none() {
            return Err(format!("it answers with status {status}, and without the text that is expected"));
        }
    }
    Ok(format!("it answers with status {status}"))
}

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
        // So is that of a proxy; the environment would name one.
        .proxy(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::process::Command;

    /// Set in the child: the page to ask.
    const PAGE: &str = "RESTORE_GUARD_TEST_PAGE";

    /// Answers one request, if one comes, with a status.
    fn serve(status: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        });
        address
    }

    #[test]
    fn no_proxy_of_the_environment_answers_for_the_page() {
        if let Ok(page) = std::env::var(PAGE) {
            assert_eq!(get(&page, 200, None, Duration::from_secs(5)).unwrap(), "it answers with status 200");
            return;
        }
        let (page, proxy) = (serve(200), serve(418));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "checks::http::tests::no_proxy_of_the_environment_answers_for_the_page"]);
        child.env(PAGE, page).env_remove("NO_PROXY").env_remove("no_proxy");
        for name in ["ALL_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy"] {
            child.env(name, &proxy);
        }
        let output = child.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    }
}

#![cfg(feature = "s3")]
#![allow(clippy::all, clippy::pedantic, unused, missing_docs)]
use backup_store::s3::*;
use backup_store::*;
use std::sync::atomic::{AtomicU32, Ordering};

fn config(port: &str, bucket: &str, prefix: &str) -> S3Config {
    let mut c = S3Config::from_url(&format!("s3://{bucket}/{prefix}")).unwrap();
    c.endpoint = Some(Endpoint::new(&format!("http://127.0.0.1:{port}")).unwrap());
    c.credentials = S3Credentials::Static {
        access_key_id: "smoke".into(),
        secret_access_key: ["smoke", "-secret"].concat().into(),
        session_token: None,
    };
    c
}

fn bucket(port: &str, name: &str, lock: bool) {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let c = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .force_path_style(true)
            .credentials_provider(aws_sdk_s3::config::Credentials::new(
                "smoke",
                ["smoke", "-secret"].concat(),
                None,
                None,
                "t",
            ))
            .build();
        let c = aws_sdk_s3::Client::from_conf(c);
        let r = c.create_bucket().bucket(name).object_lock_enabled_for_bucket(lock).send().await;
        if let Err(e) = r {
            eprintln!("create: {:?}", aws_sdk_s3::error::DisplayErrorContext(e));
        }
    });
}

#[test]
fn cases() {
    let port = std::env::var("PORT").unwrap();
    let lock = std::env::var("LOCK").is_ok();
    let name = format!("b{}", std::process::id());
    let count = AtomicU32::new(0);
    let make = || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        let prefix = if n == 4 { "".into() } else { format!("p{n}/x") };
        let name = format!("{name}-{n}");
        bucket(&port, &name, lock);
        let store = S3Store::connect(config(&port, &name, "")).unwrap();
        Box::new(store) as Box<dyn Store>
    };
    eprintln!("{:?}", make().capabilities());
    let only = std::env::var("ONLY").ok();
    let mut failed = 0;
    for case in conformance::CASES {
        if only.as_ref().is_some_and(|o| !case.name.contains(o.as_str())) {
            continue;
        }
        let t = std::time::Instant::now();
        let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.run(&make)));
        if r.is_err() {
            failed += 1;
        }
        eprintln!("{} {:?} {}", if r.is_ok() { "ok  " } else { "FAIL" }, t.elapsed(), case.name);
    }
    assert_eq!(failed, 0);
}

//! Paths within a context.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::StatePath;
use std::path::{Component, Path};

fuzz_target!(|text: &str| {
    match StatePath::new(text) {
        Ok(path) => {
            assert_eq!(path.as_str(), text);
            assert!(Path::new(text).components().all(|part| matches!(part, Component::Normal(_))));
            assert!(Path::new("/base").join(&path).starts_with("/base"));
            let (dirs, name) = path.split();
            assert_eq!(dirs.chain([name]).collect::<Vec<_>>().join("/"), text);
        }
        Err(e) => assert!(!e.to_string().contains(|c: char| c.is_control())),
    }
});

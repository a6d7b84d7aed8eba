//! Manifests that must be refused, by name.

use crate::cases::{Case, Layer, case, refused};
use crate::forge::{Archive, File, entry_of, file, manifest_of};
use serde_json::{Value, json};

/// The sound files with a manifest of which one thing was changed.
fn changed(sound: &[File], change: &dyn Fn(&mut Value)) -> Layer {
    let mut manifest = manifest_of(sound);
    change(&mut manifest);
    Layer::Tar(Archive::default().files(sound).manifest(&manifest).end())
}

fn set(sound: &[File], pointer: &str, value: &Value) -> Layer {
    changed(sound, &|manifest| *manifest.pointer_mut(pointer).unwrap() = value.clone())
}

/// Manifests that are missing, elsewhere, or no manifests.
pub(crate) fn shapes(sound: &[File]) -> Vec<Case> {
    let files = || Archive::default().files(sound);
    let sound_manifest = manifest_of(sound);
    let text = |text: &[u8]| Layer::Tar(files().entry(b'0', "manifest.json", text).end());
    let late = file("cache/late", "x");
    let late_known = manifest_of(&[sound, std::slice::from_ref(&late)].concat());
    let nested = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let whole = sound_manifest.to_string();
    let alone = Archive::default().manifest(&sound_manifest);
    vec![
        refused("manifest-missing", Layer::Tar(files().end()), "no manifest"),
        refused("manifest-alone-without-files", Layer::Tar(alone.clone().end()), "missing"),
        refused(
            "manifest-not-last",
            Layer::Tar(files().manifest(&late_known).file(&late.0, &late.1).end()),
            "bytes behind its end",
        ),
        refused("manifest-first", Layer::Tar(alone.files(sound).end()), "bytes behind its end"),
        refused(
            "manifest-twice",
            Layer::Tar(files().manifest(&sound_manifest).manifest(&sound_manifest).end()),
            "bytes behind its end",
        ),
        refused(
            "manifest-below-the-context",
            Layer::Tar(files().entry(b'0', "context/manifest.json", &whole).end()),
            "no backup takes",
        ),
        refused(
            "manifest-in-capitals",
            Layer::Tar(files().entry(b'0', "MANIFEST.JSON", &whole).end()),
            "not below",
        ),
        refused(
            "manifest-that-is-a-link",
            Layer::Tar(files().entry(b'2', "manifest.json", "").end()),
            "is a symbolic link",
        ),
        refused(
            "manifest-entry-cut-short",
            Layer::Tar(files().entry(b'0', "manifest.json", [&whole[..], "  "].concat()).0[..].to_vec()),
            "its end is missing",
        ),
        case("manifest-empty", text(b""), "malformed", "manifest is not valid"),
        case("manifest-cut-short", text(&whole.as_bytes()[..whole.len() / 2]), "malformed", "EOF"),
        case("manifest-with-a-tail", text(format!("{whole}{{}}").as_bytes()), "malformed", "trailing"),
        case("manifest-not-utf8", text(b"{\"format\":\"\xff\"}"), "malformed", "manifest is not valid"),
        case("manifest-not-an-object", text(b"[]"), "malformed", "manifest is not valid"),
        case("manifest-nested-deep", text(&nested), "malformed", "manifest is not valid"),
    ]
}

/// What a manifest says of the snapshot.
pub(crate) fn fields(sound: &[File]) -> Vec<Case> {
    let malformed = |name: &str, pointer: &str, value: Value, says| {
        case(name, set(sound, pointer, &value), "malformed", says)
    };
    let newer = |name: &str, version: u32, says| {
        case(name, set(sound, "/version", &version.into()), "newer-format", says)
    };
    let refused =
        |name: &str, pointer: &str, value: Value, says| refused(name, set(sound, pointer, &value), says);
    let many = |item: &str| Value::from(vec![item; 65]);
    let invalid = "manifest is not valid";
    let mut cases = vec![
        refused(
            "manifest-of-another-snapshot",
            "/id",
            "state-20261123T201500Z-00000000".into(),
            "its manifest is of state-20261123T201500Z-00000000",
        ),
        refused(
            "manifest-of-another-context",
            "/context",
            "other".into(),
            "its manifest is of the context 'other'",
        ),
        newer("manifest-newer", 2, "format version 2"),
        newer("manifest-newest", u32::MAX, "format version 4294967295"),
        newer("manifest-version-0", 0, "format version 0"),
        malformed("manifest-of-another-format", "/format", "tar".into(), "calls itself 'tar'"),
        malformed("manifest-that-steers-the-terminal", "/format", "\u{1b}[2J".into(), "itself '\\u{1b}[2J'"),
        malformed("manifest-with-an-impossible-id", "/id", "../x".into(), invalid),
        malformed("manifest-with-an-impossible-context", "/context", "../x".into(), invalid),
        malformed("manifest-with-an-impossible-time", "/read_at", "yesterday".into(), invalid),
        malformed("manifest-with-an-unknown-tree", "/with", json!(["vault"]), "unknown variant"),
        malformed("manifest-with-an-escape", "/with", json!(["\u{1b}[2J"]), "unknown variant `\\u{1b}[2J`"),
        malformed("manifest-with-a-tree-of-a-novel", "/with", json!(["x".repeat(100_000)]), "xxx…"),
        malformed("manifest-with-many-trees", "/with", many("cache"), "a list of at most 64"),
        malformed("manifest-with-many-absent", "/absent", many("config.json"), "a list of at most 64"),
        malformed("manifest-with-absent-outside", "/absent", json!(["../x"]), "leads elsewhere"),
        refused("manifest-with-absent-present", "/absent", json!(["config.json"]), "said to be absent"),
    ];
    for field in [
        "format", "version", "id", "context", "read_at", "tool", "with", "files", "absent", "left_out",
        "allowed",
    ] {
        let without = changed(sound, &|manifest| drop(manifest.as_object_mut().unwrap().remove(field)));
        cases.push(case(&format!("manifest-without-{field}"), without, "malformed", "missing field"));
    }
    cases
}

/// What a manifest says of the files: a store, another one, a log, and a file of the cache.
pub(crate) fn files(sound: &[File]) -> Vec<Case> {
    let malformed = |name: &str, pointer: &str, value: Value, says| {
        case(name, set(sound, pointer, &value), "malformed", says)
    };
    let wrong =
        |name: &str, pointer: &str, value: Value, says| refused(name, set(sound, pointer, &value), says);
    let altered = |name: &str, change: &dyn Fn(&mut Value), says| refused(name, changed(sound, change), says);
    vec![
        malformed("manifest-class-unknown", "/files/0/class", "mine".into(), "unknown variant"),
        malformed("manifest-path-outside", "/files/0/path", "../x".into(), "leads elsewhere"),
        wrong(
            "manifest-path-other",
            "/files/0/path",
            "bluegreen.json".into(),
            "'config.json' is in its place",
        ),
        wrong("manifest-class-weaker", "/files/0/class", "optional".into(), "it is protected, not optional"),
        wrong(
            "manifest-class-stronger",
            "/files/3/class",
            "protected".into(),
            "it is optional, not protected",
        ),
        wrong("manifest-class-excluded", "/files/3/class", "excluded".into(), "it is optional, not excluded"),
        wrong("manifest-shape-other", "/files/0/shape", "other".into(), "of another shape"),
        wrong("manifest-shape-of-a-log", "/files/2/shape", "other".into(), "of another shape"),
        wrong("manifest-shape-a-log", "/files/3/shape", "log".into(), "of another shape"),
        wrong("manifest-size-less", "/files/0/size", 1.into(), "bytes instead of 1"),
        wrong(
            "manifest-size-huge",
            "/files/0/size",
            u64::MAX.into(),
            "bytes instead of 18446744073709551615",
        ),
        wrong("manifest-digest-other", "/files/0/sha256", "0".repeat(64).into(), "its digest is another"),
        wrong("manifest-digest-empty", "/files/0/sha256", "".into(), "its digest is another"),
        wrong("manifest-lines-more", "/files/2/lines", 4.into(), "count of lines"),
        wrong("manifest-lines-fewer", "/files/2/lines", 2.into(), "count of lines"),
        wrong("manifest-lines-null", "/files/2/lines", Value::Null, "count of lines"),
        wrong("manifest-malformed-lines-fewer", "/files/2/malformed_lines", 0.into(), "count of lines"),
        wrong("manifest-knows-nothing", "/files", json!([]), "it is not in the manifest"),
        altered(
            "manifest-lines-of-a-store",
            &|manifest| manifest["files"][0]["lines"] = 0.into(),
            "count of lines",
        ),
        altered(
            "manifest-malformed-lines-of-a-store",
            &|manifest| manifest["files"][0]["malformed_lines"] = 1.into(),
            "count of lines",
        ),
        altered(
            "manifest-files-in-another-order",
            &|manifest| manifest["files"].as_array_mut().unwrap().swap(0, 1),
            "is in its place",
        ),
        altered(
            "manifest-knows-less",
            &|manifest| drop(manifest["files"].as_array_mut().unwrap().pop()),
            "it is not in the manifest",
        ),
        altered(
            "manifest-knows-a-file-twice",
            &|manifest| {
                let files = manifest["files"].as_array_mut().unwrap();
                files.push(files[0].clone());
            },
            "it is missing",
        ),
        altered(
            "manifest-knows-more",
            &|manifest| {
                let more = entry_of(&file("webhooks/mappings.json", "{}"));
                manifest["files"].as_array_mut().unwrap().push(more);
                manifest["absent"] = json!([]);
            },
            "it is missing",
        ),
    ]
}

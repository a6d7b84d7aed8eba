//! The way back from end to end, over a directory and over a bucket: proved, refused, restored, checked, undone, and after the
//! loss of the host. `scripts/test` runs it once more with the release program.

use crate::bucket::Remote;
use crate::harness::{Host, small, tree};
use crate::restoring::{bring_vault, damage, is_shut, lost, reasons, restore, state_of, without_logs};
use backup_contract::Checksum;
use serde_json::Value;
use sha2::{Digest, Sha256};
use si_backup_tests::StateSpec;
use si_backup_tests::servers::BucketKind;
use std::fs;

/// Where the backups of a host lie.
enum Place {
    Directory(Host),
    Bucket(Box<Remote>),
}

impl Place {
    fn directory() -> Self {
        Self::Directory(Host::ready())
    }

    fn bucket() -> Option<Self> {
        let remote = Remote::bare(BucketKind::Plain, &small())?;
        remote.host.run(remote.init()).expect(0);
        Some(Self::Bucket(Box::new(remote)))
    }

    fn host(&self) -> &Host {
        match self {
            Self::Directory(host) => host,
            Self::Bucket(remote) => &remote.host,
        }
    }

    /// What `init` is told of the store.
    fn store(&self) -> Vec<String> {
        match self {
            Self::Directory(host) => vec!["--store".into(), host.store_url()],
            Self::Bucket(remote) => remote.init().split_off(1),
        }
    }

    fn keys(&self, below: &str) -> Vec<String> {
        match self {
            Self::Directory(host) => {
                let names = fs::read_dir(host.store().join(below)).unwrap();
                names.map(|entry| format!("{below}/{}", entry.unwrap().file_name().display())).collect()
            }
            Self::Bucket(remote) => {
                let all = remote.keys().into_iter();
                all.filter(|key| key.starts_with(below)).collect()
            }
        }
    }

    fn get(&self, key: &str) -> Vec<u8> {
        match self {
            Self::Directory(host) => fs::read(host.store().join(key)).unwrap(),
            Self::Bucket(remote) => remote.admin.get(&remote.bucket, &format!("si/{key}")).unwrap(),
        }
    }

    /// Writes an object, whatever is there, as whoever may write the store can.
    fn put(&self, key: &str, bytes: &[u8]) {
        match self {
            Self::Directory(host) => {
                let path = host.store().join(key);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                // Objects are read-only.
                let _ = fs::remove_file(&path);
                fs::write(path, bytes).unwrap();
            }
            Self::Bucket(remote) => remote.admin.put(&remote.bucket, &format!("si/{key}"), bytes),
        }
    }

    fn remove(&self, key: &str) {
        match self {
            Self::Directory(host) => fs::remove_file(host.store().join(key)).unwrap(),
            Self::Bucket(remote) => remote.admin.delete_unversioned(&remote.bucket, &format!("si/{key}")),
        }
    }
}

/// A snapshot that is whole and sealed to the right recipients, whose names are no secret, under the right origin, with
/// evidence that is truly signed: all of it by a stranger.
fn a_strangers(place: &Place, proved: &str) {
    let host = place.host();
    let stranger = Host::with_state(&StateSpec { seed: 812, ..small() });
    let origin = stranger.home().join("origin");
    fs::create_dir_all(&origin).unwrap();
    fs::copy(host.home().join("origin/default"), origin.join("default")).unwrap();
    let settings = fs::read_to_string(host.config()).unwrap();
    let recipient = settings.split('"').find(|text| text.starts_with("age1")).unwrap();
    stranger.run(["init", "--store", &stranger.store_url(), "--recipient", recipient]).expect(0);
    let planted = stranger.back_up();
    let mut put = Vec::new();
    for below in [format!("state/default/{planted}"), format!("evidence/default/state/{planted}")] {
        for (name, bytes) in tree(&stranger.store().join(&below)) {
            let key = format!("{below}/{name}");
            place.put(&key, &bytes);
            put.push(key);
        }
    }
    assert_eq!(put.len(), 3, "{put:?}");
    let before = state_of(&host.context());
    for from in ["LATEST", &planted] {
        let refused = restore(host, &["--from", from, "--force"]).expect(13);
        assert_eq!(refused.row()["refusal"]["last_verified"]["id"], proved);
        assert_eq!(reasons(&refused), ["not-verified", "unknown-writer"]);
    }
    let shown = restore(host, &["--from", "LATEST", "--or-last-verified", "--dry-run"]).expect(0);
    assert_eq!(shown.row()["id"], proved);
    assert_eq!(state_of(&host.context()), before);
    for key in &put {
        place.remove(key);
    }
}

fn walk(place: &Place) {
    let host = place.host();
    let flag = host.path("flag");
    fs::write(&flag, "").unwrap();
    host.check_that_there_is(&flag);
    let proved = host.back_up();
    host.json(["verify", &proved]).expect(0);
    let before = without_logs(&host.context());

    // Damaged, restored, checked, open again.
    damage(host);
    restore(host, &["--from", "LATEST", "--force"]).expect(0);
    assert_eq!(without_logs(&host.context()), before);
    assert!(!is_shut(host));
    host.json(["restore", "confirm"]).expect(0);

    // A newer one that nobody has verified.
    fs::write(host.context().join("targets.json"), "{\"targets\": [], \"newer\": true}").unwrap();
    let newer = host.back_up();
    let evidence = place.keys(&format!("evidence/default/state/{newer}"));
    let (name, genuine) = evidence.first().map(|key| (key.clone(), place.get(key))).unwrap();
    for key in &evidence {
        place.remove(key);
    }
    let unproved = restore(host, &["--from", "LATEST", "--force"]).expect(13);
    assert_eq!(reasons(&unproved), ["not-verified"]);
    assert_eq!(unproved.row()["refusal"]["last_verified"]["id"], proved.as_str());

    // Evidence for it that was made up: what a genuine one says, of another snapshot, and under a signature that is none.
    let text = String::from_utf8(genuine.clone()).unwrap();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    let mut altered = envelope.clone();
    let payload = altered["payload"].as_str().unwrap().to_owned();
    let other = if &payload[40..44] == "AAAA" { "BBBB" } else { "AAAA" };
    altered["payload"] = format!("{}{other}{}", &payload[..40], &payload[44..]).into();
    for forged in [altered.to_string(), "{}".to_owned()] {
        place.put(&name, forged.as_bytes());
        let refused = restore(host, &["--from", "LATEST", "--force"]).expect(13);
        assert!(reasons(&refused).contains(&"not-verified".to_owned()), "{:#}", refused.row());
    }
    place.remove(&name);
    a_strangers(place, &proved);
    let fallen_back = restore(host, &["--from", "LATEST", "--or-last-verified", "--force"]).expect(0).row();
    assert_eq!(fallen_back["id"], proved.as_str());
    assert_eq!(without_logs(&host.context()), before);

    // Undone: what was there before it is there again.
    host.json(["restore", "undo", "--force"]).expect(0);
    assert!(fs::read_to_string(host.context().join("targets.json")).unwrap().contains("newer"));
    host.json(["restore", "confirm"]).expect(0);

    // A bit that flips after the verification; then a record that fits the other bytes.
    place.put(&name, &genuine);
    damage(host);
    let damaged = state_of(&host.context());
    let (bundle, record) =
        (format!("state/default/{newer}/bundle.tar.zst.age"), format!("state/default/{newer}/snapshot.json"));
    let (sealed, told) = (place.get(&bundle), place.get(&record));
    let mut flipped = sealed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    place.put(&bundle, &flipped);
    let failed = restore(host, &["--from", "LATEST", "--force"]).expect(12);
    assert_eq!(failed.envelope()["error"]["code"], "object-corrupt");
    let mut forged: Value = serde_json::from_slice(&told).unwrap();
    forged["checksum"] = Checksum::from_sha256(Sha256::digest(&flipped).into()).to_string().into();
    place.put(&record, &serde_json::to_vec(&forged).unwrap());
    let refused = restore(host, &["--from", "LATEST", "--force"]).expect(13);
    assert_eq!(reasons(&refused), ["not-verified", "other-bytes-verified"]);
    assert_eq!(state_of(&host.context()), damaged, "nothing was touched");
    assert!(!is_shut(host));
    place.put(&bundle, &sealed);
    place.put(&record, &told);

    // A check that fails keeps the lock shut, and opens it once it passes.
    fs::remove_file(&flag).unwrap();
    restore(host, &["--from", "LATEST", "--force"]).expect(12);
    assert!(is_shut(host));
    host.json(["guard", "check", "--app", "shop"]).expect(11);
    host.json(["guard", "recheck"]).expect(12);
    fs::write(&flag, "").unwrap();
    host.json(["guard", "recheck"]).expect(0);
    host.json(["guard", "check", "--app", "shop"]).expect(0);
    host.json(["restore", "confirm"]).expect(0);
    host.json(["audit", "verify"]).expect(0);

    // The host is lost.
    let expected = without_logs(&host.context());
    let (new, identity) = lost(host);
    let recover = ["init", "--recover", "--identity", identity.to_str().unwrap()].map(str::to_owned);
    new.json(recover.into_iter().chain(place.store())).expect(0);
    let row = restore(&new, &["--from", "LATEST", "--force"]).expect(12).row();
    assert_eq!(row["id"], newer.as_str());
    assert!(is_shut(&new), "until its vault is back");
    bring_vault(host, &new);
    new.json(["guard", "recheck"]).expect(0);
    let found = without_logs(&new.context());
    assert!(found.len() > 5);
    assert!(found.iter().all(|(path, file)| expected.get(path) == Some(file)));
    new.json(["audit", "verify"]).expect(0);
}

#[test]
fn over_a_directory() {
    walk(&Place::directory());
}

#[test]
fn over_a_bucket() {
    if let Some(place) = Place::bucket() {
        walk(&place);
    }
}

//! Published keys: whose they are, never whether they count.

use crate::support::{TestStore, at, context, get, put};
use restore_guard::{
    Error, TrustedWriters, WriterId, WriterKey, WriterRecord, publish_writer, published_writers,
};

fn record(key: &WriterKey) -> WriterRecord {
    WriterRecord {
        context: context(),
        writer: WriterId::generate().unwrap(),
        public_key: key.public(),
        origin: None,
        host: "host-1".into(),
        created_at: at(0),
    }
}

#[test]
fn a_published_key_counts_only_when_it_is_named() {
    let store = TestStore::new();
    let (named, unnamed) = (WriterKey::generate().unwrap(), WriterKey::generate().unwrap());
    let trusted = TrustedWriters::parse([named.public().to_string().as_str()]).unwrap();
    for key in [&named, &unnamed] {
        publish_writer(&store, &record(key)).unwrap();
    }
    let found = published_writers(&store, &context(), &trusted).unwrap();
    assert_eq!(found.writers.len(), 2);
    for writer in &found.writers {
        assert_eq!(writer.trusted, writer.record.public_key == named.public());
        assert_eq!(writer.key_id, writer.record.public_key.key_id());
    }
    assert!(found.unreadable.is_empty());
}

#[test]
fn publishing_again_changes_nothing_and_another_key_is_refused() {
    let (store, key) = (TestStore::new(), WriterKey::generate().unwrap());
    let mut record = record(&key);
    let at_key = publish_writer(&store, &record).unwrap();
    let before = get(&store, &at_key);
    record.created_at = at(60);
    assert_eq!(publish_writer(&store, &record).unwrap(), at_key);
    assert_eq!(get(&store, &at_key), before);
    record.public_key = WriterKey::generate().unwrap().public();
    assert_eq!(publish_writer(&store, &record).unwrap_err().code(), "object-exists");
}

#[test]
fn what_is_no_record_is_named() {
    let (store, key) = (TestStore::new(), WriterKey::generate().unwrap());
    let record = record(&key);
    let original = get(&store, &publish_writer(&store, &record).unwrap());
    // The same record under another writer's name, a newer one, garbage.
    put(&store, "writers/default/00000000000000000000000000000000.json", &original);
    put(&store, "writers/default/00000000000000000000000000000001.json", br#"{"version":9}"#);
    put(&store, "writers/default/00000000000000000000000000000002.json", b"?");
    let found = published_writers(&store, &context(), &TrustedWriters::default()).unwrap();
    assert_eq!(found.writers.iter().map(|writer| &writer.record).collect::<Vec<_>>(), [&record]);
    assert!(matches!(
        found.unreadable[..],
        [Error::Malformed { .. }, Error::NewerFormat { found: 9, .. }, Error::Malformed { .. }]
    ));
}

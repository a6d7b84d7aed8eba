use super::{Make, key, put};
use crate::{Digest, Error, PutOptions, Store, read_checked};
use std::io::{self, Read as _, Write as _};

pub(super) fn offsets(make: Make<'_>) {
    let store = make();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[usize::try_from(n % 3).unwrap()]).collect();
    let version = put(&*store, "a", &bytes).unwrap().meta.version;
    for offset in [0, 1, 4095, 4096, 65_537, 199_999, 200_000, 200_001, 1 << 40] {
        let mut rest = Vec::new();
        store.open(&key("a"), version.as_ref(), offset).unwrap().read_to_end(&mut rest).unwrap();
        let expected =
            usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        assert!(rest == expected, "from byte {offset} on");
    }
}

/// 16 MiB that repeat nowhere, a piece at a time.
fn pieces() -> impl Iterator<Item = Vec<u8>> {
    (0..256_u64).map(|piece| {
        let words = (0..8192_u64).map(|word| (piece * 8192 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        words.flat_map(u64::to_le_bytes).collect()
    })
}

pub(super) fn big(make: Make<'_>) {
    let store = make();
    let options = PutOptions { size_hint: Some(16 << 20), ..PutOptions::default() };
    for (at, options) in [("known", &options), ("unknown", &PutOptions::default())] {
        let mut upload = store.create(&key(at), options).unwrap();
        for piece in pieces() {
            upload.write_all(&piece).unwrap();
        }
        let stored = upload.finish().unwrap();
        assert_eq!(stored.meta.size, 16 << 20);
        let mut reader =
            read_checked(&*store, &key(at), stored.meta.version.as_ref(), stored.digest, stored.meta.size)
                .unwrap();
        for piece in pieces() {
            let mut read = vec![0; piece.len()];
            reader.read_exact(&mut read).unwrap();
            assert!(read == piece);
        }
        reader.finish().unwrap();
    }
}

pub(super) fn altered(make: Make<'_>) {
    let store = make();
    let right = put(&*store, "a/b", b"what was written").unwrap();
    let check = |digest: Digest, size: u64| {
        let mut reader = read_checked(&*store, &key("a/b"), None, digest, size).unwrap();
        io::copy(&mut reader, &mut io::sink()).map_err(|error| Error::from_io(error, "read", "a/b"))
    };
    assert_eq!(check(right.digest, 16).unwrap(), 16);
    for (digest, size) in [(Digest([7; 32]), 16), (right.digest, 15), (right.digest, 17), (right.digest, 0)] {
        let error = check(digest, size).unwrap_err();
        let named = matches!(&error, Error::Corrupt { key, expected, expected_size, .. }
            if *key == self::key("a/b") && *expected == digest && *expected_size == size);
        assert!(named, "{error}");
    }
    assert_eq!(not_there(&*store), "object-not-found");
}

fn not_there(store: &dyn Store) -> &'static str {
    super::code(read_checked(store, &key("not/there"), None, Digest([0; 32]), 0))
}

//! An object of a WAL-G bucket, decrypted and decompressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Read;
use walg_driver::{Cipher, Compression, SodiumKey};

/// More than this is not asked for: what a few bytes unpack to is without end.
const MOST: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((way, stored)) = bytes.split_first() else { return };
    let compression = Compression::ALL[usize::from(way & 0x7f) % Compression::ALL.len()];
    let cipher = match way & 0x80 {
        0 => Cipher::None,
        _ => Cipher::Sodium(SodiumKey::new([7; 32])),
    };
    if let Ok(plain) = cipher.open(compression, stored) {
        let _ = std::io::copy(&mut plain.take(MOST), &mut std::io::sink());
    }
});

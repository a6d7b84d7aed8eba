//! How much time and memory the catalogue of a large bucket takes, beyond the listing, in a process that does nothing else.
//!
//! `cargo run --release -p walg-driver --example catalogue -- 3000 1000000` reads a bucket of so many backups (chains of a
//! full and 23 deltas) and WAL segments, which is generated as it is asked for: first with short lists of files, then with
//! lists of as many files as a small database has.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use backup_store::{
    Capabilities, Deletion, Error as StoreError, Key, Leftover, Lock, ObjectMeta, Prefix, PutOptions,
    Result as StoreResult, Store, Upload, Version,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::process::Command;
use std::time::Instant;
use walg_driver::Cipher;
use walg_driver::bucket::{Bucket, Root};
use walg_driver::wal::{SegmentSize, Timeline};

/// How many backups hang together.
const CHAIN: u64 = 24;
/// The tars of a backup.
const TARS: [&str; 3] = ["part_001.tar.zst", "part_002.tar.zst", "pg_control.tar.zst"];
const SYSTEM: u64 = 7_711_480_237_486_108_024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [backups, segments] => {
            for files in ["10", "1000"] {
                // Another process, whose high-water mark is of this bucket alone.
                Command::new(std::env::current_exe()?).args([backups, segments, files]).status()?;
            }
            Ok(())
        }
        [backups, segments, files] => measure(&Generated {
            backups: backups.parse()?,
            segments: segments.parse()?,
            list: list_of_files(files.parse()?),
        }),
        _ => Err("how many backups and WAL segments?".into()),
    }
}

fn measure(store: &Generated) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let mut listed = 0_u64;
    for prefix in ["basebackups_005", "wal_005"] {
        for meta in store.list(&Prefix::new(prefix)?, None)? {
            listed += u64::from(meta?.size > 0);
        }
    }
    let listing = began.elapsed();
    let began = Instant::now();
    let bucket = Bucket::read(store, &Root::default(), &Cipher::None)?;
    let all = began.elapsed();
    let restorable = bucket.backups.iter().filter(|backup| backup.restorable()).count();
    println!(
        "{listed} objects, {restorable} of {} backups restorable, lists of files of {} bytes: {:.2?} beyond {listing:.2?} of listing; peak {} MB",
        bucket.backups.len(),
        store.list.len(),
        all.saturating_sub(listing),
        high_water_mark()? * 1024 / 1_000_000,
    );
    Ok(())
}

/// A bucket that is made up as it is asked for.
#[derive(Debug)]
struct Generated {
    backups: u64,
    segments: u64,
    list: Vec<u8>,
}

fn list_of_files(count: u64) -> Vec<u8> {
    let mut text = String::from("{\"Files\":{");
    for file in 0..count {
        let comma = if file == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\"/base/5/{file}\":{{\"IsIncremented\":false,\"IsSkipped\":false,\"MTime\":\"2026-11-23T21:21:46.4Z\",\"CorruptBlocks\":null,\"UpdatesCount\":0}}"
        );
    }
    text += "},\"TarFileSets\":{";
    for (index, tar) in TARS.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\"{tar}\":[");
        let own = (0..count).filter(|file| file % TARS.len() as u64 == index as u64);
        let names: Vec<_> = own.map(|file| format!("\"/base/5/{file}\"")).collect();
        text += &names.join(",");
        text.push(']');
    }
    text += "},\"DatabasesByNames\":{}}";
    text.into_bytes()
}

impl Generated {
    /// The segment in which a backup begins.
    fn begins(&self, backup: u64) -> u64 {
        1 + backup * (self.segments - 2) / self.backups
    }

    fn segment(number: u64) -> String {
        SegmentSize::DEFAULT.name(Timeline(1), number).map_or_else(String::new, |name| name.to_string())
    }

    fn id(&self, backup: u64) -> String {
        let own = Self::segment(self.begins(backup));
        match backup % CHAIN {
            0 => format!("base_{own}"),
            _ => format!("base_{own}_D_{}", Self::segment(self.begins(backup - 1))),
        }
    }

    fn sentinel(&self, backup: u64) -> String {
        let lsn = |backup| SegmentSize::DEFAULT.start(self.begins(backup)).0 + 40;
        let begun = at(self.begins(backup));
        let delta = if backup.is_multiple_of(CHAIN) {
            String::new()
        } else {
            format!(
                "\"DeltaLSN\":{},\"DeltaFrom\":\"{}\",\"DeltaFullName\":\"{}\",\"DeltaCount\":{},",
                lsn(backup - 1),
                self.id(backup - 1),
                self.id(backup - backup % CHAIN),
                backup % CHAIN,
            )
        };
        format!(
            "{{\"LSN\":{},{delta}\"PgVersion\":150018,\"FinishLSN\":{},\"SystemIdentifier\":{SYSTEM},\"UncompressedSize\":346199,\
             \"CompressedSize\":40339,\"DataCatalogSize\":23734333,\"Version\":2,\"StartTime\":\"{}\",\"FinishTime\":\"{}\",\
             \"DateFmt\":\"%Y-%m-%dT%H:%M:%S.%fZ\",\"Hostname\":\"vm\",\"DataDir\":\"/data\",\"IsPermanent\":false}}",
            lsn(backup),
            lsn(backup) + 216,
            begun.to_rfc3339(),
            (begun + TimeDelta::seconds(2)).to_rfc3339(),
        )
    }

    fn metas(&self, prefix: &str) -> Box<dyn Iterator<Item = (String, u64, u64)> + Send + '_> {
        if prefix.starts_with("wal_005") {
            let name = |number| (format!("wal_005/{}.zst", Self::segment(number)), 60_000, number);
            return Box::new((1..=self.segments).map(name));
        }
        Box::new((0..self.backups).flat_map(move |backup| {
            let (id, begins) = (self.id(backup), self.begins(backup));
            let tars = TARS.map(|tar| (format!("basebackups_005/{id}/tar_partitions/{tar}"), 40_000, begins));
            let list = (format!("basebackups_005/{id}/files_metadata.json"), self.list.len() as u64, begins);
            let sentinel = (format!("basebackups_005/{id}_backup_stop_sentinel.json"), 500, begins);
            tars.into_iter().chain([list, sentinel])
        }))
    }
}

/// A segment a minute.
fn at(segment: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(segment.cast_signed() + 28_000_000)
}

fn read_only<T>() -> StoreResult<T> {
    Err(StoreError::from_io(io::ErrorKind::Unsupported.into(), "write", "a bucket that is made up"))
}

impl Store for Generated {
    fn location(&self) -> String {
        "generated".into()
    }
    fn capabilities(&self) -> StoreResult<Capabilities> {
        read_only()
    }
    fn create(&self, _: &Key, _: &PutOptions) -> StoreResult<Box<dyn Upload + '_>> {
        read_only()
    }
    fn open(&self, key: &Key, _: Option<&Version>, _: u64) -> StoreResult<Box<dyn Read + Send + '_>> {
        if key.as_str().ends_with("files_metadata.json") {
            return Ok(Box::new(self.list.as_slice()));
        }
        let name = key.as_str().trim_start_matches("basebackups_005/base_00000001");
        let digits = name.get(..16).and_then(|digits| {
            let (log, number) = digits.split_at(8);
            Some(u64::from_str_radix(log, 16).ok()? * 256 + u64::from_str_radix(number, 16).ok()?)
        });
        let backup = digits.unwrap_or_default();
        // The first that begins there.
        let backup = (backup.saturating_sub(1) * self.backups).div_ceil(self.segments - 2);
        Ok(Box::new(io::Cursor::new(self.sentinel(backup).into_bytes())))
    }
    fn head(&self, _: &Key, _: Option<&Version>) -> StoreResult<ObjectMeta> {
        read_only()
    }
    fn list(
        &self,
        prefix: &Prefix,
        _: Option<&Key>,
    ) -> StoreResult<Box<dyn Iterator<Item = StoreResult<ObjectMeta>> + Send + '_>> {
        Ok(Box::new(self.metas(&prefix.to_string()).map(|(key, size, segment)| {
            Ok(ObjectMeta { key: Key::new(key)?, size, modified: at(segment), version: None })
        })))
    }
    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> StoreResult<Box<dyn Iterator<Item = StoreResult<ObjectMeta>> + Send + '_>> {
        self.list(prefix, None)
    }
    fn delete(&self, _: &Key, _: Option<&Version>, _: DateTime<Utc>) -> StoreResult<Deletion> {
        read_only()
    }
    fn lock(&self, _: &Key, _: Option<&Version>, _: Lock) -> StoreResult<()> {
        read_only()
    }
    fn lock_of(&self, _: &Key, _: Option<&Version>) -> StoreResult<Option<Lock>> {
        Ok(None)
    }
    fn leftovers(&self) -> StoreResult<Vec<Leftover>> {
        Ok(Vec::new())
    }
    fn sweep(&self, _: DateTime<Utc>) -> StoreResult<Vec<Leftover>> {
        read_only()
    }
}

/// The most memory that this process ever had, in KiB.
fn high_water_mark() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

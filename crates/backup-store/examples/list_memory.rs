//! How much memory and time it takes to list a store, in a process that does nothing else.
//!
//! `cargo run --release -p backup-store --example list_memory -- 1000000` makes a directory of so many empty objects, all
//! in one directory and then in a tree, and lists each; the keys are as long as those of evidence.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use backup_store::{DirStore, Prefix, Store as _};
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "list", root] => list(Path::new(root)),
        [_, count] => {
            let count = count.parse()?;
            for (shape, per_directory) in [("one directory", count), ("directories of 100", 100)] {
                let home = tempfile::tempdir()?;
                plant(home.path(), count, per_directory)?;
                println!("{count} objects in {shape}:");
                // Another process, whose high-water mark is of the listing alone.
                Command::new(std::env::current_exe()?).arg("list").arg(home.path()).status()?;
            }
            Ok(())
        }
        _ => Err("how many objects?".into()),
    }
}

fn plant(root: &Path, count: usize, per_directory: usize) -> Result<(), Box<dyn Error>> {
    let dir = |number: usize| root.join(format!("evidence/default/shop/base_{:012}", number / per_directory));
    for number in 0..count {
        if number % per_directory == 0 {
            fs::create_dir_all(dir(number))?;
        }
        let name = format!("20261123T{number:09}Z-content-passed-1a2b3c4d.json");
        File::create(dir(number).join(name))?;
    }
    Ok(())
}

fn list(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = DirStore::open(root)?;
    let before = high_water_mark()?;
    let start = Instant::now();
    let (mut count, mut last) = (0_u64, None);
    for meta in store.list(&Prefix::all(), None)? {
        let key = meta?.key;
        if last.as_ref() >= Some(&key) {
            return Err(format!("{key} is out of order").into());
        }
        last = Some(key);
        count += 1;
    }
    let took = start.elapsed();
    let after = high_water_mark()?;
    println!(
        "  {count} listed in {took:.2?}; peak memory {} kB, of which the listing {} kB",
        after,
        after - before
    );
    Ok(())
}

/// The most memory that this process has had, in kB.
fn high_water_mark() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

//! How fast a log is searched for secrets, and its lines are checked, on one core; and what a scanner costs to make.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paas_state::{AllowedSecret, Error, Result};
use si_backup_tests::{EventLines, EventLog};
use std::hint::black_box;

// Both are private to the crate; what they need of it is in scope here.
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the bench uses a part")]
#[path = "../src/jsonl.rs"]
mod jsonl;
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the bench uses a part")]
#[path = "../src/scan/mod.rs"]
mod scan;

mod manifest {
    pub(crate) use super::AllowedSecret;
}

/// Blocks of whole lines, as the stable read cuts them.
fn blocks(log: EventLog) -> Vec<Vec<u8>> {
    let mut lines = EventLines::new(log, "default", &[], &[], 1);
    let block = |_| {
        let mut block = Vec::new();
        while block.len() < 256 * 1024 {
            lines.push_line(&mut block);
        }
        block
    };
    (0..16).map(block).collect()
}

fn scanning(criterion: &mut Criterion) {
    criterion.bench_function("make a scanner", |bench| bench.iter(|| black_box(scan::Scanner::new())));
    let scanner = scan::Scanner::new();
    let mut group = criterion.benchmark_group("events");
    for log in EventLog::ALL {
        let blocks = blocks(log);
        let bytes = blocks.iter().map(|block| block.len() as u64).sum();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format!("search {}", log.path()), |bench| {
            bench.iter(|| {
                let mut log = scanner.log();
                for block in &blocks {
                    log.feed(block);
                }
                assert!(log.finish().is_empty());
            });
        });
        group.bench_function(format!("check the lines of {}", log.path()), |bench| {
            bench.iter(|| blocks.iter().map(|block| jsonl::check_lines(block).lines).sum::<u64>());
        });
    }
    group.finish();
}

criterion_group!(benches, scanning);
criterion_main!(benches);

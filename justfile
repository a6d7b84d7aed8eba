# The recipes are what continuous integration runs; each is one line of scripts/ or cargo, so that `just` is a convenience.

# List the recipes.
default:
    @just --list

# Install what the tests need.
setup:
    scripts/setup

# Formatting, lints, tests, documentation, quick start.
test *args:
    scripts/test {{args}}

# The main job on real input, narrated.
quickstart:
    scripts/quickstart

# Lints alone.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Licences, bans and sources of the dependencies, with cargo-deny.
deny:
    cargo deny check licenses bans sources

# Every criterion bench.
bench:
    cargo bench --workspace

# A bundle of 1 GiB: whole processes, side by side with the pipe of stock tools.
bench-bundle *args:
    scripts/bench-bundle {{args}}

# Every fuzz target for some seconds each, with cargo-fuzz and the nightly toolchain.
fuzz *args:
    scripts/fuzz {{args}}

# Objects to and from an S3 server: whole processes, side by side with rclone.
bench-s3 *args:
    scripts/bench-s3 {{args}}

# A million points from JSON to a plan: the whole process.
bench-from-json *args:
    scripts/bench-from-json {{args}}

# How much memory a plan takes, by shape.
bench-plan-memory count="1000000":
    cargo run --release --quiet -p retention --example plan_memory -- {{count}}

# How long the catalogue of a large bucket takes beyond its listing, and how much memory.
bench-catalogue backups="3000" segments="1000000":
    cargo run --release --quiet -p walg-driver --example catalogue -- {{backups}} {{segments}}

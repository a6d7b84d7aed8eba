//! Objects to a bucket and back, as whole processes: what `scripts/bench-s3` holds against another program.
//!
//! ```text
//! s3_copy put URL KEY FILE       a file into an object
//! s3_copy get URL KEY FILE       an object into a file
//! s3_copy put-all URL DIR        each file of a directory into an object, four at once
//! s3_copy get-all URL DIR        each object into a file, four at once
//! s3_copy list URL               how many objects there are
//! ```
//!
//! `URL` is `s3://bucket/prefix`; the server is in `S3_ENDPOINT`, the credentials are as any AWS SDK finds them.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use backup_store::s3::Endpoint;
use backup_store::{Key, ObjectMeta, Prefix, PutOptions, S3Config, S3Store, Store};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How many small objects are on their way at once.
const BESIDE: usize = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["put", url, key, file] => put(&connect(url)?, &Key::new(key)?, Path::new(file)),
        ["get", url, key, file] => get(&connect(url)?, &Key::new(key)?, Path::new(file)),
        ["put-all", url, dir] => {
            let store = connect(url)?;
            let files = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
            beside(files, |file| {
                let name = file.file_name();
                put(&store, &Key::new(name.to_str().ok_or("a name that is no text")?)?, &file.path())
            })
        }
        ["get-all", url, dir] => {
            let store = connect(url)?;
            let objects =
                store.list(&Prefix::all(), None)?.collect::<backup_store::Result<Vec<ObjectMeta>>>()?;
            beside(objects, |object| get(&store, &object.key, &Path::new(dir).join(object.key.as_str())))
        }
        ["list", url] => {
            let mut count = 0_u64;
            for object in connect(url)?.list(&Prefix::all(), None)? {
                object?;
                count += 1;
            }
            println!("{count}");
            Ok(())
        }
        _ => Err("s3_copy put|get|put-all|get-all|list URL …".into()),
    }
}

fn connect(url: &str) -> Result<S3Store> {
    let mut config = S3Config::from_url(url)?;
    if let Ok(endpoint) = std::env::var("S3_ENDPOINT") {
        config.endpoint = Some(Endpoint::new(&endpoint)?);
    }
    Ok(S3Store::connect(config)?)
}

fn put(store: &S3Store, key: &Key, file: &Path) -> Result<()> {
    let mut file = File::open(file)?;
    let options = PutOptions { lock: None, size_hint: Some(file.metadata()?.len()) };
    let mut upload = store.create(key, &options)?;
    io::copy(&mut file, &mut upload)?;
    upload.finish()?;
    Ok(())
}

fn get(store: &S3Store, key: &Key, file: &Path) -> Result<()> {
    let mut reader = store.open(key, None, 0)?;
    let mut file = File::create_new(file)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// Does something with all of them, some at once; the first error ends it.
fn beside<T: Send>(all: Vec<T>, work: impl Fn(T) -> Result<()> + Sync) -> Result<()> {
    let all = Mutex::new(all.into_iter());
    std::thread::scope(|scope| {
        let each = || {
            loop {
                // Not in the head of a `while let`: the lock would be held while the work is done.
                let next = all.lock().map_err(|_| "another one failed")?.next();
                let Some(one) = next else { return Ok(()) };
                work(one)?;
            }
        };
        let workers: Vec<_> = (0..BESIDE).map(|_| scope.spawn(each)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Err("a worker panicked".into())))
    })
}

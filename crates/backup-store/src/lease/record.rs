use crate::{Error, Key, Prefix, PutOptions, Result, Store, Version, put_bytes, read_bytes};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const FORMAT: u32 = 1;
/// Far more than a record is long, in bytes.
const MAX_RECORD: u64 = 64 * 1024;
const DIGITS: usize = 12;

/// What a generation says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// Who wrote it: the same in every process that may take over from another at once.
    pub(super) holder: String,
    /// The holder in words, for whoever has to wait.
    pub(super) description: String,
    /// Random, of one acquisition: tells own records from those of an earlier process with the same holder.
    pub(super) session: String,
    pub(super) state: State,
    /// For how long an unchanged newest generation is to be believed.
    ttl_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Held,
    Released,
}

impl Record {
    pub(super) fn new(holder: &str, description: &str, session: &str, state: State, ttl: Duration) -> Self {
        Self {
            format: FORMAT,
            holder: holder.to_owned(),
            description: description.to_owned(),
            session: session.to_owned(),
            state,
            ttl_ms: ttl_ms(ttl),
        }
    }

    pub(super) const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The holder, for people.
    pub(super) fn who(&self) -> String {
        if self.description.is_empty() { self.holder.clone() } else { self.description.clone() }
    }
}

/// A time to live as it is written: in whole milliseconds.
pub(super) fn ttl_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

/// A generation that is in the store.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) key: Key,
    pub(super) version: Option<Version>,
}

/// Where the generations of one lease are.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) name: String,
    prefix: Prefix,
}

impl<'a> Series<'a> {
    pub(super) fn new(store: &'a dyn Store, name: &str) -> Result<Self> {
        Ok(Self { store, name: name.to_owned(), prefix: Prefix::new(&format!("leases/{name}"))? })
    }

    /// All generations, the newest last.
    pub(super) fn generations(&self) -> Result<Vec<Generation>> {
        let mut generations = Vec::new();
        for meta in self.store.list(&self.prefix, None)? {
            let meta = meta?;
            if let Some(number) = number_of(&self.prefix, &meta.key) {
                generations.push(Generation { number, key: meta.key, version: meta.version });
            }
        }
        Ok(generations)
    }

    pub(super) fn newest(&self) -> Result<Option<Generation>> {
        Ok(self.generations()?.pop())
    }

    pub(super) fn read(&self, generation: &Generation) -> Result<Record> {
        let bytes = read_bytes(self.store, &generation.key, generation.version.as_ref(), MAX_RECORD)?;
        let malformed = |reason| Error::Malformed { key: generation.key.clone(), what: "lease", reason };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if record.format != FORMAT {
            return Err(malformed(format!("its format {} is not {FORMAT}", record.format)));
        }
        Ok(record)
    }

    /// Writes a generation; false when it exists.
    pub(super) fn write(&self, number: u64, record: &Record) -> Result<bool> {
        let key = self.prefix.join(&format!("{number:0DIGITS$}.json"))?;
        let bytes = serde_json::to_vec(record).map_err(|error| Error::Malformed {
            key: key.clone(),
            what: "lease",
            reason: error.to_string(),
        })?;
        match put_bytes(self.store, &key, &bytes, &PutOptions::default()) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a generation, if the store lets it. Never the newest one: who calls has seen a newer one.
    pub(super) fn forget(&self, generation: &Generation) {
        // Before any time at which a lock could have ended: a locked one stays.
        let now = chrono::DateTime::<chrono::Utc>::MIN_UTC;
        let _ = self.store.delete(&generation.key, generation.version.as_ref(), now);
    }
}

/// The number of a generation's key; other keys below a lease are none of its business.
fn number_of(prefix: &Prefix, key: &Key) -> Option<u64> {
    let digits = key.as_str().strip_prefix(&prefix.to_string())?.strip_suffix(".json")?;
    (digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twelve_digits_are_a_generation() {
        let prefix = Prefix::new("leases/a").unwrap();
        let number = |key: &str| number_of(&prefix, &Key::new(key).unwrap());
        assert_eq!(number("leases/a/000000000042.json"), Some(42));
        for other in
            ["42.json", "0000000000042.json", "00000000004x.json", "000000000042", "b/000000000042.json"]
        {
            assert_eq!(number(&format!("leases/a/{other}")), None, "{other}");
        }
    }

    #[test]
    fn the_record_is_as_documented_and_reads_ones_with_more_in_it() {
        let record = Record::new("id", "run on host-1", "5e55", State::Held, Duration::from_secs(90));
        let json = r#"{"format":1,"holder":"id","description":"run on host-1","session":"5e55","state":"held","ttl_ms":90000}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        let more = json.replace("\"format\":1", "\"format\":1,\"added\":true");
        assert_eq!(serde_json::from_str::<Record>(&more).unwrap(), record);
    }
}

//! The records of a WAL segment, followed as the server follows them: which of them a replay has to be warned of, and where
//! it would stop.
//!
//! Laid out as `access/xlogrecord.h` says: a header of 24 bytes (`xl_tot_len` u32, `xl_xid` u32, `xl_prev` u64, `xl_info` u8,
//! `xl_rmid` u8, two of padding, `xl_crc` u32), the headers of blocks and of the main data, and what they announce; each
//! begins at a multiple of eight. A page's header (`access/xlog_internal.h`) has 24 bytes, that of a segment's first page 40;
//! a record goes on behind it where its page ends, also in the middle of its own header, and into the next segment. Numbers
//! of resource managers are those of `access/rmgrlist.h`, and what their records hold that of `commands/tablespace.h`,
//! `access/xact.h` and `access/xlog_internal.h`: the same since `PostgreSQL` 9.5.

use super::Lsn;
use super::pages::PAGE;

/// The bytes of a record's header.
const HEADER: usize = 24;
/// What every record begins at a multiple of.
const ALIGN: usize = 8;
/// The bytes of a page's header, and those of a segment's first page.
const SHORT_PAGE: usize = 24;
const LONG_PAGE: usize = 40;
/// The flags of a page that begins with the rest of a record, and of one whose header is the long one.
const CONTINUES: u64 = 0x0001;
const LONG: u64 = 0x0002;
/// How much of a record that is in several pieces is kept, in bytes: the longest path has 1024.
const KEPT: usize = 4096;

/// What a record does that matters to a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    /// Makes a tablespace: a replay links to the place in which it was, and writes there.
    MakesTablespace {
        /// Its OID.
        oid: u32,
        /// Where it was. Empty for one inside of the data directory.
        place: String,
    },
    /// Ends a transaction, at so many microseconds since 2000.
    EndsTransaction(i64),
    /// Is a restore point of this name.
    IsRestorePoint(String),
}

/// A record that matters to a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it begins.
    pub at: Lsn,
    /// Where the one before it begins.
    pub before: Lsn,
    /// What it does.
    pub does: Does,
}

/// A record whose rest lies behind what was read.
#[derive(Debug, Clone)]
struct Begun {
    at: Lsn,
    length: u64,
    had: u64,
    bytes: Vec<u8>,
}

/// Follows the records of one segment, from its first page to its last.
///
/// Where they cannot be followed the server ends its recovery. This looks on at the next page that says where a record begins:
/// better warned of too much than of too little.
#[derive(Debug, Default)]
pub struct Records {
    begun: Option<Begun>,
    /// The rest of a record that began in the segment before.
    rest: Vec<u8>,
    /// Whether a record has begun in this segment, so that no more of that rest can come.
    is_past_rest: bool,
}

impl Records {
    /// Follows the next page, which lies at `at`, and tells what matters in it.
    pub fn page(&mut self, at: Lsn, page: &[u8], seen: &mut impl FnMut(Record)) {
        let flags = number(page, 2, 2);
        let header = if flags & LONG == 0 { SHORT_PAGE } else { LONG_PAGE };
        let mut from = header;
        if flags & CONTINUES == 0 {
            // A record that a crash cut off is not gone on with: what follows it begins on a page of its own.
            self.begun = None;
        } else {
            let left = number(page, 16, 4);
            self.go_on(page.get(header..).unwrap_or_default(), left, seen);
            let Some(next) = usize::try_from(left).ok().and_then(|left| aligned(header.checked_add(left)?))
            else {
                return;
            };
            from = next;
        }
        while from < PAGE.min(page.len()) {
            self.is_past_rest = true;
            let here = page.get(from..).unwrap_or_default();
            let length = number(here, 0, 4);
            let Some(whole) = usize::try_from(length).ok().filter(|length| *length >= HEADER) else { return };
            let at = Lsn(at.0 + from as u64);
            let Some(record) = here.get(..whole) else {
                self.begun = Some(Begun { at, length, had: here.len() as u64, bytes: here.to_vec() });
                return;
            };
            if let Some(record) = Record::of(at, record) {
                seen(record);
            }
            let Some(next) = from.checked_add(whole).and_then(aligned) else { return };
            from = next;
        }
    }

    /// The rest of a record, of which `left` bytes are told to be here and on the pages that follow.
    fn go_on(&mut self, body: &[u8], left: u64, seen: &mut impl FnMut(Record)) {
        let here = body.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(body);
        let Some(begun) = &mut self.begun else {
            if !self.is_past_rest {
                keep(&mut self.rest, here);
                self.is_past_rest = here.len() as u64 == left;
            }
            return;
        };
        if begun.length.checked_sub(begun.had) != Some(left) {
            self.begun = None;
            return;
        }
        keep(&mut begun.bytes, here);
        begun.had += here.len() as u64;
        if begun.had == begun.length {
            if let Some(record) = Record::of(begun.at, &begun.bytes) {
                seen(record);
            }
            self.begun = None;
        }
    }

    /// The record that ends in the segment that `next` has followed, if it matters.
    #[must_use]
    pub fn over_to(&self, next: &Self) -> Option<Record> {
        let begun = self.begun.as_ref()?;
        let mut bytes = begun.bytes.clone();
        keep(&mut bytes, &next.rest);
        Record::of(begun.at, &bytes)
    }
}

impl Record {
    /// What a record does, of which at least the first [`KEPT`] bytes are given; nothing where that does not matter.
    fn of(at: Lsn, record: &[u8]) -> Option<Self> {
        let (manager, info) = (*record.get(17)?, *record.get(16)?);
        // The upper half of the byte is the manager's.
        let does: fn(&[u8]) -> Option<Does> = match (manager, info & 0xF0) {
            (0, 0x70) => restore_point,
            // The topmost bit says that there is more information in it.
            (1, info) if matches!(info & 0x70, 0x00 | 0x20 | 0x30 | 0x40) => end,
            (5, 0x00) => tablespace,
            _ => return None,
        };
        Some(Self { at, before: Lsn(number(record, 8, 8)), does: does(main_data(record)?)? })
    }
}

fn tablespace(data: &[u8]) -> Option<Does> {
    let oid = u32::try_from(number(data.get(..4)?, 0, 4)).ok()?;
    Some(Does::MakesTablespace { oid, place: text(data.get(4..)?) })
}

fn end(data: &[u8]) -> Option<Does> {
    Some(Does::EndsTransaction(i64::from_le_bytes(*data.first_chunk()?)))
}

fn restore_point(data: &[u8]) -> Option<Does> {
    Some(Does::IsRestorePoint(text(data.get(8..)?)))
}

/// A text up to its zero.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// The main data of a record without blocks, as far as it is here.
fn main_data(record: &[u8]) -> Option<&[u8]> {
    let mut from = HEADER;
    loop {
        let id = *record.get(from)?;
        from += match id {
            // Where it was replicated from, and the transaction of which it is a part.
            0xFD => 3,
            0xFC => 5,
            0xFF => {
                let data = record.get(from + 2..)?;
                return Some(data.get(..usize::from(*record.get(from + 1)?)).unwrap_or(data));
            }
            0xFE => {
                let data = record.get(from + 5..)?;
                let length = usize::try_from(number(record, from + 1, 4)).ok()?;
                return Some(data.get(..length).unwrap_or(data));
            }
            _ => return None,
        };
    }
}

fn keep(kept: &mut Vec<u8>, more: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend(more.iter().take(room));
}

fn aligned(place: usize) -> Option<usize> {
    place.checked_next_multiple_of(ALIGN)
}

/// A number in the byte order of every machine that is still built; what is not there counts as zeroes.
fn number(bytes: &[u8], from: usize, length: usize) -> u64 {
    let bytes = bytes.get(from..).unwrap_or_default();
    bytes.iter().take(length).rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: u64 = 0x500_0000;

    fn record(manager: u8, info: u8, before: u64, data: &[u8]) -> Vec<u8> {
        let head: Vec<u8> = match u8::try_from(data.len()) {
            Ok(length) => vec![0xFF, length],
            Err(_) => [&[0xFE][..], &u32::try_from(data.len()).unwrap().to_le_bytes()].concat(),
        };
        let length = u32::try_from(HEADER + head.len() + data.len()).unwrap();
        [
            &length.to_le_bytes()[..],
            &[0; 4],
            &before.to_le_bytes(),
            &[info, manager, 0, 0],
            &[0; 4],
            &head,
            data,
        ]
        .concat()
    }

    fn tablespace(before: u64, place: &str) -> Vec<u8> {
        record(5, 0, before, &[&16_385_u32.to_le_bytes()[..], place.as_bytes(), &[0]].concat())
    }

    /// Pages from `START` on that hold the records one behind the other, and where each begins.
    fn pages(records: &[Vec<u8>], first_is_long: bool) -> (Vec<Vec<u8>>, Vec<Lsn>) {
        let mut pages: Vec<Vec<u8>> = Vec::new();
        let mut places = Vec::new();
        let begin = |pages: &mut Vec<Vec<u8>>, left: usize| {
            let is_long = pages.is_empty() && first_is_long;
            let mut page = vec![0; if is_long { LONG_PAGE } else { SHORT_PAGE }];
            page[..2].copy_from_slice(&[0x10, 0xD1]);
            page[2] = u8::from(is_long) << 1 | u8::from(left > 0);
            page[16..20].copy_from_slice(&u32::try_from(left).unwrap().to_le_bytes());
            pages.push(page);
        };
        for record in records {
            let mut rest = &record[..];
            while !rest.is_empty() {
                if pages.last().is_none_or(|page| page.len() == PAGE) {
                    begin(&mut pages, if rest.len() == record.len() { 0 } else { rest.len() });
                }
                let count = pages.len() - 1;
                let page = pages.last_mut().unwrap();
                if rest.len() == record.len() {
                    places.push(Lsn(START + (count * PAGE + page.len()) as u64));
                }
                let (here, behind) = rest.split_at(rest.len().min(PAGE - page.len()));
                page.extend(here);
                rest = behind;
            }
            let page = pages.last_mut().unwrap();
            page.resize(page.len().next_multiple_of(ALIGN), 0);
        }
        pages.last_mut().unwrap().resize(PAGE, 0);
        (pages, places)
    }

    fn followed(pages: &[Vec<u8>], from: u64) -> (Records, Vec<Record>) {
        let (mut records, mut seen) = (Records::default(), Vec::new());
        for (index, page) in pages.iter().enumerate() {
            records.page(Lsn(from + (index * PAGE) as u64), page, &mut |record| seen.push(record));
        }
        (records, seen)
    }

    fn made(at: Lsn, place: &str) -> Record {
        let does = Does::MakesTablespace { oid: 16_385, place: place.into() };
        Record { at, before: Lsn(7), does }
    }

    /// Every way in which a page can cut it: behind each eighth byte of its header, and of its path.
    #[test]
    fn a_record_is_found_wherever_a_page_cuts_it() {
        for place in ["/srv/fast".to_owned(), format!("/{}", "long/".repeat(180))] {
            for length in (30..400).map(|eighth| PAGE - 8 * eighth) {
                let filler = record(10, 0, 1, &vec![7; length]);
                for is_long in [true, false] {
                    let records = [filler.clone(), tablespace(7, &place), record(2, 0x10, 9, b"x")];
                    let (pages, places) = pages(&records, is_long);
                    assert_eq!(followed(&pages, START).1, [made(places[1], &place)], "{length}");
                }
            }
        }
        // The same in two segments.
        let mut cuts = 0;
        for length in (2..20).map(|eighth| PAGE - 8 * eighth) {
            let (pages, places) =
                pages(&[record(10, 0, 1, &vec![7; length]), tablespace(7, "/srv/fast")], true);
            if let [first, second] = &pages[..] {
                let (before, seen) = followed(std::slice::from_ref(first), START);
                assert_eq!(seen, []);
                let (behind, seen) = followed(std::slice::from_ref(second), START + PAGE as u64);
                if places[1].0 < START + PAGE as u64 {
                    assert_eq!(seen, []);
                    assert_eq!(before.over_to(&behind), Some(made(places[1], "/srv/fast")));
                    cuts += 1;
                }
            }
        }
        assert!(cuts > 2, "{cuts}");
    }

    #[test]
    fn what_a_crash_cut_off_hides_nothing_behind_it() {
        let (mut first, _) = pages(&[record(10, 0, 1, &vec![7; PAGE])], true);
        first.truncate(1);
        let (second, _) = pages(&[tablespace(7, "/srv/fast")], false);
        first.extend(second);
        let found = followed(&first, START).1;
        assert_eq!(found, [made(Lsn(START + (PAGE + SHORT_PAGE) as u64), "/srv/fast")]);
    }

    #[test]
    fn ends_and_restore_points_are_told_and_nothing_else() {
        let time = 123_456_789_i64.to_le_bytes();
        let replicated = {
            // Of another server's transaction, and long.
            let mut bytes = record(1, 0x80, 1, &[&time[..], &[0; 400]].concat());
            bytes.splice(HEADER..HEADER, [0xFD, 1, 0]);
            let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            bytes[..4].copy_from_slice(&length);
            bytes
        };
        let point = record(0, 0x70, 1, &[&time[..], b"before\0", &[0; 57]].concat());
        let others = [record(5, 0x10, 1, &[1; 4]), record(0, 0x40, 1, b""), record(1, 0x10, 1, &[9; 60])];
        let (pages, _) = pages(&[vec![replicated, point], others.to_vec()].concat(), true);
        let found: Vec<_> = followed(&pages, START).1.into_iter().map(|record| record.does).collect();
        assert_eq!(found, [Does::EndsTransaction(123_456_789), Does::IsRestorePoint("before".into())]);
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(pages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
            let _ = followed(&pages, u64::from(u32::MAX));
        }

        #[test]
        fn no_length_makes_it_panic(length: u32, left: u32, flags in 0_u8..4) {
            let (mut pages, _) = pages(&[tablespace(7, "/a"), tablespace(7, "/b")], true);
            pages[0][2] = flags;
            pages[0][16..20].copy_from_slice(&left.to_le_bytes());
            pages[0][40..44].copy_from_slice(&length.to_le_bytes());
            let _ = followed(&pages, START);
        }
    }
}

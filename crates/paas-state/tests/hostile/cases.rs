//! Bundles that must be refused, by name: each is sound but for one thing, properly sealed, and fits its record.

use crate::forge::{
    Archive, BLOCK, Block, File, binary, compress, file, frame, header, manifest_of, octal,
    seal_with_passphrase, sound_files, sum,
};
use crate::manifests::{fields, files, shapes};

/// How far a forger went; the rest is done as a backup would do it.
pub(crate) enum Layer {
    Tar(Vec<u8>),
    Zstd(Vec<u8>),
    Age(Vec<u8>),
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) layer: Layer,
    /// The code of the error.
    pub(crate) code: &'static str,
    /// What the error says, in part.
    pub(crate) says: &'static str,
}

pub(crate) fn case(name: &str, layer: Layer, code: &'static str, says: &'static str) -> Case {
    Case { name: name.to_owned(), layer, code, says }
}

/// Refused as a bundle.
pub(crate) fn refused(name: &str, layer: Layer, says: &'static str) -> Case {
    case(name, layer, "bundle-refused", says)
}

type Group = fn(&[File]) -> Vec<Case>;

pub(crate) fn all(large: bool) -> Vec<Case> {
    let sound = sound_files(large);
    let groups: [Group; 12] = [
        names, kinds, long_names, sizes, duplicates, shapes, fields, files, contents, ends, frames, envelopes,
    ];
    groups.into_iter().flat_map(|group| group(&sound)).collect()
}

/// A sound archive: what every case is but for one thing.
pub(crate) fn sound_archive(files: &[File]) -> Vec<u8> {
    Archive::default().files(files).manifest(&manifest_of(files)).end()
}

/// The sound files, then what is wrong, then a manifest that knows `more` too, then the end.
fn with(sound: &[File], wrong: impl FnOnce(Archive) -> Archive, more: &[File]) -> Layer {
    let files = [sound, more].concat();
    Layer::Tar(wrong(Archive::default().files(sound)).manifest(&manifest_of(&files)).end())
}

fn names(sound: &[File]) -> Vec<Case> {
    let long_part = format!("context/cache/{}", "n".repeat(256));
    let long_path = format!("context/cache/{}x", "deep/".repeat(204));
    let named: &[(&str, &[u8], &str)] = &[
        ("name-absolute", b"/etc/passwd", "not below 'context/'"),
        ("name-absolute-inside", b"context//etc/passwd", "it is absolute"),
        ("name-parent", b"../evil", "not below 'context/'"),
        ("name-parent-inside", b"context/../evil", "leads elsewhere"),
        ("name-parent-deep", b"context/cache/../../../evil", "leads elsewhere"),
        ("name-parent-at-end", b"context/cache/..", "leads elsewhere"),
        ("name-dot", b"context/./config.json", "leads elsewhere"),
        ("name-backslash", b"context/cache\\..\\..\\evil", "backslash"),
        ("name-drive", b"C:\\evil", "not below 'context/'"),
        ("name-newline", b"context/cache/a\nb", "control character"),
        ("name-escape", b"context/cache/\x1b[2Jgone", "control character"),
        ("name-delete", b"context/cache/a\x7f", "control character"),
        ("name-c1-control", "context/cache/\u{9b}2J".as_bytes(), "control character"),
        ("name-not-utf8", b"context/cache/\xff\xfe", "not UTF-8"),
        ("name-latin1", b"context/cache/caf\xe9", "not UTF-8"),
        ("name-overlong-utf8", b"context/cache/\xc0\xae\xc0\xae", "not UTF-8"),
        ("name-empty", b"", "not below 'context/'"),
        ("name-of-the-root", b"context/", "it is empty"),
        ("name-with-slash-at-end", b"context/cache/", "empty part"),
        ("name-elsewhere", b"elsewhere/config.json", "not below 'context/'"),
        ("name-bare", b"bluegreen.json", "not below 'context/'"),
        ("name-of-the-vault", b"context/vault/secrets.env", "no backup takes"),
        ("name-of-our-own", b"context/.si-backup/lock.json", "no backup takes"),
        ("name-unexpected", b"context/notes.txt", "no backup takes"),
        ("name-env-file", b"context/releases/r1/.env", "no backup takes"),
        ("name-env-file-in-capitals", b"context/releases/r1/PROD.ENV", "no backup takes"),
        ("name-volume", b"context/releases/r1/volumes/compose.yaml", "no backup takes"),
        ("name-volume-in-capitals", b"context/releases/r1/Volumes/compose.yaml", "no backup takes"),
        ("name-dump", b"context/cache/users.sql.gz", "no backup takes"),
        ("name-key", b"context/cache/id_ed25519", "no backup takes"),
        ("name-token", b"context/alerts/telegram.token", "no backup takes"),
        ("name-protected-in-capitals", b"context/CONFIG.JSON", "no backup takes"),
        ("name-protected-elsewhere", b"context/cache/../config.json", "leads elsewhere"),
    ];
    let mut cases: Vec<_> = named
        .iter()
        .map(|(name, bytes, says)| {
            let shown = String::from_utf8_lossy(bytes).into_owned();
            let more = file(shown.strip_prefix("context/").unwrap_or(&shown), "x");
            refused(name, with(sound, |archive| archive.entry(b'0', bytes, "x"), &[more]), says)
        })
        .collect();
    for (name, long, says) in [
        ("name-part-too-long", &long_part, "longer than 255 bytes"),
        ("name-too-long", &long_path, "longer than 1,024 bytes"),
    ] {
        let more = file(long.strip_prefix("context/").unwrap(), "x");
        let wrong = |archive: Archive| archive.long_name(long).entry(b'0', long, "x");
        cases.push(refused(name, with(sound, wrong, &[more]), says));
    }
    let mut split = header(b'0', b"../../evil", octal(1));
    split[257..265].copy_from_slice(b"ustar\x0000");
    split[345..352].copy_from_slice(b"context");
    sum(&mut split);
    let wrong = |archive: Archive| archive.raw(&split).data(b"x");
    cases.push(refused("name-in-two-parts", with(sound, wrong, &[]), "leads elsewhere"));
    cases
}

fn kinds(sound: &[File]) -> Vec<Case> {
    let more = [file("cache/evil", "")];
    let mut cases: Vec<_> = [
        ("kind-hard-link", b'1', "is a hard link"),
        ("kind-symbolic-link", b'2', "is a symbolic link"),
        ("kind-character-device", b'3', "is a device"),
        ("kind-block-device", b'4', "is a device"),
        ("kind-directory", b'5', "is a directory"),
        ("kind-pipe", b'6', "is a pipe"),
        ("kind-contiguous", b'7', "is an extension"),
        ("kind-gnu-sparse", b'S', "is a sparse file"),
        ("kind-gnu-long-link", b'K', "is an extension"),
        ("kind-gnu-volume-label", b'V', "is an extension"),
        ("kind-gnu-multi-volume", b'M', "is an extension"),
        ("kind-gnu-directory-listing", b'D', "is an extension"),
        ("kind-unknown", b'Z', "is an extension"),
        ("kind-not-ascii", 0xff, "is an extension"),
    ]
    .into_iter()
    .map(|(name, kind, says)| {
        refused(name, with(sound, |archive| archive.entry(kind, "context/cache/evil", ""), &more), says)
    })
    .collect();
    let record = |key: &str, value: &str| {
        let body = format!(" {key}={value}\n");
        let length = (1..100).find(|n: &usize| n.to_string().len() + body.len() == *n).unwrap();
        format!("{length}{body}")
    };
    let extended = |name: &str, kind: u8, records: String| {
        let wrong = |archive: Archive| {
            archive.entry(kind, "./PaxHeaders/evil", records).entry(b'0', "context/cache/evil", "")
        };
        refused(name, with(sound, wrong, &more), "is an extension")
    };
    cases.push(extended("pax-path", b'x', record("path", "../../evil")));
    cases.push(extended("pax-size", b'x', record("size", "1099511627776")));
    cases.push(extended("pax-link", b'x', record("linkpath", "/etc/passwd")));
    let sparse =
        [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "1099511627776")];
    cases.push(extended("pax-sparse", b'x', sparse.map(|(key, value)| record(key, value)).concat()));
    cases.push(extended("pax-global", b'g', record("path", "../../evil")));
    cases.push(extended("pax-malformed", b'x', "999999999 path=x\n".into()));
    cases.push(extended("pax-of-sun", b'X', record("path", "../../evil")));
    let mut sparse = header(b'S', b"context/cache/evil", octal(0));
    sparse[386..398].copy_from_slice(&octal(0));
    sparse[398..410].copy_from_slice(&octal(1 << 32));
    sparse[483..495].copy_from_slice(&octal(1 << 32));
    sum(&mut sparse);
    cases.push(refused(
        "gnu-sparse-of-4-gib",
        with(sound, |archive| archive.raw(&sparse), &more),
        "is a sparse file",
    ));
    cases
}

fn long_names(sound: &[File]) -> Vec<Case> {
    let long = |size: [u8; 12]| header(b'L', b"././@LongLink", size);
    let evil = |archive: Archive| archive.entry(b'0', "context/cache/evil", "x");
    let more = [file("cache/evil", "x")];
    let megabyte = vec![b'n'; 1024 * 1024];
    vec![
        refused(
            "long-name-that-leads-elsewhere",
            with(sound, |a| evil(a.long_name("context/../../evil")), &more),
            "leads elsewhere",
        ),
        refused(
            "long-name-of-the-vault",
            with(sound, |a| evil(a.long_name("context/vault/secrets.env")), &more),
            "no backup takes",
        ),
        refused(
            "long-name-not-utf8",
            with(sound, |a| evil(a.long_name(b"context/cache/\xff")), &more),
            "not UTF-8",
        ),
        refused(
            "long-name-with-zero-inside",
            with(sound, |a| evil(a.long_name(b"context/cache/evil\0/../../x")), &more),
            "control character",
        ),
        refused(
            "long-name-twice",
            with(sound, |a| evil(a.long_name("a").long_name("b")), &more),
            "is an extension",
        ),
        refused(
            "long-name-of-a-link",
            with(sound, |a| a.long_name("context/cache/evil").entry(b'2', "x", ""), &more),
            "is a symbolic link",
        ),
        refused("long-name-empty", with(sound, |a| evil(a.entry(b'L', "x", "")), &more), "not below"),
        refused(
            "long-name-huge",
            with(sound, |a| evil(a.raw(&long(octal(1024 * 1024))).data(&megabyte)), &more),
            "longer than 4096 bytes",
        ),
        refused(
            "long-name-endless",
            with(sound, |a| a.raw(&long(octal(8 * 1024 * 1024 * 1024 - 1))).data(&megabyte), &more),
            "longer than 4096 bytes",
        ),
        refused(
            "long-name-longer-than-any-file",
            with(sound, |a| a.raw(&long(binary(u64::MAX))).data(&megabyte), &more),
            "not a tar archive",
        ),
        refused(
            "long-name-of-nothing",
            Layer::Tar(Archive::default().files(sound).long_name("context/cache/x").end()),
            "no manifest",
        ),
        refused(
            "long-name-behind-the-manifest",
            Layer::Tar(Archive::default().files(sound).manifest(&manifest_of(sound)).long_name("x").end()),
            "bytes behind its end",
        ),
    ]
}

fn sizes(sound: &[File]) -> Vec<Case> {
    let more = [file("cache/evil", "x")];
    let claim = |name: &str, size: [u8; 12], says| {
        let wrong = |archive: Archive| archive.raw(&header(b'0', b"context/cache/evil", size)).data(b"x");
        refused(name, with(sound, wrong, &more), says)
    };
    let mut negative = [0xff; 12];
    negative[11] = 0;
    let mut wrong_sum = header(b'0', b"context/cache/evil", octal(1));
    wrong_sum[0] ^= 1;
    let store = [file("config.json", "{}")];
    let store_of = |size| {
        let archive = Archive::default().raw(&header(b'0', b"context/config.json", size)).data(b"{}");
        Layer::Tar(archive.manifest(&manifest_of(&store)).end())
    };
    vec![
        claim("size-of-8-gib", octal(8 * 1024 * 1024 * 1024 - 1), "is cut short"),
        claim("size-of-8-eib", binary(1 << 63), "is cut short"),
        claim("size-of-everything", binary(u64::MAX), "size overflow"),
        claim("size-that-overflows-when-rounded", binary(u64::MAX - 511), "size overflow"),
        claim("size-negative", negative, "not a tar archive"),
        claim("size-not-a-number", *b"notanumber\0\0", "not a tar archive"),
        claim("size-shorter-than-the-data", octal(0), "not a tar archive"),
        claim(
            "size-longer-than-the-data",
            octal(BLOCK as u64 + 1),
            "tar archive (numeric field was not a number)",
        ),
        claim("size-longer-within-the-padding", octal(2), "has 2 bytes instead of 1"),
        refused(
            "size-of-a-store-beyond-all-stores",
            store_of(octal(64 * 1024 * 1024 + 1)),
            "no store has more than",
        ),
        refused(
            "header-with-a-wrong-sum",
            with(sound, |a| a.raw(&wrong_sum).data(b"x"), &more),
            "checksum mismatch",
        ),
        refused("header-of-garbage", with(sound, |a| a.raw(&[0xa5; BLOCK]), &more), "not a tar archive"),
        refused(
            "header-cut-short",
            Layer::Tar(Archive::default().files(sound).raw(&[b'x'; 100]).0),
            "entire block",
        ),
    ]
}

fn duplicates(sound: &[File]) -> Vec<Case> {
    let pair = |name: &str, paths: [&str; 2], says| {
        let more = paths.map(|path| file(path, "x"));
        refused(name, with(sound, |archive| archive.files(&more), &more), says)
    };
    vec![
        refused(
            "duplicate-name",
            with(sound, |a| a.file("config.json", "{}"), &[file("config.json", "{}")]),
            "holds 'context/config.json' twice",
        ),
        refused(
            "duplicate-name-the-manifest-knows-one",
            with(sound, |a| a.file("config.json", "{}"), &[]),
            "holds 'context/config.json' twice",
        ),
        pair("case-collision", ["cache/Readme", "cache/README"], "holds 'context/cache/README' twice"),
        pair("case-collision-of-directories", ["cache/A/x", "cache/a/x"], "twice"),
        pair("case-collision-beyond-ascii", ["cache/Ä", "cache/ä"], "twice"),
        pair("file-then-directory", ["cache/a", "cache/a/b"], "a file and a directory"),
        pair("directory-then-file", ["cache/a/b", "cache/a"], "a file and a directory"),
        pair("file-then-directory-in-other-case", ["cache/A", "cache/a/b"], "a file and a directory"),
        pair("directory-deep-then-file", ["cache/a/b/c/d", "cache/a/b"], "a file and a directory"),
    ]
}

fn contents(sound: &[File]) -> Vec<Case> {
    let more = |path: &str, bytes: &[u8], class: Option<&str>| {
        let files = [sound, &[file(path, bytes)]].concat();
        let mut manifest = manifest_of(&files);
        if let Some(class) = class {
            manifest["files"][sound.len()]["class"] = class.into();
        }
        Layer::Tar(Archive::default().files(&files).manifest(&manifest).end())
    };
    let says = "'bluegreen.json' is not well-formed";
    let nested = b"[".repeat(1_000_000);
    vec![
        refused("store-not-json", more("bluegreen.json", b"{torn", None), says),
        refused("store-empty", more("bluegreen.json", b"", None), says),
        refused("store-of-zeroes", more("bluegreen.json", &[0; 100], None), says),
        refused("store-with-a-tail", more("bluegreen.json", b"{}{}", None), says),
        refused("store-nested-deep", more("bluegreen.json", &nested, None), says),
        refused(
            "store-not-json-and-talked-out-of-it",
            more("bluegreen.json", b"{torn", Some("optional")),
            "it is protected, not optional",
        ),
    ]
}

fn ends(sound: &[File]) -> Vec<Case> {
    let whole = sound_archive(sound);
    let body = &whole[..whole.len() - 2 * BLOCK];
    let tail = |bytes: &[u8]| Layer::Tar([body, bytes].concat());
    let zeroes = [0; 2 * BLOCK];
    let entry = Archive::default().file("bluegreen.json", "{}").end();
    vec![
        refused("end-missing", tail(&[]), "its end is missing"),
        refused("end-half", tail(&zeroes[..BLOCK]), "its end is missing"),
        refused("end-cut-short", tail(&zeroes[..BLOCK + 100]), "its end is missing"),
        refused("end-too-long-by-a-byte", tail(&[0; 2 * BLOCK + 1]), "bytes behind its end"),
        refused("end-too-long-by-a-block", tail(&[0; 3 * BLOCK]), "bytes behind its end"),
        refused("end-with-garbage", tail(&[&zeroes[..], b"evil"].concat()), "bytes behind its end"),
        refused(
            "end-that-is-no-end",
            tail(&[&zeroes[..BLOCK], &[1; BLOCK]].concat()),
            "bytes behind its end",
        ),
        refused("end-and-another-archive", tail(&[&zeroes[..], &entry].concat()), "bytes behind its end"),
        refused("end-half-and-an-entry", tail(&[&zeroes[..BLOCK], &entry].concat()), "bytes behind its end"),
        refused("archive-empty", Layer::Tar(zeroes.to_vec()), "no manifest"),
        refused("archive-without-a-byte", Layer::Tar(Vec::new()), "no manifest"),
        refused("archive-of-garbage", Layer::Tar(vec![0xa5; 3 * BLOCK]), "not a tar archive"),
        refused("archive-compressed-twice", Layer::Tar(compress(&whole)), "not a tar archive"),
    ]
}

fn frames(sound: &[File]) -> Vec<Case> {
    let tar = sound_archive(sound);
    let whole = compress(&tar);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"evil"].concat();
    let mut dictionary = frame(20, &[Block::Raw(&tar)]);
    dictionary[4] = 1;
    dictionary.insert(6, 42);
    let mut reserved = frame(20, &[Block::Raw(&tar)]);
    reserved[4] = 1 << 3;
    let mut reserved_block = frame(20, &[Block::Raw(&tar)]);
    reserved_block[6] |= 3 << 1;
    let mut checked = frame(20, &[Block::Raw(&tar)]);
    checked[4] = 1 << 2;
    checked.extend_from_slice(b"sum!");
    let mut single = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
    single.extend_from_slice(&(1_u64 << 40).to_le_bytes());
    single.extend_from_slice(&frame(20, &[Block::Raw(&tar)])[6..]);
    vec![
        refused("zstd-not-at-all", Layer::Zstd(tar.clone()), "not one zstd frame"),
        refused("zstd-of-nothing", Layer::Zstd(Vec::new()), "it is cut short"),
        refused(
            "zstd-gzip-instead",
            Layer::Zstd(b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
            "not one zstd frame",
        ),
        refused(
            "zstd-of-an-old-version",
            Layer::Zstd(b"\x27\xb5\x2f\xfd\0\0\0".to_vec()),
            "not one zstd frame",
        ),
        refused(
            "zstd-cut-short",
            Layer::Zstd(whole[..whole.len() - 10].to_vec()),
            "zstd frame (it is cut short)",
        ),
        refused("zstd-two-frames", Layer::Zstd([&whole[..], &whole].concat()), "bytes behind its end"),
        refused(
            "zstd-empty-frame-behind",
            Layer::Zstd([&whole[..], &compress(b"")].concat()),
            "bytes behind its end",
        ),
        refused(
            "zstd-empty-frame-before",
            Layer::Zstd([&compress(b"")[..], &whole].concat()),
            "bytes behind its end",
        ),
        refused(
            "zstd-split-into-frames",
            {
                let (a, b) = tar.split_at(BLOCK);
                Layer::Zstd([compress(a), compress(b)].concat())
            },
            "bytes behind its end",
        ),
        refused(
            "zstd-skippable-frame-behind",
            Layer::Zstd([&whole[..], &skippable].concat()),
            "bytes behind its end",
        ),
        refused(
            "zstd-skippable-frame-before",
            Layer::Zstd([&skippable[..], &whole].concat()),
            "bytes behind its end",
        ),
        refused("zstd-garbage-behind", Layer::Zstd([&whole[..], b"x"].concat()), "bytes behind its end"),
        refused("zstd-window-of-16-mib", Layer::Zstd(frame(24, &[Block::Raw(&tar)])), "too much memory"),
        refused("zstd-window-of-2-gib", Layer::Zstd(frame(31, &[Block::Raw(&tar)])), "too much memory"),
        refused("zstd-window-of-2-tib", Layer::Zstd(frame(41, &[Block::Raw(&tar)])), "not one zstd frame"),
        refused("zstd-frame-of-1-tib-at-once", Layer::Zstd(single), "too much memory"),
        refused("zstd-with-a-dictionary", Layer::Zstd(dictionary), "ictionary"),
        refused("zstd-with-a-reserved-bit", Layer::Zstd(reserved), "not one zstd frame"),
        refused("zstd-with-a-reserved-block", Layer::Zstd(reserved_block), "not one zstd frame"),
        refused("zstd-with-a-wrong-checksum", Layer::Zstd(checked), "checksum"),
    ]
}

fn envelopes(sound: &[File]) -> Vec<Case> {
    let packed = compress(&sound_archive(sound));
    let stanza = "-> X25519 CJM36AHmTbdHSuOQL+NESqyVQE75f2e610iRdLPEN20\nC3ZAeY64NXS4QFrksLm3EGz+uPRyI0eQsWw7LWbbYig\n";
    let head = "age-encryption.org/v1\n";
    vec![
        refused("age-nothing", Layer::Age(Vec::new()), "does not decrypt"),
        refused("age-not-at-all", Layer::Age(packed.clone()), "does not decrypt"),
        refused("age-text-instead", Layer::Age(b"hello, world\n".to_vec()), "does not decrypt"),
        refused(
            "age-newer",
            Layer::Age(b"age-encryption.org/v2\n-> x\n\n--- \n".to_vec()),
            "does not decrypt",
        ),
        refused("age-first-line-alone", Layer::Age(head.into()), "does not decrypt"),
        refused(
            "age-without-recipients",
            Layer::Age(format!("{head}--- {}\n", "A".repeat(43)).into()),
            "does not decrypt",
        ),
        refused(
            "age-armoured",
            Layer::Age(b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n".to_vec()),
            "does not decrypt",
        ),
        refused(
            "age-header-endless",
            Layer::Age(format!("{head}{}", stanza.repeat(50_000)).into()),
            "does not decrypt",
        ),
        refused(
            "age-header-of-one-line",
            Layer::Age(format!("{head}-> {}", "a ".repeat(2_000_000)).into()),
            "does not decrypt",
        ),
        refused(
            "age-header-of-one-word",
            Layer::Age(format!("{head}-> {}", "a".repeat(4_000_000)).into()),
            "does not decrypt",
        ),
        case(
            "age-with-a-passphrase",
            Layer::Age(seal_with_passphrase(&packed)),
            "wrong-identity",
            "not sealed to any of the given identities",
        ),
        case(
            "age-for-somebody-else",
            Layer::Age(
                paas_state::Recipients::parse(paas_state::Identities::generate().recipients())
                    .unwrap()
                    .seal_bytes(&packed)
                    .unwrap(),
            ),
            "wrong-identity",
            "not sealed to any of the given identities",
        ),
    ]
}

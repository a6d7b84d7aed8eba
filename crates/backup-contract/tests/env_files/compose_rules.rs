//! Compose's rules, one by one. Each case but those of what is refused was held against compose's own reader (v2.9.1).

use crate::read;
use backup_contract::Error;
use backup_contract::environment::EnvFile;

#[track_caller]
fn reads(text: &str, expected: &[(&str, &str)]) {
    let read: Vec<_> = read(text).into_iter().map(|(name, value)| (name, value.unwrap())).collect();
    let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(read, expected, "{text:?}");
}

#[test]
fn a_value_ends_with_its_line_or_before_a_comment_set_apart() {
    reads("A=b\nC=d", &[("A", "b"), ("C", "d")]);
    reads("A=b # c\n", &[("A", "b")]);
    reads("A=b#c\n", &[("A", "b#c")]);
    reads("A=b\t#c\n", &[("A", "b\t#c")]);
    reads("A=#b\n", &[("A", "#b")]);
    reads("A= # b\n", &[("A", "# b")]);
    reads("A=b  \r\nC=d\r\n", &[("A", "b"), ("C", "d")]);
    reads("A=\nB=\n", &[("A", ""), ("B", "")]);
    reads("A=b=c\n", &[("A", "b=c")]);
    reads("A=b\"c\" 'd'\n", &[("A", "b\"c\" 'd'")]);
}

#[test]
fn a_name_may_be_exported_and_stand_off_its_value() {
    reads("export A=b\n", &[("A", "b")]);
    reads("export\tA=b\n", &[("A", "b")]);
    reads("exported=b\n", &[("exported", "b")]);
    reads("export=b\n", &[("export", "b")]);
    reads("  A  =  b\n", &[("A", "b")]);
    reads("A: b\n", &[("A", "b")]);
    reads("a.b-c[0]_D9=x\n", &[("a.b-c[0]_D9", "x")]);
    reads("# A=b\n\n  # C=d\nE=f\n#", &[("E", "f")]);
    reads("\u{feff}A=b\n", &[("A", "b")]);
}

#[test]
fn single_quotes_keep_all_but_their_own_escape() {
    reads(r"A='b c # $d ${e} \n \\ \' f' # g", &[("A", r"b c # $d ${e} \n \\ ' f")]);
    reads("A='b\nc'\nD=e", &[("A", "b\nc"), ("D", "e")]);
    reads("A=''\n", &[("A", "")]);
}

#[test]
fn double_quotes_know_escapes_and_lines() {
    reads("A=\"b # c\" # d\n", &[("A", "b # c")]);
    reads("A=\"b\nc\"\nD=e\n", &[("A", "b\nc"), ("D", "e")]);
    reads(r#"A="\a\b\f\n\r\t\v\\\"\'\q\0101\0777""#, &[("A", "\x07\x08\x0c\n\r\t\x0b\\\"\\'\\qA\\777")]);
    reads("A=\"b\\\nc\"\n", &[("A", "b\\\nc")]);
    reads("A=\"b\" C=d\n", &[("A", "b"), ("C", "d")]);
}

#[test]
fn a_dollar_is_doubled_or_escaped_or_substituted() {
    reads("A=b$$c\n", &[("A", "b$c")]);
    reads("A=\"b$$c\"\n", &[("A", "b$c")]);
    reads(r#"A="b\$c""#, &[("A", "b$c")]);
    reads("A='b$c'\n", &[("A", "b$c")]);
}

#[test]
fn an_unescaped_dollar_is_left_to_compose() {
    for text in ["A=$B", "A=${B}", "A=b$", r"A=b\$c", "A=\"$B\"", "A=\"${B:-c}\"", "A=$$$B", r#"A="\0044b""#]
    {
        assert_eq!(read(text), [("A".to_owned(), Some("<substituted>".to_owned()))], "{text}");
    }
}

#[test]
fn a_name_alone_is_inherited() {
    assert_eq!(
        read("A\nexport B\nC=d"),
        [("A".to_owned(), None), ("B".to_owned(), None), ("C".to_owned(), Some("d".to_owned()))]
    );
}

#[test]
fn the_last_value_counts_and_every_line_is_known() {
    let file = EnvFile::parse(b"A=1\nB=\"x\ny\"\n\nA=2\n").unwrap();
    let a = file.get("A").unwrap();
    assert_eq!((a.literal().unwrap().expose(), a.line()), ("2", 5));
    assert_eq!(file.get("B").unwrap().line(), 2);
    assert!(file.get("C").is_none());
}

#[test]
fn what_is_no_env_file_is_refused_with_its_line() {
    for (text, line) in [
        (&b"A=b\nC%=d\n"[..], 2),
        (b"A=b\n\nC d=e\n", 3),
        (b"=b\n", 1),
        (b"A=\"b\n\nC=d\n", 1),
        (b"A=b\nC='d\n", 2),
        (b"A=b\nC=\xff\n", 2),
        (b"A=b\nC=d\0\n", 2),
        (b"A=b\nC=\"\\0000\"\n", 2),
        (b"{\"A\": 1}", 1),
        (b"\x7fELF", 1),
    ] {
        let error = EnvFile::parse(text).unwrap_err();
        assert!(matches!(error, Error::EnvSyntax { line: at, .. } if at == line), "{text:?}: {error}");
    }
}

//! What is asked after a restore, of real ports, programs and pages.

use backup_store::Clock;
use restore_guard::{Check, CheckKind, ask, ask_by};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A clock that goes on only while somebody waits, by as long as they wait.
struct Manual<F> {
    now: Mutex<(Duration, Vec<Duration>)>,
    /// What happens meanwhile; how long it takes.
    meanwhile: F,
}

impl<F: Fn(Duration) -> Duration + Send + Sync> Manual<F> {
    fn new(meanwhile: F) -> Self {
        Self { now: Mutex::default(), meanwhile }
    }

    fn waits(&self) -> Vec<Duration> {
        self.now.lock().unwrap().1.clone()
    }
}

impl<F> std::fmt::Debug for Manual<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manual")
    }
}

impl<F: Fn(Duration) -> Duration + Send + Sync> Clock for Manual<F> {
    fn monotonic(&self) -> Duration {
        self.now.lock().unwrap().0
    }

    fn sleep(&self, time: Duration) {
        let took = (self.meanwhile)(time);
        let mut now = self.now.lock().unwrap();
        now.0 += took;
        now.1.push(time);
    }
}

/// A program is given real moments to end in, and what they take is not counted.
fn patient() -> Manual<impl Fn(Duration) -> Duration + Send + Sync> {
    Manual::new(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Duration::ZERO
    })
}

fn once(kind: CheckKind) -> Check {
    let mut check = Check::new("question", kind);
    (check.attempts, check.timeout) = (1, Duration::from_mins(1));
    check
}

fn command(words: &[&str]) -> CheckKind {
    CheckKind::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Whether it is answered as it should be, and what is said of it.
fn asked(check: &Check) -> (bool, String) {
    let result = ask(check, &patient(), &|| false);
    assert_eq!(result.name, check.name);
    (result.ok, result.detail)
}

/// An address that no other test listens at: a port that was closed is soon somebody else's.
const ALONE: &str = "127.83.1.7:0";

/// Asks until it is not answered any more. A process that another test is just starting has a copy of what listens until it
/// runs its program.
fn await_closed(ask: impl Fn() -> (bool, String)) -> (bool, String) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if !answer.0 || Instant::now() > deadline {
            return answer;
        }
    }
}

#[test]
fn a_port_accepts_connections_or_does_not() {
    let listener = TcpListener::bind(ALONE).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let check = once(CheckKind::Tcp(address.clone()));
    assert_eq!(asked(&check), (true, format!("{address} accepts connections")));
    drop(listener);
    let (ok, detail) = await_closed(|| asked(&check));
    assert!(!ok && detail.starts_with(&format!("{address} accepts no connection: ")), "{detail}");
    for nowhere in ["127.0.0.1", "127.0.0.1:99999", ""] {
        let (ok, detail) = asked(&once(CheckKind::Tcp(nowhere.into())));
        assert!(!ok && detail.contains("no address"), "{detail}");
    }
}

#[test]
fn a_command_succeeds_with_0_alone() {
    for (words, expected) in [
        (&["true"][..], Ok("'true' ended with 0")),
        (&["sh", "-c", "exit 3"], Err("'sh' ended with 3")),
        (&["sh", "-c", "kill -9 $$"], Err("'sh' was ended by signal 9")),
        // Its words are its words: no shell reads them, and none of them is told.
        (&["test", "$HOME; x", "=", "$HOME; x"], Ok("'test' ended with 0")),
        (&["false", "a-secret"], Err("'false' ended with 1")),
        (&[], Err("there is no command")),
    ] {
        let expected = match expected {
            Ok(detail) => (true, detail.to_owned()),
            Err(detail) => (false, detail.to_owned()),
        };
        assert_eq!(asked(&once(command(words))), expected, "{words:?}");
    }
    let (ok, detail) = asked(&once(command(&["/nowhere/program", "a-secret"])));
    assert!(!ok && detail.starts_with("'/nowhere/program' cannot be run: "), "{detail}");
    assert!(!detail.contains("a-secret"), "{detail}");
}

/// The processes of which a shell has written down the number.
fn is_written(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse().ok()
}

/// Whether a process runs; one that nobody has waited for yet does not.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn await_end(process: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while runs(process) {
        assert!(Instant::now() < deadline, "process {process} is killed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A program that has started another one, and waits for it for ever.
fn hanging(home: &Path) -> Check {
    let script = format!(
        "sleep 1000 & echo $! > '{home}/child'; echo $$ > '{home}/parent'; wait",
        home = home.display()
    );
    once(command(&["sh", "-c", &script]))
}

#[test]
fn what_hangs_is_killed_with_all_that_it_has_started() {
    let home = tempfile::tempdir().unwrap();
    let (parent, child) = (home.path().join("parent"), home.path().join("child"));
    let mut check = hanging(home.path());
    check.timeout = Duration::from_millis(1_500);
    // Time goes on when both of them are there.
    let clock = Manual::new(|time| {
        if is_written(&parent).is_some() {
            return time * 10;
        }
        std::thread::sleep(Duration::from_millis(1));
        Duration::ZERO
    });
    let result = ask(&check, &clock, &|| false);
    assert_eq!((result.ok, result.detail.as_str()), (false, "'sh' did not end within 1.5 s, and was killed"));
    // By as much as it is looked at, no more.
    assert!((1_500..1_800).contains(&result.duration_ms), "{}", result.duration_ms);
    assert!(!runs(is_written(&parent).unwrap()));
    await_end(is_written(&child).unwrap());
}

#[test]
fn who_stops_the_asking_stops_the_program() {
    let home = tempfile::tempdir().unwrap();
    let parent = home.path().join("parent");
    let mut check = hanging(home.path());
    check.attempts = 5;
    let clock = patient();
    let result = ask(&check, &clock, &|| is_written(&parent).is_some());
    assert_eq!((result.ok, result.detail.as_str()), (false, "'sh' was stopped"));
    assert!(clock.waits().iter().all(|wait| *wait < check.every), "it is asked once");
    await_end(is_written(&home.path().join("child")).unwrap());
    // Before anything was asked.
    let result = ask(&check, &patient(), &|| true);
    assert_eq!((result.ok, result.detail.as_str()), (false, "it was not asked"));
}

#[test]
fn it_is_asked_again_until_it_is_answered_or_the_attempts_are_used_up() {
    let home = tempfile::tempdir().unwrap();
    // Takes a stone away each time; the third time there is none.
    let stones = || [1, 2].map(|n| std::fs::write(home.path().join(n.to_string()), "").unwrap());
    let script = format!(
        "for s in '{}'/*; do [ -e \"$s\" ] && rm \"$s\" && exit 7; done; exit 0",
        home.path().display()
    );
    let mut check = once(command(&["sh", "-c", &script]));
    check.every = Duration::from_secs(5);
    for (attempts, expected) in [(3, true), (12, true), (2, false), (1, false), (0, false)] {
        stones();
        check.attempts = attempts;
        let clock = Manual::new(|time| {
            if time < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(1));
                return Duration::ZERO;
            }
            time
        });
        let result = ask(&check, &clock, &|| false);
        let pauses = clock.waits().iter().filter(|wait| **wait == check.every).count();
        assert_eq!((result.ok, pauses), (expected, attempts.clamp(1, 3) as usize - 1), "{attempts}");
        assert_eq!(result.duration_ms, 5_000 * pauses as u64);
        let told = if expected { "'sh' ended with 0" } else { "'sh' ended with 7" };
        assert_eq!(result.detail, told);
    }
}

#[cfg(feature = "http")]
mod pages {
    use super::{asked, once};
    use restore_guard::{Check, CheckKind, ask};
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    /// A server that gives the answers in their order, one a connection, and tells which pages were asked for.
    fn serve(answers: Vec<String>) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked_for, pages) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut connection, _) = listener.accept().unwrap();
                let page = head(&connection);
                let _ = asked_for.send(page);
                let _ = connection.write_all(answer.as_bytes());
            }
        });
        (address, pages)
    }

    fn head(connection: &TcpStream) -> String {
        let mut lines = BufReader::new(connection).lines();
        let first = lines.next().unwrap().unwrap();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        first
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn page(url: &str, expect: u16, contains: Option<&str>) -> Check {
        let kind = CheckKind::Http { url: url.into(), expect, contains: contains.map(str::to_owned) };
        once(kind)
    }

    #[test]
    fn a_page_answers_with_its_status_and_its_text() {
        let long = format!("{}the end", "x".repeat(1 << 20));
        for (given, expect, contains, expected) in [
            (answer("200 OK", "all is well"), 200, None, Ok("it answers with status 200")),
            (answer("200 OK", "all is well"), 200, Some("is well"), Ok("it answers with status 200")),
            (answer("404 Not Found", "no such page"), 404, None, Ok("it answers with status 404")),
            (
                answer("200 OK", "all is well"),
                200,
                Some("welcome"),
                Err("it answers with status 200, and without the text that is expected"),
            ),
            // The text behind the first mebibyte is not looked for.
            (
                answer("200 OK", &long),
                200,
                Some("the end"),
                Err("it answers with status 200, and without the text that is expected"),
            ),
            (answer("200 OK", &long[8..]), 200, Some("xxxthe "), Ok("it answers with status 200")),
            (
                answer("500 Internal Server Error", "all is well"),
                200,
                Some("well"),
                Err("it answers with status 500, and 200 is expected"),
            ),
            (answer("204 No Content", ""), 200, None, Err("it answers with status 204, and 200 is expected")),
        ] {
            let (address, pages) = serve(vec![given]);
            let expected = match expected {
                Ok(detail) => (true, detail.to_owned()),
                Err(detail) => (false, detail.to_owned()),
            };
            assert_eq!(asked(&page(&format!("{address}/health?a=b"), expect, contains)), expected);
            assert_eq!(pages.recv().unwrap(), "GET /health?a=b HTTP/1.1");
        }
    }

    #[test]
    fn another_address_is_not_asked() {
        for status in
            ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            let (elsewhere, never) = serve(vec![answer("200 OK", "all is well")]);
            let moved = || {
                format!(
                    "HTTP/1.1 {status}\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            };
            let (address, pages) = serve(vec![moved(), moved()]);
            let code: u16 = status[..3].parse().unwrap();
            let (ok, detail) = asked(&page(&address, 200, None));
            assert_eq!((ok, detail), (false, format!("it answers with status {code}, and 200 is expected")));
            assert!(asked(&page(&address, code, None)).0);
            assert_eq!(pages.iter().count(), 2);
            assert!(never.try_recv().is_err());
        }
    }

    #[test]
    fn no_answer_in_time_is_none() {
        // It is listened to, and nobody ever answers.
        let listener = TcpListener::bind(super::ALONE).unwrap();
        let mut check = page(&format!("http://{}", listener.local_addr().unwrap()), 200, None);
        check.timeout = Duration::from_millis(150);
        let (ok, detail) = asked(&check);
        assert!(!ok && detail.starts_with("no answer: "), "{detail}");
        drop(listener);
        let (ok, detail) = asked(&check);
        assert!(!ok && detail.starts_with("no answer: "), "{detail}");
    }

    #[test]
    fn half_a_body_and_no_http_are_no_answer() {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall is".to_owned();
        let (address, _pages) = serve(vec![half, "hello\r\n\r\n".to_owned()]);
        let (ok, detail) = asked(&page(&address, 200, Some("all is well")));
        assert!(!ok && detail.starts_with("its body ends early: "), "{detail}");
        let (ok, detail) = asked(&page(&address, 200, None));
        assert!(!ok && detail.starts_with("no answer: "), "{detail}");
        let (ok, detail) = asked(&page("ftp://127.0.0.1/", 200, None));
        assert!(!ok, "{detail}");
    }

    #[test]
    fn a_page_that_comes_up_late_is_asked_again() {
        let down = || answer("503 Service Unavailable", "");
        let (address, pages) = serve(vec![down(), down(), answer("200 OK", "all is well")]);
        let mut check = page(&address, 200, Some("well"));
        (check.attempts, check.every) = (12, Duration::from_secs(5));
        let clock = super::Manual::new(|time| time);
        let result = ask(&check, &clock, &|| false);
        assert!(result.ok, "{result:?}");
        assert_eq!((clock.waits(), result.duration_ms), (vec![check.every; 2], 10_000));
        assert_eq!(pages.iter().count(), 3);
        // Who is asked no more was not up.
        let (address, _pages) = serve(vec![down(), down(), answer("200 OK", "all is well")]);
        let mut check = page(&address, 200, None);
        check.attempts = 2;
        assert!(!ask(&check, &super::Manual::new(|time| time), &|| false).ok);
    }
}

#[test]
fn what_has_another_way_to_ask_is_asked_as_patiently() {
    let mut check = once(CheckKind::Other);
    assert!(!asked(&check).0, "nothing here can ask it");
    (check.attempts, check.every) = (4, Duration::from_secs(3));
    let clock = Manual::new(|time| time);
    let mut times = 0;
    let result = ask_by(&check, &clock, &|| false, &mut || {
        times += 1;
        if times == 3 { Ok("now it does".into()) } else { Err("not yet".into()) }
    });
    assert_eq!((result.ok, result.detail.as_str(), times), (true, "now it does", 3));
    assert_eq!(clock.waits(), [Duration::from_secs(3); 2]);
    assert_eq!(result.duration_ms, 6_000);
}

/// A name with several addresses, none of which answers, takes no longer than one.
#[test]
fn every_address_of_a_name_is_within_one_time_limit() {
    struct Late(Mutex<u32>);
    impl std::fmt::Debug for Late {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Late")
        }
    }
    // The looking up has taken all of it.
    impl Clock for Late {
        fn monotonic(&self) -> Duration {
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            Duration::from_secs(u64::from(*asked) * 60)
        }
        fn sleep(&self, _: Duration) {}
    }
    let listener = TcpListener::bind(ALONE).unwrap();
    let check = once(CheckKind::Tcp(listener.local_addr().unwrap().to_string()));
    let result = ask(&check, &Late(Mutex::new(0)), &|| false);
    assert!(!result.ok && result.detail.contains("within 60 s"), "{}", result.detail);
}

use crate::Random;
use std::time::Duration;

/// What becomes of one request on its way to the server and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing unusual.
    None,
    /// The proxy answers with an error; the server never hears of the request.
    Answer {
        /// The status of HTTP.
        status: u16,
        /// The code of S3.
        code: &'static str,
        /// After how many seconds to come back, where the answer says so.
        retry_after: Option<u32>,
    },
    /// The connection is reset before the server hears of the request.
    Reset,
    /// The server does it, and the connection is reset in place of the answer.
    LostAnswer,
    /// Silence; the server never hears of it.
    Stall,
    /// The server does it, and then there is silence.
    StallAfter,
    /// The answer ends after so many hundredths of its body.
    CutAnswer(u8),
    /// After so many hundredths of the body there is silence.
    StallAnswer(u8),
    /// The server gets so many hundredths of the body, then both connections break.
    CutRequest(u8),
    /// Nothing for this time, then the body in three pieces with as much time between them.
    SlowAnswer(Duration),
    /// The server gets it twice; the client gets the second answer.
    SentTwice,
    /// The client gets the same answer twice on its connection.
    AnsweredTwice,
    /// One bit of one byte of the answer's body is another: the byte at this number of thousandths of it.
    FlipAnswer(u16),
    /// The same of the request's body.
    FlipRequest(u16),
}

/// Faults at random, determined by a seed.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    percent: u64,
}

impl Schedule {
    /// Faults for so many requests of 100.
    #[must_use]
    pub fn new(seed: u64, percent: u64) -> Self {
        Self { random: Random::new(seed).fork("faults"), percent }
    }

    /// The next one.
    pub fn next(&mut self, reads_object: bool) -> Fault {
        let random = &mut self.random;
        if !random.percent(self.percent) {
            return Fault::None;
        }
        let hundredths = u8::try_from(random.below(100)).unwrap_or(0);
        let thousandths = u16::try_from(random.below(1000)).unwrap_or(0);
        match random.below(16) {
            0 => Fault::Answer { status: 500, code: "InternalError", retry_after: None },
            1 => Fault::Answer { status: 503, code: "SlowDown", retry_after: None },
            2 => Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(0) },
            3 => Fault::Reset,
            4 | 5 => Fault::LostAnswer,
            6 => Fault::Stall,
            7 => Fault::StallAfter,
            8 => Fault::CutAnswer(hundredths),
            9 => Fault::StallAnswer(hundredths),
            10 => Fault::CutRequest(hundredths),
            11 => Fault::SlowAnswer(Duration::from_millis(random.below(20))),
            12 => Fault::SentTwice,
            13 => Fault::AnsweredTwice,
            // Only the bytes of objects have a digest that anybody can compare.
            14 if reads_object => Fault::FlipAnswer(thousandths),
            14 | 15 => Fault::FlipRequest(thousandths),
            _ => Fault::None,
        }
    }
}

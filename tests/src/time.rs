/// A moment as nanoseconds since 1970, written as si writes it: RFC 3339, UTC, nine digits of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

const DAY: u64 = 86_400_000_000_000;

impl Moment {
    /// 2026-01-05T00:00:00Z.
    pub(crate) const START: Self = Self(1_767_571_200_000_000_000);

    pub(crate) const fn plus(self, nanoseconds: u64) -> Self {
        Self(self.0 + nanoseconds)
    }

    /// Year, month and day, by Howard Hinnant's `civil_from_days`.
    fn civil(self) -> (u64, u64, u64) {
        let z = self.0 / DAY + 719_468;
        let era = z / 146_097;
        let doe = z % 146_097;
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let (year, month, day) = self.civil();
        let of_day = self.0 % DAY;
        let seconds = of_day / 1_000_000_000;
        digits(out, year, 4);
        for (mark, value) in [(b'-', month), (b'-', day), (b'T', seconds / 3600), (b':', seconds / 60 % 60)] {
            out.push(mark);
            digits(out, value, 2);
        }
        out.push(b':');
        digits(out, seconds % 60, 2);
        out.push(b'.');
        digits(out, of_day % 1_000_000_000, 9);
        out.push(b'Z');
    }

    pub(crate) fn text(self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The name that a release of this moment bears, without its commit.
    pub(crate) fn compact(self) -> String {
        let text = self.text();
        let digits: String = text[..19].chars().filter(char::is_ascii_digit).collect();
        format!("{}-{}", &digits[..8], &digits[8..])
    }
}

/// Appends the last `width` decimal digits of `value`.
pub(crate) fn digits(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_si_writes_them() {
        assert_eq!(Moment::START.text(), "2026-01-05T00:00:00.000000000Z");
        assert_eq!(Moment::START.plus(55 * DAY + 123).text(), "2026-03-01T00:00:00.000000123Z");
        assert_eq!(Moment::START.compact(), "20260105-000000");
    }
}

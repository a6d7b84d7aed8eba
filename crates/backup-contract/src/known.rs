/// Something that may not be known. What nobody looked at is neither good nor bad: it is unknown, and why is said.
///
/// ```
/// use backup_contract::Known;
///
/// let looked: Known<u32> = Known::of("7".parse::<u32>());
/// assert_eq!(looked, Known::Known(7));
/// let failed: Known<u32> = Known::of("seven".parse::<u32>());
/// assert_eq!(failed.why(), Some("invalid digit found in string"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// It was looked at, and this was found.
    Known(T),
    /// It was not looked at, or could not be: why, and what would help. Holds no secret.
    Unknown(String),
}

impl<T> Known<T> {
    /// Unknown, and why.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(why.into())
    }

    /// Known when the look at it succeeded, else unknown for the reason that it failed.
    pub fn of<E: std::fmt::Display>(looked: Result<T, E>) -> Self {
        looked.map_or_else(|e| Self::Unknown(e.to_string()), Self::Known)
    }

    /// The same, borrowed; the reason is copied.
    #[must_use]
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Known(value) => Known::Known(value),
            Self::Unknown(why) => Known::Unknown(why.clone()),
        }
    }

    /// What is known, made into something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Known(value) => Known::Known(make(value)),
            Self::Unknown(why) => Known::Unknown(why),
        }
    }

    /// What is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why it is not known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }
}

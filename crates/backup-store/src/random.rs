use crate::{Error, Result};

/// 64 random bits.
pub(crate) fn bits() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::Random(error.to_string()))
}

/// 64 random bits as 16 hexadecimal digits: a name that nobody else picks.
pub(crate) fn name() -> Result<String> {
    Ok(format!("{:016x}", bits()?))
}

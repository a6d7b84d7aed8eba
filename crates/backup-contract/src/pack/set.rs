//! Parameters by name, as commands and add-on lists give them.

use super::{Data, Databasus, Pack, PackError, Receiver, Relay, SupabaseWalg};

/// What switches an optional part off.
const NONE: &str = "none";

impl SupabaseWalg {
    /// The parameters that [`set`](Self::set) takes.
    pub const PARAMETERS: [&'static str; 12] = [
        "backup-service",
        "restore-service",
        "receiver",
        "slot",
        "database",
        "image",
        "env-file",
        "data",
        "volume",
        "pgdata",
        "prefix",
        "network",
    ];

    /// Sets one parameter. `data` and `volume` say where the data is, the later one counts; `receiver=none` leaves the
    /// receiver out.
    ///
    /// # Errors
    /// [`PackError`] for a name or a value that is none.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PackError> {
        match name {
            "backup-service" => self.backup_service = value.parse()?,
            "restore-service" => self.restore_service = value.parse()?,
            "receiver" if value == NONE => self.receiver = None,
            "receiver" => self.receiver.get_or_insert_with(Receiver::default).service = value.parse()?,
            "slot" => self.receiver.get_or_insert_with(Receiver::default).slot = value.parse()?,
            "database" => self.database_service = value.parse()?,
            "image" => self.image = value.parse()?,
            "env-file" => self.env_file = value.parse()?,
            "data" => {
                self.data = Data::Directory { path: value.parse()?, pgdata: self.data.pgdata().clone() }
            }
            "volume" => {
                self.data = Data::Volume { volume: value.parse()?, pgdata: self.data.pgdata().clone() }
            }
            "pgdata" => {
                let (Data::Directory { pgdata, .. } | Data::Volume { pgdata, .. }) = &mut self.data;
                *pgdata = value.parse()?;
            }
            "prefix" => self.prefix = Some(value.parse()?),
            "network" => self.network = Some(value.parse()?),
            _ => return Err(no_parameter(Pack::SupabaseWalg, name, &Self::PARAMETERS)),
        }
        Ok(())
    }
}

impl Databasus {
    /// The parameters that [`set`](Self::set) takes.
    pub const PARAMETERS: [&'static str; 8] =
        ["service", "image", "volume", "private-network", "relay", "relay-image", "database", "network"];

    /// Sets one parameter; `relay=none` leaves the relay out.
    ///
    /// # Errors
    /// [`PackError`] for a name or a value that is none.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PackError> {
        match name {
            "service" => self.service = value.parse()?,
            "image" => self.image = value.parse()?,
            "volume" => self.volume = value.parse()?,
            "private-network" => self.network = value.parse()?,
            "relay" if value == NONE => self.relay = None,
            "relay" => self.relay.get_or_insert_with(Relay::default).service = value.parse()?,
            "relay-image" => self.relay.get_or_insert_with(Relay::default).image = value.parse()?,
            "database" => self.relay.get_or_insert_with(Relay::default).database_service = value.parse()?,
            "network" => {
                self.relay.get_or_insert_with(Relay::default).database_network = Some(value.parse()?);
            }
            _ => return Err(no_parameter(Pack::Databasus, name, &Self::PARAMETERS)),
        }
        Ok(())
    }
}

fn no_parameter(pack: Pack, name: &str, known: &[&'static str]) -> PackError {
    PackError::NoParameter { pack, name: name.to_owned(), known: known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_taken_and_changes_the_text() {
        for name in SupabaseWalg::PARAMETERS {
            let value = match name {
                "image" => "a/b:1",
                "env-file" | "data" => "./x/y",
                "pgdata" => "/x/y",
                "prefix" => "s3://bucket/p",
                _ => "x1",
            };
            let mut pack = SupabaseWalg::default();
            pack.set(name, value).unwrap();
            assert_ne!(pack.render(), SupabaseWalg::default().render(), "{name}");
            assert!(pack.set(name, "a b\n").is_err(), "{name}");
        }
        for name in Databasus::PARAMETERS {
            let mut pack = Databasus::default();
            pack.set(name, if name.ends_with("image") { "a/b:1" } else { "x1" }).unwrap();
            assert_ne!(pack.render(), Databasus::default().render(), "{name}");
            assert!(pack.set(name, "a b\n").is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_tells_those_that_are() {
        let error = Databasus::default().set("port", "4005").unwrap_err();
        assert_eq!(error.code(), "invalid-pack-parameter");
        assert!(error.to_string().contains("private-network"), "{error}");
        let mut pack = SupabaseWalg::default();
        pack.set("receiver", "none").unwrap();
        assert!(!pack.render().contains("wal-receive"));
        pack.set("slot", "other").unwrap();
        assert!(pack.render().contains("WALG_SLOTNAME: \"other\""));
    }
}

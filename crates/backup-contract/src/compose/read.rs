//! From a tree to the model: both syntaxes of everything that the rules look at; the rest is passed over.

use super::ComposeError;
use super::at::At;
use super::model::{Beyond, Mount, MountKind, Network, Port, Project, Service, Volume};
use super::syntax::{long_port, short_mount, short_port, tidy};
use super::value::{Value, words};
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, ComposeError>;

/// Reads one document. `dir` is the project directory, by which relative paths are meant; empty where it is not known.
pub(crate) fn project(root: &At, dir: &str) -> Result<Project> {
    let mut project = Project::default();
    if root.is_null() {
        return Ok(project);
    }
    if !root.is_map() {
        return Err(root.wrong("is not a mapping"));
    }
    if root.get("include").is_some() {
        project.beyond.insert(Beyond::Include);
    }
    let mut reader = Reader { dir, beyond: Vec::new() };
    for (name, at) in reader.section(root, "services")? {
        project.services.insert(name.to_owned(), reader.service(name, &at)?);
    }
    for (name, at) in reader.section(root, "networks")? {
        project.networks.insert(name.to_owned(), reader.network(&at)?);
    }
    for (name, at) in reader.section(root, "volumes")? {
        project.volumes.insert(name.to_owned(), reader.volume(&at)?);
    }
    for (name, at) in reader.section(root, "configs")? {
        if let Some(content) = reader.field(&at, "content") {
            project.configs.insert(name.to_owned(), Value::new(content.text()?));
        }
    }
    project.beyond.extend(reader.beyond);
    Ok(project)
}

struct Reader<'a> {
    dir: &'a str,
    beyond: Vec<Beyond>,
}

impl Reader<'_> {
    /// The value of a key. One under a tag of compose's own is noted, and then treated as not there.
    fn field<'n>(&mut self, at: &At<'n>, key: &str) -> Option<At<'n>> {
        let field = at.get(key)?;
        if field.is_tagged() {
            self.beyond.push(Beyond::Tagged { pointer: field.pointer().to_owned() });
            return None;
        }
        Some(field)
    }

    /// The entries of a top-level section.
    fn section<'n>(&mut self, root: &At<'n>, key: &str) -> Result<Vec<(&'n str, At<'n>)>> {
        let Some(section) = self.field(root, key) else { return Ok(Vec::new()) };
        let mut entries = section.entries()?;
        entries.retain(|(_, at)| {
            if at.is_tagged() {
                self.beyond.push(Beyond::Tagged { pointer: at.pointer().to_owned() });
            }
            !at.is_tagged()
        });
        Ok(entries)
    }

    fn text(&mut self, at: &At, key: &str) -> Result<Option<String>> {
        self.field(at, key).map(|at| at.text().map(str::to_owned)).transpose()
    }

    /// The items of a list, but for tagged ones, which are noted.
    fn items<'n>(&mut self, at: &At<'n>, key: &str) -> Result<Vec<At<'n>>> {
        let Some(list) = self.field(at, key) else { return Ok(Vec::new()) };
        let mut items = list.items()?;
        items.retain(|item| {
            if item.is_tagged() {
                self.beyond.push(Beyond::Tagged { pointer: item.pointer().to_owned() });
            }
            !item.is_tagged()
        });
        Ok(items)
    }

    fn names(&mut self, at: &At, key: &str) -> Result<Vec<String>> {
        let names = self.field(at, key).map(|at| at.names()).transpose()?;
        Ok(names.unwrap_or_default().into_iter().map(str::to_owned).collect())
    }

    fn pairs(&mut self, at: &At, key: &str) -> Result<BTreeMap<String, Option<Value>>> {
        let Some(field) = self.field(at, key) else { return Ok(BTreeMap::new()) };
        if field.is_map() {
            for (_, entry) in field.entries()? {
                if entry.is_tagged() {
                    self.beyond.push(Beyond::Tagged { pointer: entry.pointer().to_owned() });
                }
            }
        }
        Ok(field.pairs()?.into_iter().map(|(name, value)| (name, value.map(Value::new))).collect())
    }

    /// A command: a list of words, or a line that is split into words. A null says "the image's own".
    fn command(&mut self, at: &At, key: &str) -> Result<Option<Vec<Value>>> {
        if at.get_said(key).is_some_and(|at| at.is_null()) {
            return Ok(Some(Vec::new()));
        }
        let Some(field) = self.field(at, key) else { return Ok(None) };
        let words = if field.is_text() {
            words(field.text()?)
        } else {
            field.items()?.iter().map(|at| at.text().map(str::to_owned)).collect::<Result<_>>()?
        };
        Ok(Some(words.into_iter().map(Value::new).collect()))
    }

    fn service(&mut self, name: &str, at: &At) -> Result<Service> {
        if !at.is_map() {
            return Err(at.wrong("is not a mapping"));
        }
        if at.get("extends").is_some() {
            self.beyond.push(Beyond::Extends { service: name.to_owned() });
        }
        let labels_of = |pairs: BTreeMap<String, Option<Value>>| {
            pairs.into_iter().map(|(name, value)| (name, value.unwrap_or_default()))
        };
        let mut labels: BTreeMap<_, _> = labels_of(self.pairs(at, "labels")?).collect();
        let mut restart = self.text(at, "restart")?;
        if let Some(deploy) = self.field(at, "deploy") {
            labels.extend(labels_of(self.pairs(&deploy, "labels")?));
            if let Some(policy) = self.field(&deploy, "restart_policy") {
                // Where the policy is there and says nothing, its condition is `any`.
                restart = restart.or(self.text(&policy, "condition")?.or_else(|| Some("any".to_owned())));
            }
        }
        let build = self.field(at, "build");
        let build_args = match build.as_ref().filter(|build| build.is_map()) {
            Some(build) => self.pairs(build, "args")?,
            None => BTreeMap::new(),
        };
        let health = self.field(at, "healthcheck");
        Ok(Service {
            image: self.text(at, "image")?,
            built: build.is_some(),
            container_name: self.text(at, "container_name")?,
            hostname: self.text(at, "hostname")?,
            command: self.command(at, "command")?,
            entrypoint: self.command(at, "entrypoint")?,
            environment: self.pairs(at, "environment")?,
            env_files: self.env_files(at)?,
            labels,
            ports: self.items(at, "ports")?.iter().map(port).collect::<Result<_>>()?,
            expose: self.names(at, "expose")?.into_iter().collect(),
            network_mode: self.text(at, "network_mode")?,
            networks: self.networks(at)?,
            mounts: self.mounts(at)?,
            volumes_from: self.names(at, "volumes_from")?.into_iter().collect(),
            profiles: self.names(at, "profiles")?.into_iter().collect(),
            restart,
            depends_on: self.names(at, "depends_on")?.into_iter().collect(),
            configs: self.sources(at, "configs")?.into_iter().collect(),
            build_args,
            healthcheck: health.map(|health| self.command(&health, "test")).transpose()?.flatten(),
        })
    }

    /// One text, a list of texts, or of mappings with a `path`.
    fn env_files(&mut self, at: &At) -> Result<Vec<String>> {
        if let Some(field) = at.get("env_file").filter(At::is_text) {
            return Ok(vec![self.path(field.text()?)]);
        }
        let mut files = Vec::new();
        for item in self.items(at, "env_file")? {
            let named = if item.is_text() {
                item
            } else {
                item.get("path").ok_or_else(|| item.wrong("has no path"))?
            };
            files.push(self.path(named.text()?));
        }
        Ok(files)
    }

    /// What each item names: its text, or its `source`.
    fn sources(&mut self, at: &At, key: &str) -> Result<Vec<String>> {
        let source = |item: &At| match item.get("source") {
            Some(source) => source.text().map(str::to_owned),
            None => item.text().map(str::to_owned),
        };
        self.items(at, key)?.iter().map(source).collect()
    }

    fn networks(&mut self, at: &At) -> Result<Option<BTreeMap<String, Vec<String>>>> {
        let Some(field) = self.field(at, "networks") else { return Ok(None) };
        if !field.is_map() {
            return Ok(Some(field.names()?.into_iter().map(|name| (name.to_owned(), Vec::new())).collect()));
        }
        let mut networks = BTreeMap::new();
        for (name, network) in field.entries()? {
            networks.insert(name.to_owned(), self.names(&network, "aliases")?);
        }
        Ok(Some(networks))
    }

    fn mounts(&mut self, at: &At) -> Result<Vec<Mount>> {
        let mut mounts = Vec::new();
        for item in self.items(at, "volumes")? {
            let mut mount = if item.is_text() {
                short_mount(item.text()?).ok_or_else(|| item.wrong("is not a mount"))?
            } else {
                self.long_mount(&item)?
            };
            mount.target = tidy(&mount.target);
            if mount.kind == MountKind::Bind {
                mount.source = mount.source.map(|source| self.path(&source));
            }
            mounts.push(mount);
        }
        for target in self.field(at, "tmpfs").map(|at| at.texts()).transpose()?.unwrap_or_default() {
            let target = tidy(target.split(':').next().unwrap_or_default());
            mounts.push(Mount { kind: MountKind::Other, source: None, target, read_only: false });
        }
        Ok(mounts)
    }

    fn long_mount(&mut self, item: &At) -> Result<Mount> {
        let target = self.text(item, "target")?.ok_or_else(|| item.wrong("has no target"))?;
        let source = self.text(item, "source")?;
        let kind = match self.text(item, "type")?.as_deref() {
            // Where nothing was put in for a variable, compose takes a path for the name of a volume.
            Some("volume") if source.as_ref().is_some_and(|source| source.contains('/')) => MountKind::Bind,
            Some("volume") => MountKind::Volume,
            Some("bind") => MountKind::Bind,
            _ => MountKind::Other,
        };
        Ok(Mount { kind, source, target, read_only: item.flag("read_only") })
    }

    /// A path of the host, tidied, and made absolute where that can be done.
    fn path(&self, path: &str) -> String {
        if self.dir.is_empty() || path.starts_with(['/', '~', '$']) {
            return tidy(path);
        }
        tidy(&format!("{}/{path}", self.dir))
    }

    fn network(&mut self, at: &At) -> Result<Network> {
        let options = self.pairs(at, "driver_opts")?;
        let (external, name) = self.external(at)?;
        Ok(Network {
            name,
            external,
            driver: self.text(at, "driver")?,
            options: options
                .into_iter()
                .map(|(name, value)| (name, value.unwrap_or_default().reveal().to_owned()))
                .collect(),
        })
    }

    fn volume(&mut self, at: &At) -> Result<Volume> {
        let options = self.pairs(at, "driver_opts")?;
        let (external, name) = self.external(at)?;
        let device = options.get("device").cloned().flatten();
        Ok(Volume { name, external, device: device.map(|device| self.path(device.reveal())) })
    }

    /// Whether something comes from outside of the project, and its name there. `external: {name: …}` is an old form.
    fn external(&mut self, at: &At) -> Result<(bool, Option<String>)> {
        let name = self.text(at, "name")?;
        Ok(match self.field(at, "external").filter(At::is_map) {
            Some(external) => (true, name.or(self.text(&external, "name")?)),
            None => (at.flag("external"), name),
        })
    }
}

fn port(item: &At) -> Result<Port> {
    if item.is_text() {
        return item.text().map(short_port);
    }
    if !item.is_map() {
        return Err(item.wrong("is not a port"));
    }
    let text = |key| match item.get(key) {
        Some(at) => at.text().map(Some),
        None => Ok(None),
    };
    let target = text("target")?.ok_or_else(|| item.wrong("has no target"))?;
    // A published port of nothing is one that Docker picks.
    let published = text("published")?.filter(|published| !published.is_empty());
    Ok(long_port(target, published, text("host_ip")?, text("protocol")?))
}

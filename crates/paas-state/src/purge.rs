use crate::record::{bundle_key, prefix_of, record_key};
use crate::{Error, Result};
use backup_contract::{ContextName, SnapshotId};
use backup_store::{Deletion, Key, ObjectMeta, Store};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// State snapshots that are to be deleted, each object as it was when that was decided.
///
/// It cannot be made without naming a snapshot that stays, and before every deletion that one is looked for again: what
/// somebody else does meanwhile must not make the last good copy the one that is being deleted.
///
/// Of each snapshot the record goes first: without it there is no snapshot, so that an interruption leaves no half one,
/// only a bundle that [`Catalogue::strays`](crate::Catalogue::strays) lists and the next purge may take. Evidence and pins
/// are not touched.
#[derive(Debug, Clone)]
pub struct Purge {
    context: ContextName,
    keeper: SnapshotId,
    keeper_objects: [ObjectMeta; 2],
    victims: Vec<Victim>,
}

/// One snapshot that is to go.
#[derive(Debug, Clone)]
struct Victim {
    id: SnapshotId,
    /// Those that there are, in the order in which they may be deleted: the record first.
    objects: Vec<ObjectMeta>,
}

/// What a caller says right before an object is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// It may go, at this time by the caller's clock: what is locked beyond it stays.
    Go(DateTime<Utc>),
    /// It stays, for this reason; the next snapshot is looked at.
    Spare(String),
    /// It stays, and so do all others.
    Stop,
}

/// What became of an object.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It was deleted.
    Deleted,
    /// Somebody else had deleted it.
    WasGone,
    /// A lock holds it.
    Locked(DateTime<Utc>),
    /// It is not the object any more that was to be deleted.
    Changed,
    /// The caller spared it.
    Spared(String),
    /// Another object of its snapshot stays, so this one does too.
    Kept,
    /// It could not be deleted.
    Failed(Error),
    /// The purge ended before it.
    NotReached,
}

impl Fate {
    /// Whether the object is not there any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Deleted | Self::WasGone)
    }
}

/// What became of the objects of one snapshot.
#[derive(Debug)]
pub struct Purged {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its objects in the order in which they were to go.
    pub objects: Vec<(Key, Fate)>,
}

/// What became of a purge.
#[derive(Debug)]
pub struct Purges {
    /// Every snapshot that was to go, in the order of the plan.
    pub purged: Vec<Purged>,
    /// Why it ended early, when it did.
    pub halted: Option<Error>,
}

impl Purge {
    /// Plans to delete these snapshots, in this order. An id without a record is a stray bundle, and as good as any.
    /// `keeper` is a snapshot that stays.
    ///
    /// # Errors
    /// [`Error::Keeper`] when it is among those that are to go, or not all there; [`Error::Store`].
    pub fn plan(
        store: &dyn Store,
        context: &ContextName,
        ids: impl IntoIterator<Item = SnapshotId>,
        keeper: &SnapshotId,
    ) -> Result<Self> {
        let refuse = |reason| Error::Keeper { id: keeper.clone(), reason };
        let mut victims = Vec::new();
        for id in ids {
            if id == *keeper {
                return Err(refuse("is among those that are to be deleted"));
            }
            let mut objects = Vec::new();
            for key in [record_key(context, &id)?, bundle_key(context, &id)?] {
                objects.extend(look(store, &key)?);
            }
            victims.push(Victim { id, objects });
        }
        let record = look(store, &record_key(context, keeper)?)?;
        let bundle = look(store, &bundle_key(context, keeper)?)?;
        let (Some(record), Some(bundle)) = (record, bundle) else { return Err(refuse("is not all there")) };
        Ok(Self {
            context: context.clone(),
            keeper: keeper.clone(),
            keeper_objects: [record, bundle],
            victims,
        })
    }

    /// The snapshots that are to go, in this order.
    #[must_use]
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &SnapshotId> {
        self.victims.iter().map(|victim| &victim.id)
    }

    /// Deletes them, each object only when `consent` says so and the store still holds what was planned. What fails with
    /// one snapshot keeps none of the others. Interrupted at any point, it can be planned and executed again.
    pub fn execute(&self, store: &dyn Store, mut consent: impl FnMut(&SnapshotId) -> Consent) -> Purges {
        let mut halted = None;
        let mut purged = Vec::new();
        for victim in &self.victims {
            let objects = if halted.is_some() {
                victim.all(|| Fate::NotReached)
            } else {
                self.delete(store, victim, &mut consent, &mut halted)
            };
            purged.push(Purged { id: victim.id.clone(), objects });
        }
        Purges { purged, halted }
    }

    /// Those of the objects that the store still lists: a deletion is believed when the listing agrees.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn still_there(&self, store: &dyn Store) -> Result<BTreeSet<Key>> {
        let planned: BTreeSet<&Key> =
            self.victims.iter().flat_map(|victim| &victim.objects).map(|meta| &meta.key).collect();
        let mut found = BTreeSet::new();
        for meta in store.list(&prefix_of(&self.context)?, None)? {
            let key = meta?.key;
            if planned.contains(&key) {
                found.insert(key);
            }
        }
        Ok(found)
    }

    fn delete(
        &self,
        store: &dyn Store,
        victim: &Victim,
        consent: &mut impl FnMut(&SnapshotId) -> Consent,
        halted: &mut Option<Error>,
    ) -> Vec<(Key, Fate)> {
        let mut fates = Vec::new();
        for (at, meta) in victim.objects.iter().enumerate() {
            let fate = match consent(&victim.id) {
                Consent::Go(now) => match self.keeper_stays(store) {
                    Ok(()) => delete_one(store, &victim.objects[at..], now),
                    Err(error) => {
                        *halted = Some(error);
                        Fate::NotReached
                    }
                },
                Consent::Spare(reason) => Fate::Spared(reason),
                Consent::Stop => {
                    *halted = Some(Error::Stopped);
                    Fate::NotReached
                }
            };
            let is_gone = fate.is_gone();
            fates.push((meta.key.clone(), fate));
            if !is_gone {
                let rest = || if halted.is_some() { Fate::NotReached } else { Fate::Kept };
                fates.extend(victim.objects[at + 1..].iter().map(|meta| (meta.key.clone(), rest())));
                break;
            }
        }
        fates
    }

    fn keeper_stays(&self, store: &dyn Store) -> Result<()> {
        for planned in &self.keeper_objects {
            if !is_same(look(store, &planned.key)?.as_ref(), planned) {
                return Err(Error::Keeper {
                    id: self.keeper.clone(),
                    reason: "has changed or gone meanwhile",
                });
            }
        }
        Ok(())
    }
}

impl Victim {
    fn all(&self, fate: impl Fn() -> Fate) -> Vec<(Key, Fate)> {
        self.objects.iter().map(|meta| (meta.key.clone(), fate())).collect()
    }
}

/// Until when locks hold a snapshot: the longest of those of its objects, also one that has run out.
///
/// # Errors
/// [`Error::Store`].
pub fn lock_of(store: &dyn Store, context: &ContextName, id: &SnapshotId) -> Result<Option<DateTime<Utc>>> {
    let mut longest = None;
    for key in crate::objects_of(context, id)? {
        longest = longest.max(lock_of_object(store, &key)?);
    }
    Ok(longest)
}

/// Deletes the first of these objects of one snapshot, when it and all that are to follow are as planned and unlocked: a
/// record must not go while its bundle has to stay.
fn delete_one(store: &dyn Store, objects: &[ObjectMeta], now: DateTime<Utc>) -> Fate {
    match try_delete_one(store, objects, now) {
        Ok(fate) => fate,
        Err(error) => Fate::Failed(error),
    }
}

fn try_delete_one(store: &dyn Store, objects: &[ObjectMeta], now: DateTime<Utc>) -> Result<Fate> {
    let Some(first) = objects.first() else { return Ok(Fate::WasGone) };
    for planned in objects {
        let Some(found) = look(store, &planned.key)? else { continue };
        if !is_same(Some(&found), planned) {
            return Ok(Fate::Changed);
        }
        if let Some(until) = lock_of_object(store, &planned.key)?.filter(|until| *until > now) {
            return Ok(Fate::Locked(until));
        }
        if store.is_held(&planned.key, planned.version.as_ref())? {
            return Err(backup_store::Error::Held { key: planned.key.clone() }.into());
        }
    }
    Ok(match store.delete(&first.key, first.version.as_ref(), now)? {
        Deletion::Deleted => Fate::Deleted,
        Deletion::Missing => Fate::WasGone,
        Deletion::Locked(lock) => Fate::Locked(lock.until),
        Deletion::Held => return Err(backup_store::Error::Held { key: first.key.clone() }.into()),
    })
}

fn look(store: &dyn Store, key: &Key) -> Result<Option<ObjectMeta>> {
    match store.head(key, None) {
        Ok(meta) => Ok(Some(meta)),
        Err(backup_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn is_same(found: Option<&ObjectMeta>, planned: &ObjectMeta) -> bool {
    found.is_some_and(|found| found.size == planned.size && found.version == planned.version)
}

fn lock_of_object(store: &dyn Store, key: &Key) -> Result<Option<DateTime<Utc>>> {
    match store.lock_of(key, None) {
        Ok(lock) => Ok(lock.map(|lock| lock.until)),
        Err(backup_store::Error::NotFound { .. } | backup_store::Error::Unsupported { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

use super::{Make, ManualClock, code, keys, put};
use crate::{Error, Holder, Lease, LeaseRequest, Observation, Result, Store, WriteOnceKeeper};
use std::sync::Barrier;
use std::time::Duration;

const TTL: Duration = Duration::from_mins(1);
const ALMOST: Duration = Duration::from_millis(59_999);

fn request(name: &str, holder: &str) -> LeaseRequest {
    LeaseRequest {
        name: name.into(),
        holder: Holder { id: holder.into(), description: format!("the work of {holder}") },
        ttl: TTL,
        wait: Duration::ZERO,
    }
}

/// By somebody who has not looked before.
fn acquire<'a>(store: &'a dyn Store, clock: &'a ManualClock, holder: &str) -> Result<Lease<'a>> {
    Lease::acquire(store, clock, &request("tick/a", holder), &mut Observation::new())
}

pub(super) fn exclusive(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    let mut lease = acquire(&*store, &clock, "one").unwrap();
    assert_eq!(lease.generation(), 1);
    assert_eq!(lease.remaining(), TTL);
    assert_eq!(keys(&*store, "leases", None), ["leases/tick/a/000000000001.json"]);
    let refused = acquire(&*store, &clock, "two").unwrap_err();
    assert!(
        matches!(&refused, Error::LeaseHeld { name, holder, generation: 1 }
            if name == "tick/a" && holder == "the work of one"),
        "{refused}"
    );
    let other = Lease::acquire(&*store, &clock, &request("tick/b", "two"), &mut Observation::new()).unwrap();
    other.release().unwrap();
    clock.advance(TTL / 3);
    assert_eq!(lease.remaining(), TTL / 3 * 2);
    lease.renew().unwrap();
    assert_eq!((lease.generation(), lease.remaining()), (2, TTL));
    lease.check().unwrap();
    lease.release().unwrap();
    let next = acquire(&*store, &clock, "two").unwrap();
    assert_eq!(next.generation(), 4);
    next.release().unwrap();
    assert_eq!(
        code(Lease::acquire(&*store, &clock, &request("../x", "one"), &mut Observation::new())),
        "invalid-key"
    );
    // What is no lease is not taken for one.
    put(&*store, "leases/odd/000000000007.json", b"{}").unwrap();
    let refused = Lease::acquire(&*store, &clock, &request("odd", "one"), &mut Observation::new());
    assert_eq!(code(refused), "object-malformed");
}

pub(super) fn race(make: Make<'_>) {
    const HOLDERS: usize = 16;
    let (store, clock) = (make(), ManualClock::default());
    if store.capabilities().unwrap().write_once != WriteOnceKeeper::Store {
        return;
    }
    for _ in 0..5 {
        let start = Barrier::new(HOLDERS);
        let leases: Vec<Lease<'_>> = std::thread::scope(|scope| {
            let holder = |number: usize| {
                let (store, clock, start) = (&*store, &clock, &start);
                scope.spawn(move || {
                    start.wait();
                    match acquire(store, clock, &number.to_string()) {
                        Ok(lease) => Some(lease),
                        Err(error) => {
                            assert_eq!(error.code(), "lease-held", "{error}");
                            None
                        }
                    }
                })
            };
            let holders: Vec<_> = (0..HOLDERS).map(holder).collect();
            holders.into_iter().filter_map(|holder| holder.join().unwrap()).collect()
        });
        assert_eq!(leases.len(), 1, "{leases:?}");
        for lease in leases {
            lease.release().unwrap();
        }
    }
}

pub(super) fn takeover(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    let _dead = acquire(&*store, &clock, "dead").unwrap();
    let mut observation = Observation::new();
    let mut attempt = |after: Duration| {
        clock.advance(after);
        // As another process would: what was seen comes from a file.
        let written = serde_json::to_string(&observation).unwrap();
        observation = serde_json::from_str(&written).unwrap();
        let taken = Lease::acquire(&*store, &clock, &request("tick/a", "heir"), &mut observation);
        taken.map(|lease| lease.generation())
    };
    // It has been held for long, but this judge sees it for the first time.
    assert_eq!(code(attempt(TTL * 10)), "lease-held");
    assert_eq!(code(attempt(ALMOST / 2)), "lease-held");
    assert_eq!(code(attempt(ALMOST / 2)), "lease-held");
    assert_eq!(attempt(Duration::from_millis(1)).unwrap(), 2);

    // A holder that renews is never taken for dead, however long it is watched.
    let store = make();
    let mut alive = acquire(&*store, &clock, "alive").unwrap();
    let mut observation = Observation::new();
    for _ in 0..10 {
        clock.advance(ALMOST);
        let refused = Lease::acquire(&*store, &clock, &request("tick/a", "heir"), &mut observation);
        assert_eq!(code(refused), "lease-held");
        alive.renew().unwrap();
    }
    let refused = Lease::acquire(&*store, &clock, &request("tick/a", "heir"), &mut observation);
    assert_eq!(code(refused), "lease-held");
    // A judge whose clock began anew has seen nothing.
    let young = ManualClock::default();
    let refused = Lease::acquire(&*store, &young, &request("tick/a", "heir"), &mut observation);
    assert_eq!(code(refused), "lease-held");
}

pub(super) fn slow(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    let mut observation = Observation::new();
    let mut slow = acquire(&*store, &clock, "slow").unwrap();
    let another = acquire(&*store, &clock, "slow").unwrap();
    assert_eq!(code(slow.check()), "lease-lost", "its own id, but a later process");
    let mut slow = another;
    let refused = Lease::acquire(&*store, &clock, &request("tick/a", "heir"), &mut observation);
    assert_eq!(code(refused), "lease-held");
    clock.advance(TTL);
    assert_eq!(slow.remaining(), Duration::ZERO);
    slow.check().unwrap();
    let mut heir = Lease::acquire(&*store, &clock, &request("tick/a", "heir"), &mut observation).unwrap();
    let lost = slow.renew().unwrap_err();
    assert!(
        matches!(&lost, Error::LeaseLost { holder, generation: 3, .. } if holder == "the work of heir"),
        "{lost}"
    );
    // Also when the number that it would have written has long been swept.
    for _ in 0..20 {
        heir.renew().unwrap();
    }
    assert_eq!(code(slow.renew()), "lease-lost");
    assert_eq!(code(slow.check()), "lease-lost");
    assert_eq!(code(slow.release()), "lease-lost");
    heir.check().unwrap();
    heir.release().unwrap();
}

pub(super) fn same_holder(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    let mut before = acquire(&*store, &clock, "one").unwrap();
    let mut after = acquire(&*store, &clock, "one").unwrap();
    assert_eq!(after.generation(), 2);
    assert_eq!(code(before.renew()), "lease-lost");
    after.renew().unwrap();
}

pub(super) fn wait(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    let _dead = acquire(&*store, &clock, "dead").unwrap();
    let patient = |wait| LeaseRequest { wait, ..request("tick/a", "patient") };
    // On this clock to sleep is to turn it.
    let early = Lease::acquire(&*store, &clock, &patient(TTL / 2), &mut Observation::new());
    assert_eq!(code(early), "lease-held");
    let waited = Lease::acquire(&*store, &clock, &patient(TTL), &mut Observation::new()).unwrap();
    assert_eq!(waited.generation(), 2);
}

pub(super) fn prune(make: Make<'_>) {
    let (store, clock) = (make(), ManualClock::default());
    for round in 0..3 {
        let mut lease = acquire(&*store, &clock, &round.to_string()).unwrap();
        for _ in 0..8 {
            lease.renew().unwrap();
        }
        let newest = format!("leases/tick/a/{:012}.json", lease.generation());
        let left = keys(&*store, "leases", None);
        assert!(left.len() < 8, "{left:?}");
        assert_eq!(left.last(), Some(&newest));
        lease.release().unwrap();
    }
    assert_eq!(acquire(&*store, &clock, "last").unwrap().generation(), 31, "numbers only grow");
}

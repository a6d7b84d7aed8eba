use super::TrailLine;

/// The entries of several chains in one list, oldest first.
///
/// Within a chain the order is that of the chain, even where the writer's clock went backwards: an entry is taken to be
/// no older than the one before it. Between chains it is the time, as far as the clocks of several hosts agree.
#[must_use]
pub fn merge(chains: impl IntoIterator<Item = Vec<TrailLine>>) -> Vec<TrailLine> {
    let mut all = Vec::new();
    for mut chain in chains {
        chain.sort_by_key(|line| line.entry.sequence);
        let mut newest = None;
        for line in chain {
            newest = newest.max(Some(line.entry.at));
            all.push((newest, line));
        }
    }
    all.sort_by(|(a_time, a), (b_time, b)| {
        (a_time, &a.entry.writer, a.entry.sequence).cmp(&(b_time, &b.entry.writer, b.entry.sequence))
    });
    all.into_iter().map(|(_, line)| line).collect()
}

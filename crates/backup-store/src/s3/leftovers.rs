//! Uploads in parts that nobody completed.

use super::call::call;
use super::failure::Failure;
use super::look::time;
use super::{Shared, publish};
use crate::{Leftover, Result};
use chrono::{DateTime, Utc};

/// What is wrong with a page that does not say where the next one begins: neither to end there nor to begin anew is right.
const NO_NEXT: &str = "there is more, and the store does not say where";

/// An upload that nobody has completed yet.
struct Unfinished {
    name: String,
    id: String,
    begun: DateTime<Utc>,
}

pub(super) async fn find(shared: &Shared) -> Result<Vec<Leftover>> {
    let failed = |failure: Failure| failure.into_error("list the uploads of", shared.location.as_str());
    let mut found = Vec::new();
    for upload in unfinished(shared).await.map_err(failed)? {
        found.extend(weigh(shared, &upload).await.map_err(failed)?);
    }
    Ok(found)
}

pub(super) async fn sweep(shared: &Shared, before: DateTime<Utc>) -> Result<Vec<Leftover>> {
    let failed = |failure: Failure| failure.into_error("sweep the uploads of", shared.location.as_str());
    let mut swept = Vec::new();
    for upload in unfinished(shared).await.map_err(failed)? {
        let Some(leftover) = weigh(shared, &upload).await.map_err(failed)? else { continue };
        if leftover.modified >= before {
            continue;
        }
        publish::give_up(shared, &upload.name, &upload.id).await.map_err(failed)?;
        swept.push(leftover);
    }
    Ok(swept)
}

/// All below the store's prefix. Where the store does not list them it has none that could be seen.
async fn unfinished(shared: &Shared) -> std::result::Result<Vec<Unfinished>, Failure> {
    let mut all = Vec::new();
    let mut marker: (Option<String>, Option<String>) = (None, None);
    loop {
        let list = || {
            let request =
                shared.client.list_multipart_uploads().bucket(&shared.bucket).prefix(&shared.prefix);
            request.set_key_marker(marker.0.clone()).set_upload_id_marker(marker.1.clone()).send()
        };
        let answer = match call(shared, 0, list).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_unknown_request() => return Ok(all),
            Err(failure) => return Err(failure),
        };
        for upload in answer.uploads() {
            if let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) {
                let begun = time(upload.initiated());
                all.push(Unfinished { name: name.to_owned(), id: id.to_owned(), begun });
            }
        }
        if !answer.is_truncated().unwrap_or(false) {
            return Ok(all);
        }
        let next = (answer.next_key_marker.clone(), answer.next_upload_id_marker.clone());
        if next.0.is_none() || next == marker {
            return Err(Failure::nonsense(NO_NEXT));
        }
        marker = next;
    }
}

/// How much of it is there, and since when; `None` when it has been completed or given up meanwhile.
async fn weigh(shared: &Shared, upload: &Unfinished) -> std::result::Result<Option<Leftover>, Failure> {
    let (mut bytes, mut modified, mut marker) = (0_u64, upload.begun, None::<String>);
    loop {
        let list = || {
            let request = shared.client.list_parts().bucket(&shared.bucket).key(&upload.name);
            request.upload_id(&upload.id).set_part_number_marker(marker.clone()).send()
        };
        let answer = match call(shared, 0, list).await {
            Ok(answer) => answer,
            Err(failure) if failure.is(404) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        for part in answer.parts() {
            bytes = bytes
                .saturating_add(part.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default());
            modified = modified.max(time(part.last_modified()));
        }
        if !answer.is_truncated().unwrap_or(false) {
            let name = format!("{} (upload {})", upload.name, upload.id);
            return Ok(Some(Leftover { name, bytes, modified }));
        }
        let next = answer.next_part_number_marker.clone();
        if next.is_none() || next == marker {
            return Err(Failure::nonsense(NO_NEXT));
        }
        marker = next;
    }
}

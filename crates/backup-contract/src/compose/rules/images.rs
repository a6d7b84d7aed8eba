use super::{Judge, place};
use crate::compose::image::{Image, Pin};
use crate::{ClauseId, Finding, Severity};

/// A restore runs the images that the backup ran with; an image that moves on is another one by then.
impl Judge<'_> {
    pub(super) fn images(&mut self) {
        let mut filled_in = Vec::new();
        for (name, service) in &self.project.services {
            let Some(image) = service.image.as_deref().filter(|_| !service.built) else { continue };
            match Image::of(image).pin() {
                Pin::Pinned => {}
                Pin::Floating => self.add(
                    Finding::new(
                        "compose-image-not-pinned",
                        if self.is_ours(name) { Severity::Error } else { Severity::Warning },
                        place(name, "image"),
                        "the image has no tag that stays: what a restore would start is not what was backed up",
                        "name a version, or better a digest",
                    )
                    .about(ClauseId::AppContract),
                ),
                Pin::Unknown => filled_in.push(name.as_str()),
            }
        }
        if !filled_in.is_empty() {
            self.leave(
                ClauseId::AppContract,
                format!(
                    "whether the images of {} are pinned depends on variables: write the versions out",
                    filled_in.join(", ")
                ),
            );
        }
    }
}

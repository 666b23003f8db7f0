//! The image.

use super::facts::Image;
use crate::checks::{Notes, Subject};
use crate::services::ErrorKind;

/// From this size on an agent takes minutes to start: 1.8 GB about two, 6.5 GB five to ten.
const LARGE: u64 = 4_000_000_000;

/// Whether the image is there, can be pulled, and fits.
pub(super) fn judge(image: &Image, notes: &mut Notes) {
    let name = &image.name;
    let shown = format!("{}/{}:{}", name.server, name.repository, name.reference);
    let info = match &image.found {
        // It is the identity that pulls; whoever asks may have no right to.
        Err(error) if !image.as_puller => {
            notes.unclear(Subject::Image, &format!("look at {shown} as yourself"), error);
            return;
        }
        // What this machine does not reach, Azure may.
        Err(error) if error.kind == ErrorKind::Unreachable => {
            notes.unclear(Subject::Image, &format!("look at {shown} from here"), error);
            return;
        }
        Err(error) => {
            notes.refused(Subject::Image, &format!("look at {shown}"), error);
            return;
        }
        Ok(None) => {
            notes.fail(
                Subject::Image,
                format!("The registry has no image {shown}."),
                "correct --image, or push the image.",
            );
            return;
        }
        Ok(Some(info)) => info,
    };
    match info.bytes {
        None => {
            let platforms: Vec<_> = info.platforms.iter().map(ToString::to_string).collect();
            notes.fail(
                Subject::Image,
                format!("{shown} is made for {}, and not for {}.", platforms.join(", "), image.wanted),
                format!(
                    "build it for {} (`docker build --platform {0} …`), or correct --os-type.",
                    image.wanted
                ),
            );
        }
        Some(bytes) if bytes > LARGE => notes.warn(
            Subject::Image,
            format!("{shown} has {} to pull, which takes minutes.", in_words(bytes)),
            "leave out what jobs do not need, or give a longer --timeout-agent-online.",
        ),
        Some(bytes) => {
            notes.ok(
                Subject::Image,
                format!("{shown} is there for {}: {} to pull.", image.wanted, in_words(bytes)),
            );
        }
    }
}

/// In the unit in which registries and people count.
fn in_words(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn sizes() {
        for (bytes, words) in
            [(1, "1 kB"), (999_001, "1000 kB"), (261_000_000, "261 MB"), (6_540_000_000, "6.5 GB")]
        {
            assert_eq!(in_words(bytes), words);
        }
    }
}

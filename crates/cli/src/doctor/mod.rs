//! `doctor`: everything that can be known before the first agent, at once, with what it means and what to do.
//!
//! [`facts`] asks, [`machine`], [`devops`], [`azure`], [`image`] and [`identity`] judge, beside the judges that
//! `provision` has as well ([`crate::checks`]); [`words`] shows it.

mod azure;
mod devops;
mod facts;
mod identity;
mod image;
mod machine;
mod needed;
mod words;

use crate::checks::{Note, Notes};
use crate::errors::Failure;
use crate::provision::preflight;
use crate::report::Report;
use crate::settings::DoctorSettings;
use crate::settings::environment::Environment;
use crate::wiring::Surroundings;
use facts::{Facts, gather};

/// Looks at everything, and says how it stands.
///
/// # Errors
/// [`Failure::Unwell`] where something would not work.
pub(crate) async fn doctor(
    settings: &DoctorSettings,
    environment: &Environment,
    report: &Report,
) -> Result<(), Failure> {
    report.progress("looking at Azure DevOps, Azure, the network and the image");
    let surroundings = Surroundings::connect(&settings.provision, environment).await?;
    let facts = gather(&surroundings, settings, environment).await;
    told(&judge(settings, &facts), report)
}

/// Judges what was found.
fn judge(settings: &DoctorSettings, facts: &Facts) -> Vec<Note> {
    let (provision, mut notes) = (&settings.provision, Notes::default());
    machine::judge(facts, &mut notes);
    devops::judge(settings, facts, &mut notes);
    azure::judge(provision, facts, &mut notes);
    // What `provision` itself asks before it creates anything.
    let _ = preflight::judge(provision, &facts.cheap, &mut notes);
    image::judge(&facts.image, &mut notes);
    identity::judge(provision, facts, &mut notes);
    notes.sorted()
}

fn told(notes: &[Note], report: &Report) -> Result<(), Failure> {
    let (text, json) = (report.in_words(&words::text(notes)), words::json(notes));
    let failed = words::failed(notes);
    if failed.is_empty() {
        report.result(&text, &json);
        return Ok(());
    }
    // A program gets one document, which holds the failure too.
    if report.output() == crate::arguments::Output::Text {
        report.result(&text, &json);
    }
    Err(Failure::Unwell { failed, blame: words::blame(notes), document: Box::new(json) })
}

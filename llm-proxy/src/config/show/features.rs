//! Features of applications.

use super::super::features::{Features, Privacy, Said};
use super::super::file::words;
use super::{Writer, priority};

pub(super) fn show(features: &Features, root: &mut Writer<'_>) {
    let Features { named, privacy } = features;
    let Privacy { consent_required, requests } = privacy;
    root.named("features", named, |w, _, said| feature(said, w));
    root.table("privacy", |w| {
        if *consent_required {
            w.text("consent", "required");
        }
        match requests {
            None => w.text("requests", words::FOR_EVER),
            Some(span) if *requests != Privacy::default().requests => w.time("requests", *span),
            Some(_usual) => {}
        }
    });
}

fn feature(said: &Said, w: &mut Writer<'_>) {
    let Said { model, tokens_max, system, limits, priority: class, within, first_token, keep } =
        said;
    if let Some(model) = model {
        w.text("model", &**model);
    }
    if let Some(most) = tokens_max {
        w.number("max_tokens", most);
    }
    if let Some(system) = system {
        w.text("system", &**system);
    }
    match limits.as_deref() {
        None => {}
        Some([]) => w.none("limits"),
        Some(limits) => w.texts("limits", limits.iter().map(ToString::to_string)),
    }
    if let Some(class) = class {
        w.text("priority", priority(*class));
    }
    if let Some(within) = within {
        w.time("timeout", *within);
    }
    if let Some(first) = first_token {
        w.time("first_token", *first);
    }
    if let Some(keep) = keep {
        w.time("retention", *keep);
    }
}

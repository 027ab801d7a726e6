//! Features of applications.

use super::super::features::{Features, Said};
use super::{Writer, priority};

pub(super) fn show(features: &Features, root: &mut Writer<'_>) {
    let Features { named, consent_required } = features;
    root.named("features", named, |w, _, said| feature(said, w));
    root.table("privacy", |w| {
        if *consent_required {
            w.text("consent", "required");
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
    w.texts("limits", limits.iter().map(ToString::to_string));
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

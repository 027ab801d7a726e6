//! Credits, webhooks and what comes with plans, as a file would say them.

use super::super::credits::{CreditRules, Hook, Sold};
use super::Writer;

pub(super) fn sold(sold: &Sold, w: &mut Writer<'_>) {
    if let Some(credits) = sold.monthly {
        w.text("credits", format!("{credits}/month"));
    }
    if let Some(retention) = sold.retention {
        w.time("retention", retention);
    }
}

pub(super) fn rules(rules: &CreditRules, w: &mut Writer<'_>) {
    w.table("models", |w| {
        rules.models.iter().for_each(|(name, tariff)| w.text(name, tariff.to_string()));
    });
    w.table("jobs", |w| {
        rules.jobs.iter().for_each(|(name, formula)| w.text(name, formula.to_string()));
    });
    if let Some(guests) = &rules.guests {
        w.table("guests", |w| {
            w.text("grant", guests.grant.to_string());
            w.number("per_network", guests.per_network);
            w.number("per_device", guests.per_device);
            w.text("every", guests.every.to_string());
        });
    }
    w.texts("low", rules.low.iter().map(ToString::to_string));
    w.secrets("top_ups", &rules.top_ups);
}

pub(super) fn hook(hook: &Hook, w: &mut Writer<'_>) {
    w.secret("url", &hook.url);
    w.secrets("secret", &hook.secrets);
    w.texts("events", hook.events.iter().map(|kind| kind.to_string()));
    w.yes("private", hook.private);
}

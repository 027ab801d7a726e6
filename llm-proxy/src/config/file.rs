//! Our own file: which fields there are, and what each of them takes.
//!
//! Reading goes on past whatever is wrong, so that one reading finds everything. What is not said
//! stays open here where the environment or the command line may say it ([`super::resolve`]).

mod credits;
mod edge;
mod features;
mod inbound;
mod keys;
mod models;
mod providers;
mod rules;
mod server;
mod telemetry;

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::Str;
use llm_core::quota::Plan;
use llm_providers::settings::ModelSettings;
use llm_providers::stage::admit::OwnerRules;
use llm_providers::stage::inspect::ContentRules;

use super::credits::{CreditRules, Hook};
use super::edge::Jwt;
use super::features::Features;
use super::reading::{At, Literals, Reading};
use super::telemetry::Telemetry;
use super::tree::Node;
use super::{FixedKey, Inbound, Priced, Provider};

pub(super) use server::{ServerFile, StoreFile, store_place};

/// The words for values, for whoever writes a file.
pub(super) mod words {
    pub(in super::super) use super::features::FOR_EVER;
    pub(in super::super) use super::models::{balance_word as balance, scope_word as scope};
    pub(in super::super) use super::rules::find_word as find;
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) server: ServerFile,
    pub(super) store: StoreFile,
    pub(super) providers: BTreeMap<Str, Provider>,
    pub(super) models: BTreeMap<Str, ModelSettings>,
    pub(super) prices: BTreeMap<Str, Priced>,
    pub(super) plans: BTreeMap<Str, Arc<Plan>>,
    pub(super) keys: Vec<FixedKey>,
    pub(super) limits: OwnerRules,
    pub(super) content: ContentRules,
    pub(super) credits: CreditRules,
    pub(super) webhooks: BTreeMap<Str, Hook>,
    pub(super) inbound: Inbound,
    pub(super) features: Features,
    pub(super) jwt: Option<Jwt>,
    pub(super) telemetry: Telemetry,
}

/// Reads a tree.
pub(super) fn read(root: &Node, reading: &mut Reading<'_>) -> File {
    let mut file = File::default();
    let Some(mut fields) = (At { node: root, place: String::new() }).fields(reading) else {
        return file;
    };
    // First: it says what becomes of secrets everywhere else.
    if let Some(at) = fields.at("server") {
        if at.node.table().and_then(|t| t.get("allow_literal_secrets")).and_then(Node::flag)
            == Some(true)
        {
            reading.literals = Literals::Allow;
        }
        file.server = server::server(&at, reading);
    }
    if let Some(at) = fields.at("store") {
        file.store = server::store(&at, reading);
    }
    if let Some(at) = fields.at("providers") {
        file.providers = providers::providers(&at, reading);
    }
    if let Some(at) = fields.at("models") {
        file.models = models::models(&at, &file.providers, reading);
    }
    if let Some(at) = fields.at("prices") {
        file.prices = models::prices(&at, &file.providers, reading);
    }
    if let Some(at) = fields.at("plans") {
        let sold;
        (file.plans, sold) = keys::plans(&at, reading);
        file.credits.plans = sold;
    }
    if let Some(at) = fields.at("keys") {
        file.keys = keys::keys(&at, &file.plans, reading);
    }
    if let Some(at) = fields.at("limits") {
        file.limits = rules::limits(&at, reading);
    }
    if let Some(at) = fields.at("content") {
        file.content = rules::content(&at, reading);
    }
    if let Some(at) = fields.at("credits") {
        let plans = std::mem::take(&mut file.credits.plans);
        file.credits = CreditRules { plans, ..credits::credits(&at, reading) };
    }
    if let Some(at) = fields.at("webhooks") {
        file.webhooks = credits::webhooks(&at, reading);
    }
    file.inbound = inbound::inbound(&mut fields, reading);
    file.features = features::features(&mut fields, reading);
    if let Some(at) = fields.at("telemetry") {
        file.telemetry = telemetry::telemetry(&at, reading);
    }
    if let Some(at) = fields.at("auth") {
        file.jwt = edge::auth(&at, &file.plans, reading);
    }
    fields.done(reading);
    file
}

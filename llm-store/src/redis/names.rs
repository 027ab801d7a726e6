//! What keys are called.
//!
//! Every key begins with the prefix, a letter for its kind, and in braces whose it is: keys that
//! one script touches have the same braces, and so lie in the same slot of a cluster. Lengths
//! stand before names, so that no name can be written such that it reads as another's key.

use std::fmt::Write;

use llm_core::ledger::{AccountId, Owner};
use llm_core::principal::TenantId;
use llm_core::store::CacheKey;

/// The keys of one installation.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

/// What is longer is a mistake, and would be paid for with every key.
pub(super) const PREFIX_MAX: usize = 64;

impl Names {
    /// `None` when the prefix is too long, or has braces, which would decide the slot of every key.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let fits = prefix.len() <= PREFIX_MAX && !prefix.contains(['{', '}']);
        fits.then(|| Self { prefix: prefix.to_owned() })
    }

    /// What a probe writes.
    pub(super) fn probe(&self) -> String {
        format!("{}probe", self.prefix)
    }

    /// Where revocations are told.
    pub(super) fn revoked(&self) -> String {
        format!("{}revoked", self.prefix)
    }

    /// The counters of an owner, before the rule.
    pub(super) fn counter(&self, owner: &AccountId) -> String {
        self.owned('c', owner)
    }

    /// The slots of an owner.
    pub(super) fn slots(&self, owner: &AccountId) -> String {
        self.owned('s', owner)
    }

    fn owned(&self, kind: char, owner: &AccountId) -> String {
        let whose = match owner.owner {
            Owner::Key => 'k',
            Owner::User => 'u',
            Owner::Feature => 'f',
            Owner::Team => 't',
            Owner::Org => 'g',
            Owner::Tenant => 'n',
            Owner::Operator => 'o',
        };
        let (name, rule) = (&*owner.name, &*owner.rule);
        let mut key = String::with_capacity(self.prefix.len() + name.len() + rule.len() + 48);
        let length = name.len();
        // Writing to a string does not fail.
        let _ = write!(key, "{}{kind}:{{{whose}{length}:{name}{}:{rule}", self.prefix, rule.len());
        if let Some(window) = owner.window {
            let _ = write!(key, "@{}", window.start.as_millisecond());
        }
        key.push_str("}:");
        key
    }

    /// The recordings of a tenant, before the member.
    pub(super) fn recordings(&self, tenant: &TenantId) -> String {
        self.tenant('r', tenant, "")
    }

    /// The list of all that is recorded of a tenant.
    pub(super) fn of_tenant(&self, tenant: &TenantId) -> String {
        self.tenant('i', tenant, "a")
    }

    /// The list of all that is recorded of a scope.
    pub(super) fn of_scope(&self, tenant: &TenantId, scope: &str) -> String {
        let mut key = self.tenant('i', tenant, "s:");
        key.push_str(scope);
        key
    }

    /// The lists of tags of a tenant, before the tag.
    pub(super) fn of_tags(&self, tenant: &TenantId) -> String {
        self.tenant('i', tenant, "t:")
    }

    /// Lists of what is being forgotten, before a number.
    pub(super) fn doomed(&self, tenant: &TenantId) -> String {
        self.tenant('d', tenant, "")
    }

    fn tenant(&self, kind: char, tenant: &TenantId, rest: &str) -> String {
        let name = &*tenant.0;
        format!("{}{kind}:{{{}:{name}}}:{rest}", self.prefix, name.len())
    }
}

/// What a recording is called in its tenant's lists. The scope comes last, so that nothing in it
/// can be taken for the question.
pub(super) fn member(key: &CacheKey) -> String {
    let mut name = String::with_capacity(2 * key.question.len() + 1 + key.scope.len());
    for byte in key.question {
        let _ = write!(name, "{byte:02x}");
    }
    name.push(':');
    name.push_str(&key.scope);
    name
}

#[cfg(test)]
mod tests;

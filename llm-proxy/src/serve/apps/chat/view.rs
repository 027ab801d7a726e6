//! Conversations and messages as they are shown.

use jiff::Timestamp;
use llm_app::chat::{Conversation, Export, Found, Id, Message, Shown};
use llm_core::Str;
use llm_core::quota::Zone;
use serde::Serialize;

use crate::serve::routes::shape::{Field, Of, flag, list, table, text, whole, words};

const ROLES: [&str; 2] = ["user", "assistant"];
const STATES: [&str; 5] = ["pending", "done", "stopped", "failed", "interrupted"];

pub(super) const CONVERSATION: &[Field] = &[
    text("id", "").need(),
    text("title", ""),
    text("model", ""),
    text("system", ""),
    whole("max_tokens", ""),
    text("created_at", "").need(),
    text("updated_at", "when something was said last").need(),
    text("expires_at", ""),
    text("leaf", "the last message of the branch that is gone on with"),
];
pub(super) const MESSAGE: &[Field] = &[
    text("id", "").need(),
    text("conversation_id", "").need(),
    text("parent_id", "what it goes on from"),
    words("role", &ROLES, "").need(),
    words("status", &STATES, "").need(),
    text("content", "").need(),
    text("created_at", "").need(),
    text("ended_at", ""),
    text("model", "the model that was asked"),
    text("finish_reason", "why the model ended"),
    text("error", "what went wrong, as a word"),
    table("usage", &[USAGE], "tokens"),
    whole("cost_nanos", "what it cost, in billionths of a USD"),
    list("versions", &Of::Text, "all messages that were said in its place, itself included"),
];
const USAGE: &[Field] = &[
    whole("input_tokens", "").need(),
    whole("output_tokens", "").need(),
    whole("total_tokens", "").need(),
];
pub(super) const REPLIED: &[Field] = &[
    table("message", &[MESSAGE], "what was said"),
    table("reply", &[MESSAGE], "").need(),
    flag("again", "whether the same post was answered before, and this is that reply").need(),
];
pub(super) const GONE: &[Field] = &[text("id", "").need(), flag("deleted", "").need()];
pub(super) const FOUND: &[Field] = &[
    table("message", &[MESSAGE], "").need(),
    text("title", "of its conversation"),
    text("snippet", "the words around the place").need(),
];
pub(super) const EXPORT: &[Field] = &[
    table("conversation", &[CONVERSATION], "").need(),
    list("messages", &Of::Table(&[MESSAGE]), "of all branches, the oldest first").need(),
];

#[derive(Serialize)]
pub(super) struct Talk {
    id: Id,
    title: Option<Str>,
    model: Option<Str>,
    system: Option<Str>,
    max_tokens: Option<u32>,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
    leaf: Option<Id>,
}

#[derive(Serialize)]
pub(super) struct Told {
    id: Id,
    conversation_id: Id,
    parent_id: Option<Id>,
    role: &'static str,
    status: &'static str,
    content: String,
    created_at: String,
    ended_at: Option<String>,
    model: Option<Str>,
    finish_reason: Option<Str>,
    error: Option<Str>,
    pub(super) usage: Option<Usage>,
    pub(super) cost_nanos: Option<i64>,
    versions: Option<Vec<Id>>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

#[derive(Serialize)]
pub(super) struct Whole {
    pub(super) message: Option<Told>,
    pub(super) reply: Told,
    pub(super) again: bool,
}

#[derive(Serialize)]
pub(super) struct Gone {
    pub(super) id: Id,
    pub(super) deleted: bool,
}

#[derive(Serialize)]
pub(super) struct Hit {
    message: Told,
    title: Option<Str>,
    snippet: String,
}

#[derive(Serialize)]
pub(super) struct All {
    conversation: Talk,
    messages: Vec<Told>,
}

pub(super) fn conversation(one: Conversation, zone: &Zone) -> Talk {
    let Conversation { id, title, manner, created, touched, expires, leaf } = one;
    Talk {
        id,
        title,
        model: manner.model,
        system: manner.system,
        max_tokens: manner.tokens_max,
        created_at: zone.show(created),
        updated_at: zone.show(touched),
        expires_at: expires.map(|at| zone.show(at)),
        leaf,
    }
}

pub(super) fn message(one: Message, zone: &Zone) -> Told {
    let show = |at: Timestamp| zone.show(at);
    Told {
        id: one.id,
        conversation_id: one.conversation,
        parent_id: one.parent,
        role: one.role.word(),
        status: one.state.word(),
        content: one.text,
        created_at: show(one.created),
        ended_at: one.ended.map(show),
        model: one.model,
        finish_reason: one.finish,
        error: one.fault,
        usage: one.tokens.map(|(input_tokens, output_tokens)| Usage {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
        }),
        cost_nanos: one.cost.map(|cost| cost.0),
        versions: None,
    }
}

/// With what else was said in its place.
pub(super) fn shown(one: Shown, zone: &Zone) -> Told {
    Told { versions: Some(one.versions), ..message(one.message, zone) }
}

pub(super) fn found(one: Found, zone: &Zone) -> Hit {
    Hit { message: message(one.message, zone), title: one.title, snippet: one.snippet }
}

pub(super) fn export(all: Export, zone: &Zone) -> All {
    let messages = all.messages.into_iter().map(|one| message(one, zone)).collect();
    All { conversation: conversation(all.conversation, zone), messages }
}

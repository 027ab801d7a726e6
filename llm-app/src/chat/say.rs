//! What makes a model answer: something that is said, said otherwise, or answered again.

use std::sync::Arc;

use llm_core::Str;
use llm_core::call::CacheUse;
use llm_core::principal::Grant;

use super::follow::Following;
use super::live::{Live, Occupied, Turn, Why};
use super::question::{Frame, Spoken};
use super::read::Laid;
use super::reply::Job;
use super::store::{self, Draft, SOME_MAX};
use super::words::{Conversation, Message, Post, Role, State};
use super::{
    CONTENT_BYTES_MAX, Chat, KEY_BYTES_MAX, MODEL_BYTES_MAX, checked, conversation, numbers,
    opened, sealed,
};
use crate::NotDone;
use crate::id::Id;
use crate::people::Person;

/// What a model reads and writes of which nobody knows how much that is.
const WINDOW_UNKNOWN: u64 = 8_192;
/// Messages of a branch that a model is shown, however short they are.
const SHOWN_MAX: usize = 400;
/// Messages that are left out and not in the notes yet, from which on notes are made.
const NOTED_AFTER: usize = 6;
/// How often a client is looked after that stops a reply, until it has ended.
const STOP_STEPS: usize = 100;

/// A reply that has begun, or was there already.
#[derive(Debug)]
pub struct Replied {
    /// What it answers, where something was said; `None` where something was answered again.
    pub asked: Option<Id>,
    /// It.
    pub reply: Id,
    /// Whether it was there before.
    pub again: bool,
    /// Tells it from its beginning.
    pub following: Following,
}

/// What is to be answered.
struct Ask {
    grant: Arc<Grant>,
    person: Person,
    conversation: Conversation,
    notes: Option<(Id, String)>,
    laid: Laid,
    /// What it goes on from.
    parent: Option<Id>,
    /// What is said first.
    content: Option<String>,
    model: Option<Str>,
    tokens_max: Option<u32>,
    again: Option<(i64, i64)>,
    cache: CacheUse,
}

impl Chat {
    /// Says something at the end of the branch that is gone on with.
    pub async fn post(&self, grant: &Arc<Grant>, id: Id, post: Post) -> Result<Replied, NotDone> {
        let ask = match self.asked(grant, id, post, "post").await? {
            Asked::Again(replied) => return Ok(*replied),
            Asked::New(ask) => *ask,
        };
        let parent = ask.conversation.leaf.filter(|leaf| ask.laid.tree.has(*leaf));
        self.begin(Ask { parent, ..ask }).await
    }

    /// Says something in the place of what was said before: another branch.
    pub async fn edit(
        &self,
        grant: &Arc<Grant>,
        id: Id,
        of: Id,
        post: Post,
    ) -> Result<Replied, NotDone> {
        let ask = match self.asked(grant, id, post, &of.to_string()).await? {
            Asked::Again(replied) => return Ok(*replied),
            Asked::New(ask) => *ask,
        };
        match ask.laid.roles.get(&of) {
            None => Err(NotDone::Unknown("message")),
            Some(Role::Assistant) => {
                Err(NotDone::Contradicts("only what the person has said is edited".into()))
            }
            Some(Role::User) => {
                let parent = ask.laid.tree.parent(of);
                self.begin(Ask { parent, ..ask }).await
            }
        }
    }

    /// Answers again what a reply has answered: another branch.
    pub async fn regenerate(
        &self,
        grant: &Arc<Grant>,
        id: Id,
        of: Id,
        how: Post,
    ) -> Result<Replied, NotDone> {
        let person = self.keeping(grant).await?;
        let ask = self.ask(grant, person, id, how).await?;
        match ask.laid.roles.get(&of) {
            None => Err(NotDone::Unknown("message")),
            Some(Role::User) => Err(NotDone::Contradicts("only a reply is made again".into())),
            Some(Role::Assistant) => {
                let parent = ask.laid.tree.parent(of);
                let cache = CacheUse::Refresh;
                self.begin(Ask { parent, content: None, cache, ..ask }).await
            }
        }
    }

    /// Ends a reply: what there is of it stays. One that has ended is as it is.
    pub async fn stop(&self, grant: &Grant, id: Id, of: Id) -> Result<Message, NotDone> {
        let person = self.0.ground.person(grant).await?;
        self.kept(&person, id).await?;
        let known = self.one(&person, id, of).await?;
        if known.state != State::Pending {
            return Ok(known);
        }
        if let Some(turn) = self.0.live.find(id).filter(|turn| turn.reply == of) {
            turn.stop(Why::Stopped);
            let mut said = turn.follow();
            let ended = said.wait_for(|said| said.ended.is_some());
            let waited = self.0.ground.clock.sleep(super::CLOSE_STEP * STOP_STEPS as u32);
            tokio::select! {
                _ = ended => {}
                () = waited => {}
            }
        } else {
            let (owner, conversation) = (person.owner().clone(), id);
            let stop = store::Stop { owner, conversation, reply: of };
            self.0.ground.database.write(stop).await?;
        }
        self.one(&person, id, of).await
    }

    /// What is to be answered, or the reply that the same post was answered with before.
    async fn asked(
        &self,
        grant: &Arc<Grant>,
        id: Id,
        post: Post,
        what: &str,
    ) -> Result<Asked, NotDone> {
        checked("content", &post.content, CONTENT_BYTES_MAX)?;
        let person = self.keeping(grant).await?;
        let again = match &post.key {
            None => None,
            Some(key) => {
                checked("idempotency_key", key, KEY_BYTES_MAX)?;
                let Post { content, model, tokens_max, .. } = &post;
                let print = format!("print {what} {model:?} {tokens_max:?} {content}");
                Some((person.blind(&format!("key {key}")), person.blind(&print)))
            }
        };
        if let Some(again) = again
            && let Some(replied) = self.known(grant, &person, id, again).await?
        {
            return Ok(Asked::Again(Box::new(replied)));
        }
        let ask = self.ask(grant, person, id, post).await?;
        Ok(Asked::New(Box::new(Ask { again, ..ask })))
    }

    async fn ask(
        &self,
        grant: &Arc<Grant>,
        person: Person,
        id: Id,
        post: Post,
    ) -> Result<Ask, NotDone> {
        if let Some(model) = &post.model {
            checked("model", model, MODEL_BYTES_MAX)?;
        }
        if post.tokens_max == Some(0) {
            return Err(NotDone::wrong("max_tokens", "at least 1"));
        }
        let mut kept = self.kept(&person, id).await?;
        let notes = match kept.summary.take() {
            None => None,
            Some((upto, sum)) => Some((upto, opened(&person, "summary", id, sum)?)),
        };
        let laid = self.laid(&person, id).await?;
        Ok(Ask {
            grant: Arc::clone(grant),
            conversation: conversation(&person, kept)?,
            person,
            notes,
            laid,
            parent: None,
            content: Some(post.content),
            model: post.model,
            tokens_max: post.tokens_max,
            again: None,
            cache: CacheUse::Use,
        })
    }

    /// The reply to the same post, if it was posted before.
    async fn known(
        &self,
        grant: &Grant,
        person: &Person,
        id: Id,
        (again, print): (i64, i64),
    ) -> Result<Option<Replied>, NotDone> {
        let other = || NotDone::Contradicts("something else was posted under this key".into());
        if let Some(turn) = self.0.live.find(id).filter(|turn| turn.again.is_some())
            && let Some((known, before)) = turn.again
            && known == again
        {
            self.kept(person, id).await?;
            if before != print {
                return Err(other());
            }
            return Ok(Some(followed(&turn, true)));
        }
        let owner = person.owner().clone();
        let look = store::Again { owner, conversation: id, again };
        let Some((asked, before)) = self.0.ground.database.read(look).await? else {
            return Ok(None);
        };
        if before != print {
            return Err(other());
        }
        // The first answer: what was answered again was asked for apart.
        let laid = self.laid(person, id).await?;
        let reply = laid.tree.children(asked).next().ok_or(NotDone::Unknown("message"))?;
        let following = self.follow(grant, id, reply, None).await?;
        Ok(Some(Replied { asked: Some(asked), reply, again: true, following }))
    }

    /// Begins a reply, and waits until its first word is there or it is clear that none comes.
    async fn begin(&self, ask: Ask) -> Result<Replied, NotDone> {
        let (id, reply) = (ask.conversation.id, Id(self.0.ground.id()));
        let asked = ask.content.is_some().then(|| Id(self.0.ground.id()));
        let seat = match Live::take(&self.0.live, id, Turn::new(reply, asked, ask.again)) {
            Ok(seat) => seat,
            // The same post, sent twice in one moment.
            Err(Occupied::By(turn)) if ask.again.is_some() && turn.again == ask.again => {
                return Ok(followed(&turn, true));
            }
            Err(occupied) => return Err(occupied.refusal()),
        };
        let replied = followed(seat.turn(), false);
        let job = self.job(ask, asked, reply).await?;
        let mut said = seat.turn().follow();
        // From here on it goes on without whoever has asked.
        tokio::spawn(self.clone().write(seat, job));
        let gone = || NotDone::Unknown("message");
        let said = said.wait_for(|said| said.begun || said.ended.is_some()).await;
        let said = said.map_err(|_| gone())?;
        match &said.ended {
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(_)) | None => Ok(replied),
        }
    }

    /// Everything that a task needs to write a reply.
    async fn job(&self, ask: Ask, asked: Option<Id>, reply: Id) -> Result<Job, NotDone> {
        let Ask { grant, person, conversation, notes, laid, parent, content, again, .. } = ask;
        let (feature, id) = (&self.0.settings.chat, conversation.id);
        let manner = &conversation.manner;
        let model = ask.model.or_else(|| manner.model.clone()).unwrap_or(feature.model.clone());
        let tokens_max = feature.tokens(ask.tokens_max.or(manner.tokens_max));
        let frame = Frame {
            ours: feature.system.as_deref(),
            theirs: manner.system.as_deref(),
            tokens_max,
            window: self.window(&model),
        };
        let path = parent.map(|parent| laid.tree.path(parent)).unwrap_or_default();
        let (mut ids, mut spoken) = self.spoken(&person, id, &path, &frame).await?;
        if let (Some(content), Some(asked)) = (&content, asked) {
            ids.push(asked);
            spoken.push(Spoken { role: Role::User, text: content.clone() });
        }
        // Notes of another branch say nothing of this one.
        let notes = notes.filter(|(upto, _)| path.contains(upto));
        let words = notes.as_ref().map(|(_, words)| &**words);
        let left = frame.left_out(&spoken, words);
        let first = ids.get(left).copied();
        let gone: &[Id] = match first.and_then(|first| path.iter().position(|id| *id == first)) {
            Some(at) => &path[..at],
            None => &path,
        };
        let noted = notes.as_ref().and_then(|(upto, _)| gone.iter().position(|id| id == upto));
        let unnoted = &gone[noted.map_or(0, |at| at + 1)..];
        let unnoted = if unnoted.len() >= NOTED_AFTER { unnoted.to_vec() } else { Vec::new() };
        let words = words.filter(|_| !gone.is_empty());
        let request = frame.request(&model, words, &spoken[left..]);
        let draft = match (content, asked) {
            (Some(content), Some(id)) => {
                let body = sealed(&person, "body", id, &content)?;
                Some(Draft { id, body, terms: numbers(&person, &content), again })
            }
            _ => None,
        };
        let notes = notes.map(|(_, words)| words);
        let (untitled, cache) = (conversation.title.is_none(), ask.cache);
        let first = draft.as_ref().map(|draft| draft.id).or(parent);
        Ok(Job {
            grant,
            person,
            conversation: id,
            parent: if draft.is_some() { parent } else { first },
            draft,
            reply,
            model,
            request,
            cache,
            untitled,
            notes,
            unnoted,
        })
    }

    /// What was said on a branch, as far as it can fit: the newest first until it does not.
    async fn spoken(
        &self,
        person: &Person,
        id: Id,
        path: &[Id],
        frame: &Frame<'_>,
    ) -> Result<(Vec<Id>, Vec<Spoken>), NotDone> {
        let (mut ids, mut spoken, mut room) = (Vec::new(), Vec::new(), frame.room());
        let path = &path[path.len().saturating_sub(SHOWN_MAX)..];
        for some in path.rchunks(SOME_MAX) {
            let mut known = self.texts(person, id, some).await?;
            for id in some.iter().rev() {
                // What came to nothing is not shown.
                let Some(message) = known.remove(id).filter(|m| !m.text.trim().is_empty()) else {
                    continue;
                };
                room = room.saturating_sub(super::window::tokens(&message.text));
                ids.push(*id);
                spoken.push(Spoken { role: message.role, text: message.text });
            }
            if room == 0 {
                break;
            }
        }
        ids.reverse();
        spoken.reverse();
        Ok((ids, spoken))
    }

    /// What a model reads and writes at the most: of those that may answer, the least.
    fn window(&self, model: &str) -> u64 {
        let Ok(model) = self.0.ground.gateway.snapshot().resolve(model) else {
            return WINDOW_UNKNOWN;
        };
        let all = model.tiers.iter().flatten().map(|choice| &choice.target.capability);
        let known = all.map(|takes| takes.context_tokens_max).filter(|most| *most > 0);
        let window = known.min().map_or(WINDOW_UNKNOWN, u64::from);
        self.0.settings.window_max.map_or(window, |most| window.min(u64::from(most)))
    }
}

enum Asked {
    Again(Box<Replied>),
    New(Box<Ask>),
}

fn followed(turn: &Turn, again: bool) -> Replied {
    let following = Following::live(turn.follow());
    Replied { asked: turn.asked, reply: turn.reply, again, following }
}

//! Conversations and messages as they are looked at and changed, when no model is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use llm_core::Str;
use llm_core::principal::Grant;

use super::store::{self, Hit, Nodes, Spoken};
use super::tree::Tree;
use super::words::{Change, Conversation, Manner, Message, Opening, Page, Role, Shown, State};
use super::{
    CONVERSATIONS_MAX, Chat, DAY_MICROS, DAYS_MAX, MESSAGES_MAX, MODEL_BYTES_MAX, PAGE_MAX,
    SYSTEM_BYTES_MAX, TITLE_BYTES_MAX, checked, conversation, message, sealed,
};
use crate::NotDone;
use crate::id::Id;
use crate::people::Person;
use crate::terms::terms;

/// Terms of what is looked for.
const SOUGHT_MAX: usize = 16;
/// Letters around what was found.
const AROUND_LETTERS: usize = 60;

/// A message in which something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub message: Message,
    /// What the conversation is about.
    pub title: Option<Str>,
    /// The words around the first place.
    pub snippet: String,
}

/// All of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// It.
    pub conversation: Conversation,
    /// All messages of all branches, in the order of their making.
    pub messages: Vec<Message>,
}

/// What a conversation is: its words, and who says what.
pub(super) struct Laid {
    pub(super) tree: Tree,
    pub(super) roles: BTreeMap<Id, Role>,
}

impl Chat {
    /// Begins a conversation.
    pub async fn create(&self, grant: &Grant, opening: Opening) -> Result<Conversation, NotDone> {
        let person = self.keeping(grant).await?;
        let Opening { title, manner, days } = opening;
        let id = Id(self.0.ground.id());
        let title = title.map(|title| titled(&person, id, &title)).transpose()?;
        let usual = self.0.settings.keep.map(micros);
        let create = store::Create {
            owner: person.owner().clone(),
            id,
            said: mannered(&person, id, &manner)?,
            title,
            keep: days.map(kept_for).transpose()?.or(usual),
            most: i64::try_from(CONVERSATIONS_MAX).unwrap_or(i64::MAX),
        };
        if !self.0.ground.database.write(create).await? {
            let text = format!("{CONVERSATIONS_MAX} conversations at the most: delete some");
            return Err(NotDone::Contradicts(text.into()));
        }
        Ok(conversation(&person, self.kept(&person, id).await?)?)
    }

    /// Somebody's conversations, those first in which something was said last.
    pub async fn list(
        &self,
        grant: &Grant,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<Page<Conversation>, NotDone> {
        let person = self.0.ground.person(grant).await?;
        self.listed(&person, cursor, most).await
    }

    pub(super) async fn listed(
        &self,
        person: &Person,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<Page<Conversation>, NotDone> {
        let before = cursor.map(place).transpose()?;
        let most = most.clamp(1, PAGE_MAX);
        let list = store::List { owner: person.owner().clone(), before, most: most + 1 };
        let mut kept = self.0.ground.database.read(list).await?;
        let more = kept.len() > most;
        kept.truncate(most);
        let last = kept.last().filter(|_| more);
        let next = last.map(|last| format!("{}-{}", last.touched.as_microsecond(), last.id));
        let items = kept.into_iter().map(|kept| conversation(person, kept));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    }

    /// One of them.
    pub async fn get(&self, grant: &Grant, id: Id) -> Result<Conversation, NotDone> {
        let person = self.0.ground.person(grant).await?;
        Ok(conversation(&person, self.kept(&person, id).await?)?)
    }

    /// Changes one of them.
    pub async fn change(
        &self,
        grant: &Grant,
        id: Id,
        change: Change,
    ) -> Result<Conversation, NotDone> {
        let person = self.keeping(grant).await?;
        let known = conversation(&person, self.kept(&person, id).await?)?;
        let Change { title, model, system, tokens_max, days, branch } = change;
        let manner = Manner {
            model: model.unwrap_or(known.manner.model),
            system: system.unwrap_or(known.manner.system),
            tokens_max: tokens_max.unwrap_or(known.manner.tokens_max),
        };
        let title = match title {
            None => None,
            Some(None) => Some(None),
            Some(Some(title)) => Some(Some(titled(&person, id, &title)?)),
        };
        let leaf = match branch {
            None => None,
            Some(branch) => {
                let laid = self.laid(&person, id).await?;
                let none = || NotDone::wrong("branch", "there is no such message");
                Some(laid.tree.has(branch).then(|| laid.tree.end(branch)).ok_or_else(none)?)
            }
        };
        let keep = days.map(|days| days.map(kept_for).transpose()).transpose()?;
        let said = Some(mannered(&person, id, &manner)?);
        let owner = person.owner().clone();
        self.0.ground.database.write(store::Change { owner, id, said, title, keep, leaf }).await?;
        Ok(conversation(&person, self.kept(&person, id).await?)?)
    }

    /// Deletes one of them. A reply in progress ends.
    pub async fn delete(&self, grant: &Grant, id: Id) -> Result<(), NotDone> {
        let person = self.0.ground.person(grant).await?;
        let delete = store::Delete { owner: person.owner().clone(), id };
        if !self.0.ground.database.write(delete).await? {
            return Err(NotDone::Unknown("conversation"));
        }
        if let Some(turn) = self.0.live.find(id) {
            turn.stop(super::live::Why::Stopped);
        }
        Ok(())
    }

    /// Messages of a branch, the newest first: of the one that is gone on with, or the one that a
    /// message is on.
    pub async fn messages(
        &self,
        grant: &Grant,
        id: Id,
        branch: Option<Id>,
        before: Option<Id>,
        most: usize,
    ) -> Result<Page<Shown>, NotDone> {
        let person = self.0.ground.person(grant).await?;
        let leaf = self.kept(&person, id).await?.leaf;
        let Laid { tree, .. } = self.laid(&person, id).await?;
        let end = match branch {
            Some(branch) if tree.has(branch) => Some(tree.end(branch)),
            Some(_) => return Err(NotDone::wrong("branch", "there is no such message")),
            None => leaf,
        };
        let mut path = end.map(|end| tree.path(end)).unwrap_or_default();
        if let Some(before) = before {
            let at = path.iter().position(|id| *id == before);
            path.truncate(at.ok_or_else(|| NotDone::wrong("cursor", "not one of this list"))?);
        }
        let from = path.len().saturating_sub(most.clamp(1, PAGE_MAX));
        let page = path.split_off(from);
        let next = page.first().filter(|_| from > 0).map(Id::to_string);
        let mut known = self.texts(&person, id, &page).await?;
        let shown = |id: &Id| {
            let message = known.remove(id)?;
            Some(Shown { message, versions: tree.versions(*id).collect() })
        };
        Ok(Page { items: page.iter().rev().filter_map(shown).collect(), next })
    }

    /// One message.
    pub async fn message(&self, grant: &Grant, id: Id, of: Id) -> Result<Message, NotDone> {
        let person = self.0.ground.person(grant).await?;
        self.kept(&person, id).await?;
        self.one(&person, id, of).await
    }

    /// Messages with all of these words in them, the newest first.
    pub async fn search(
        &self,
        grant: &Grant,
        words: &str,
        before: Option<Id>,
        most: usize,
    ) -> Result<Page<Found>, NotDone> {
        let person = self.0.ground.person(grant).await?;
        let sought: Vec<i64> =
            terms(words).keys().take(SOUGHT_MAX).map(|term| person.blind(term)).collect();
        if sought.is_empty() {
            return Err(NotDone::wrong("q", "at least one word"));
        }
        let (owner, most) = (person.owner().clone(), most.clamp(1, PAGE_MAX));
        let search = store::Search { owner, terms: sought, before, most: most + 1 };
        let mut hits = self.0.ground.database.read(search).await?;
        let more = hits.len() > most;
        hits.truncate(most);
        let next = hits.last().filter(|_| more).map(|hit| hit.message.to_string());
        let mut of: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        hits.iter().for_each(|hit| of.entry(hit.conversation).or_default().push(hit.message));
        let (mut texts, mut titles) = (BTreeMap::new(), BTreeMap::new());
        for (id, messages) in of {
            texts.extend(self.texts(&person, id, &messages).await?);
            titles.insert(id, conversation(&person, self.kept(&person, id).await?)?.title);
        }
        let found = |Hit { message, conversation }: Hit| {
            let message = texts.remove(&message)?;
            let snippet = snippet(&message.text, words);
            Some(Found { message, title: titles.get(&conversation).cloned().flatten(), snippet })
        };
        Ok(Page { items: hits.into_iter().filter_map(found).collect(), next })
    }

    /// All of a conversation.
    pub async fn export(&self, grant: &Grant, id: Id) -> Result<Export, NotDone> {
        let person = self.0.ground.person(grant).await?;
        self.exported(&person, id).await
    }

    pub(super) async fn exported(&self, person: &Person, id: Id) -> Result<Export, NotDone> {
        let conversation = conversation(person, self.kept(person, id).await?)?;
        let laid = self.laid(person, id).await?;
        let all: Vec<Id> = laid.roles.keys().copied().collect();
        let texts = self.texts(person, id, &all).await?;
        Ok(Export { conversation, messages: texts.into_values().collect() })
    }

    pub(super) async fn laid(&self, person: &Person, id: Id) -> Result<Laid, NotDone> {
        let owner = person.owner().clone();
        let nodes = Nodes { owner, conversation: id, most: MESSAGES_MAX };
        let spoken: Vec<Spoken> = self.0.ground.database.read(nodes).await?;
        let roles = spoken.iter().map(|one| (one.node.id, one.role)).collect();
        Ok(Laid { tree: Tree::new(spoken.into_iter().map(|one| one.node)), roles })
    }

    /// These messages with their words, as they are now.
    pub(super) async fn texts(
        &self,
        person: &Person,
        id: Id,
        ids: &[Id],
    ) -> Result<BTreeMap<Id, Message>, NotDone> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (owner, ids) = (person.owner().clone(), ids.to_vec());
        let lines =
            self.0.ground.database.read(store::Look { owner, conversation: id, ids }).await?;
        let mut known = BTreeMap::new();
        for line in lines {
            let mut message = message(person, id, line)?;
            if message.state == State::Pending
                && let Some(turn) = self.0.live.find(id).filter(|turn| turn.reply == message.id)
            {
                message.text = turn.text();
            }
            known.insert(message.id, message);
        }
        Ok(known)
    }

    pub(super) async fn one(&self, person: &Person, id: Id, of: Id) -> Result<Message, NotDone> {
        let mut known = self.texts(person, id, &[of]).await?;
        known.remove(&of).ok_or(NotDone::Unknown("message"))
    }
}

impl Export {
    /// The branch that is gone on with, as people read it.
    pub fn markdown(&self) -> String {
        let title = self.conversation.title.as_deref().unwrap_or("Conversation");
        let mut text = format!("# {}\n", title.replace('\n', " "));
        let nodes = self.messages.iter();
        let tree = Tree::new(nodes.map(|one| super::tree::Node { id: one.id, parent: one.parent }));
        let path = self.conversation.leaf.map(|leaf| tree.path(leaf)).unwrap_or_default();
        let path: BTreeSet<Id> = path.into_iter().collect();
        for one in self.messages.iter().filter(|one| path.contains(&one.id)) {
            let who = one.role.word();
            // Writing to a string does not fail.
            let _ = write!(text, "\n## {who} · {:.0}\n\n{}\n", one.created, one.text.trim_end());
            if one.state != State::Done {
                let _ = write!(text, "\n_({})_\n", one.state.word());
            }
        }
        text
    }
}

/// Where a list of conversations goes on.
fn place(cursor: &str) -> Result<(i64, Id), NotDone> {
    let odd = || NotDone::wrong("cursor", "not a cursor of this list");
    let (touched, id) = cursor.split_once('-').ok_or_else(odd)?;
    let touched = touched.parse().map_err(|_| odd())?;
    Ok((touched, id.parse().map_err(|_| odd())?))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn kept_for(days: u32) -> Result<i64, NotDone> {
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(NotDone::wrong("retention_days", format!("1 to {DAYS_MAX}")));
    }
    Ok(i64::from(days) * DAY_MICROS)
}

fn titled(person: &Person, id: Id, title: &str) -> Result<bytes::Bytes, NotDone> {
    checked("title", title, TITLE_BYTES_MAX)?;
    Ok(sealed(person, "title", id, title)?)
}

fn mannered(person: &Person, id: Id, manner: &Manner) -> Result<bytes::Bytes, NotDone> {
    if let Some(model) = &manner.model {
        checked("model", model, MODEL_BYTES_MAX)?;
    }
    if let Some(system) = &manner.system {
        checked("system", system, SYSTEM_BYTES_MAX)?;
    }
    if manner.tokens_max == Some(0) {
        return Err(NotDone::wrong("max_tokens", "at least 1"));
    }
    let said = serde_json::to_string(manner).unwrap_or_default();
    Ok(sealed(person, "said", id, &said)?)
}

/// The words around the first place where one of those stands that are looked for.
fn snippet(text: &str, words: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let lower = |letters: &[char]| -> Vec<char> {
        // One for one, so that places stay: what grows in small letters is compared as it is.
        let one = |letter: &char| {
            let mut small = letter.to_lowercase();
            match (small.next(), small.next()) {
                (Some(small), None) => small,
                _ => *letter,
            }
        };
        letters.iter().map(one).collect()
    };
    let small = lower(&letters);
    let places = words.split_whitespace().filter_map(|word| {
        let word = lower(&word.chars().collect::<Vec<_>>());
        small.windows(word.len().max(1)).position(|window| window == word)
    });
    let at = places.min().unwrap_or(0);
    let (from, to) = (at.saturating_sub(AROUND_LETTERS), (at + AROUND_LETTERS).min(letters.len()));
    let mut around: String = letters[from..to].iter().collect();
    if from > 0 {
        around.insert(0, '…');
    }
    if to < letters.len() {
        around.push('…');
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_around_a_place_are_cut_at_letters() {
        let text = format!("{}서울 날씨{}", "가".repeat(100), "나".repeat(100));
        let around = snippet(&text, "날씨 서울");
        assert!(around.starts_with('…') && around.ends_with('…') && around.contains("서울 날씨"));
        assert_eq!(snippet("short Text", "text"), "short Text");
        assert_eq!(snippet("", "x"), "");
    }

    #[test]
    fn a_cursor_is_what_a_list_gave() {
        assert!(place("17-0000000000000000000000000000000a").is_ok());
        for odd in ["", "17", "x-0000000000000000000000000000000a", "17-xyz"] {
            assert!(place(odd).is_err(), "{odd}");
        }
    }
}

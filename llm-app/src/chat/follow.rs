//! Following a reply: from any place of it, in this process or another, as often as one likes.

use std::fmt;
use std::time::Duration;

use llm_core::principal::Grant;
use tokio::sync::watch;

use super::Chat;
use super::live::{self, Heard, Said};
use super::mark::Mark;
use super::words::{Message, Role, State};
use crate::NotDone;
use crate::id::Id;
use crate::people::Person;

/// How often a reply of another process is looked for in the database.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// How often at the most: a reply takes no longer than a call may.
const LOOKS_MAX: u32 = 10_000;

/// Somebody who follows a reply. Dropping it changes nothing for the reply.
pub struct Following {
    source: Source,
    mark: Mark,
    started: bool,
    over: bool,
}

enum Source {
    /// It is written here.
    Live(watch::Receiver<Said>),
    /// It has ended.
    Kept(Box<Message>),
    /// Another process writes it.
    Far(Box<Far>),
}

struct Far {
    chat: Chat,
    person: Person,
    message: Message,
    looks: u32,
}

impl Chat {
    /// Follows a reply, from its beginning or from where somebody was.
    pub async fn follow(
        &self,
        grant: &Grant,
        id: Id,
        of: Id,
        after: Option<Mark>,
    ) -> Result<Following, NotDone> {
        let person = self.0.ground.person(grant).await?;
        self.kept(&person, id).await?;
        let turn = self.0.live.find(id).filter(|turn| turn.reply == of);
        let (source, text) = match turn {
            Some(turn) => (Source::Live(turn.follow()), turn.text()),
            None => {
                let message = self.one(&person, id, of).await?;
                let text = message.text.clone();
                match (message.role, message.state) {
                    (Role::User, _) => return Err(NotDone::Unknown("reply")),
                    (Role::Assistant, State::Pending) => {
                        let far = Far { chat: self.clone(), person, message, looks: 0 };
                        (Source::Far(Box::new(far)), text)
                    }
                    (Role::Assistant, _) => (Source::Kept(Box::new(message)), text),
                }
            }
        };
        let mark = after.unwrap_or(Mark::START);
        if mark.rest(&text).is_none() {
            return Err(NotDone::wrong("after", "this is no id of an event of this message"));
        }
        Ok(Following { source, mark, started: after.is_some(), over: false })
    }
}

impl Following {
    pub(super) fn live(said: watch::Receiver<Said>) -> Self {
        Self { source: Source::Live(said), mark: Mark::START, started: false, over: false }
    }

    /// What comes next; `None` behind the end.
    pub async fn next(&mut self) -> Option<Heard> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.started, true) {
            return Some(Heard::Start);
        }
        let heard = match &mut self.source {
            Source::Live(said) => live::next(said, &mut self.mark).await,
            Source::Kept(message) => Some(told(message, &mut self.mark)),
            Source::Far(far) => far.next(&mut self.mark).await,
        };
        self.over = match &heard {
            Some(Heard::End(_) | Heard::Failed(_)) | None => true,
            Some(Heard::Start | Heard::Delta(..)) => false,
        };
        heard
    }

    /// The reply when it has ended.
    pub async fn whole(mut self) -> Result<Message, NotDone> {
        while let Some(heard) = self.next().await {
            match heard {
                Heard::Start | Heard::Delta(..) => {}
                Heard::End(message) => return Ok(*message),
                Heard::Failed(why) => return Err(why),
            }
        }
        Err(NotDone::Unknown("reply"))
    }
}

/// What is new of a reply that has ended.
fn told(message: &Message, mark: &mut Mark) -> Heard {
    match mark.rest(&message.text).filter(|rest| !rest.is_empty()) {
        Some(rest) => {
            *mark = mark.behind(&message.text);
            Heard::Delta(*mark, rest.to_owned())
        }
        None => Heard::End(Box::new(message.clone())),
    }
}

impl Far {
    async fn next(&mut self, mark: &mut Mark) -> Option<Heard> {
        loop {
            match told(&self.message, mark) {
                Heard::End(_) if self.message.state == State::Pending => {}
                heard => return Some(heard),
            }
            self.looks += 1;
            if self.looks > LOOKS_MAX {
                return None;
            }
            self.chat.0.ground.clock.sleep(LOOK_EVERY).await;
            let Message { conversation, id, .. } = self.message;
            match self.chat.one(&self.person, conversation, id).await {
                Ok(message) => self.message = message,
                Err(why) => return Some(Heard::Failed(why)),
            }
        }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("mark", &self.mark).finish_non_exhaustive()
    }
}

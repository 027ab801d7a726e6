//! A reply as server-sent events: `start`, `delta`, and at the end `end` or `error`. The id of an
//! event is the place behind it, by which a client that was cut off goes on.

use futures_util::Stream;
use futures_util::stream::unfold;
use llm_app::chat::{Following, Heard, Id, Mark, Message, State};
use llm_core::quota::Zone;
use serde::Serialize;

use super::view;
use crate::serve::admin::refusal::Refusal;
use crate::serve::app::{self, Language};
use crate::serve::events::Told;

/// What a reply is called, told first.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Begun {
    pub(super) conversation_id: Id,
    /// What was said, where something was.
    pub(super) message_id: Option<Id>,
    pub(super) reply_id: Id,
}

/// How it is told.
pub(super) struct Telling {
    pub(super) begun: Begun,
    pub(super) zone: Zone,
    pub(super) language: Language,
}

#[derive(Serialize)]
struct Delta<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct End {
    usage: Option<view::Usage>,
    cost_nanos: Option<i64>,
    message: view::Told,
}

#[derive(Serialize)]
struct Failed<'a> {
    code: String,
    message: &'a str,
}

/// The events. Whoever drops them leaves; the reply goes on.
pub(super) fn events(following: Following, telling: Telling) -> impl Stream<Item = Told> + Send {
    unfold((following, telling), |(mut following, telling)| async move {
        let heard = following.next().await?;
        Some((telling.told(heard), (following, telling)))
    })
}

impl Telling {
    fn told(&self, heard: Heard) -> Told {
        let end = Mark::End.to_string();
        match heard {
            Heard::Start => Told::new(Some(&Mark::START.to_string()), "start", &self.begun),
            Heard::Delta(mark, text) => {
                Told::new(Some(&mark.to_string()), "delta", &Delta { text: &text })
            }
            Heard::End(message) if message.state == State::Failed => self.failed(&message, &end),
            Heard::End(message) => {
                let message = view::message(*message, &self.zone);
                let (usage, cost_nanos) = (message.usage, message.cost_nanos);
                Told::new(Some(&end), "end", &End { usage, cost_nanos, message })
            }
            Heard::Failed(why) => {
                let refusal = Refusal::from(why);
                let message = app::sentence(&refusal, self.language, &self.zone);
                let code = refusal.code().to_ascii_uppercase();
                Told::new(Some(&end), "error", &Failed { code, message: &message })
            }
        }
    }

    fn failed(&self, message: &Message, end: &str) -> Told {
        let code = message.fault.as_deref().unwrap_or("internal").to_ascii_uppercase();
        let message = self.language.says(app::BROKE_OFF);
        Told::new(Some(end), "error", &Failed { code, message })
    }
}

//! The admin key: a secret of which the store has a print, and of which there is one.

use jiff::Timestamp;
use llm_core::secret::Secret;
use llm_core::store::KeyHash;

use super::desk::{Desk, Op, Stop};
use super::text::instant;
use super::{NotDone, SqlDirectory};
use crate::keys::{KeyPrint, PepperId, Peppers};
use crate::sql::row::digest;

/// Whether an admin key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// This one, now: it is shown, and never again.
    Made,
    /// There was one, made then.
    Before(Timestamp),
}

impl SqlDirectory {
    /// Makes the admin key, unless there is one. Of several replicas that start at once, one does.
    pub async fn ensure_admin(&self, print: KeyPrint) -> Result<Ensured, NotDone> {
        self.change(Put { print, replaces: None }).await
    }

    /// Puts another admin key in place of one; the one is of no use from then on.
    pub async fn rotate_admin(&self, old: KeyPrint, new: KeyPrint) -> Result<(), NotDone> {
        self.change(Put { print: new, replaces: Some(old) }).await.map(drop)
    }

    /// Under which print a text is the admin key; `None` when it is not. Asked of the store each
    /// time.
    pub async fn admin(
        &self,
        text: &Secret<String>,
        peppers: &Peppers,
    ) -> Result<Option<KeyPrint>, NotDone> {
        let stored = self.ask(Get).await?;
        Ok(stored.map(|(print, _)| print).filter(|print| peppers.matches(print, text.expose())))
    }
}

struct Put {
    print: KeyPrint,
    replaces: Option<KeyPrint>,
}

impl Op for Put {
    type Out = Ensured;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Ensured, Stop> {
        match (desk.admin().await?, self.replaces) {
            // Asked again after an answer that got lost.
            // Asked again after an answer that got lost: nobody has shown it yet.
            (Some((print, _)), _) if print == self.print => return Ok(Ensured::Made),
            (Some((_, at)), None) => return Ok(Ensured::Before(at)),
            (Some((print, _)), Some(old)) if print == old => {}
            (Some(_) | None, Some(_)) => return Err(NotDone::Denied.into()),
            (None, None) => {}
        }
        let text = "INSERT INTO admin (id, pepper, print, created) VALUES (1, $1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET pepper = $1, print = $2, created = $3";
        let PepperId(pepper) = self.print.pepper;
        let print = self.print.hash.0.as_slice().into();
        let args = [pepper.cast_signed().into(), print, desk.at().into()];
        desk.session.run(text, &args).await?;
        Ok(Ensured::Made)
    }
}

struct Get;

impl Op for Get {
    type Out = Option<(KeyPrint, Timestamp)>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        desk.admin().await
    }
}

impl Desk<'_, '_> {
    async fn admin(&mut self) -> Result<Option<(KeyPrint, Timestamp)>, Stop> {
        let text = "SELECT pepper, print, created FROM admin WHERE id = 1";
        let Some(row) = self.session.one(text, &[]).await? else { return Ok(None) };
        let pepper = PepperId(row.int(0)?.cast_unsigned());
        let hash = KeyHash(digest(&row.bytes(1)?)?);
        Ok(Some((KeyPrint { pepper, hash }, instant(row.int(2)?)?)))
    }
}

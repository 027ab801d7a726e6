//! What is read: documents, passages, and what a search goes through.

use llm_core::Str;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::rows::{ENTRY, Entry, FOUND, Found, Shelved};

/// A document that is whole.
pub(in crate::documents) struct Get(pub(in crate::documents) Str, pub(in crate::documents) Str);

impl Task for Get {
    type Out = Option<Entry>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text =
            format!("SELECT {ENTRY} FROM document WHERE owner = $1 AND id = $2 AND whole = 1");
        let row = session.one(text, &[(&*self.0).into(), (&*self.1).into()]).await?;
        row.as_ref().map(Entry::of).transpose()
    }
}

/// The document of that name, collection and content.
pub(in crate::documents) struct Printed(pub(in crate::documents) Str, pub(in crate::documents) i64);

impl Task for Printed {
    type Out = Option<Entry>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = format!(
            "SELECT {ENTRY} FROM document WHERE owner = $1 AND print = $2 AND whole = 1 LIMIT 1"
        );
        let row = session.one(text, &[(&*self.0).into(), self.1.into()]).await?;
        row.as_ref().map(Entry::of).transpose()
    }
}

/// Documents of somebody, the newest first, those made before `before`.
pub(in crate::documents) struct List {
    pub(in crate::documents) owner: Str,
    pub(in crate::documents) collection: Option<i64>,
    pub(in crate::documents) before: Option<Str>,
    pub(in crate::documents) limit: i64,
}

impl Task for List {
    type Out = Vec<Entry>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        // Behind everything: ids are hexadecimal.
        let before = self.before.as_deref().unwrap_or("g");
        let mut args: Vec<Arg<'_>> = vec![(&*self.owner).into(), before.into(), self.limit.into()];
        let mut of = "";
        if let Some(number) = self.collection {
            args.push(number.into());
            of = "AND collection = $4 ";
        }
        let text = format!(
            "SELECT {ENTRY} FROM document WHERE owner = $1 AND id < $2 {of}AND whole = 1 \
             ORDER BY id DESC LIMIT $3"
        );
        session.all(text, &args).await?.iter().map(Entry::of).collect()
    }
}

/// How many documents and passages somebody has, those in the making too.
pub(in crate::documents) struct Sizes(pub(in crate::documents) Str);

impl Task for Sizes {
    type Out = (i64, i64);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = "SELECT COUNT(*), CAST(COALESCE(SUM(passages), 0) AS BIGINT) FROM document \
             WHERE owner = $1";
        let row = session.one(text, &[(&*self.0).into()]).await?;
        row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
    }
}

/// Where somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::documents) enum Scope {
    /// Everywhere.
    All,
    /// In a collection.
    Collection(i64),
    /// In a document.
    Document(Str),
}

/// A part of what a search goes through, behind a passage.
pub(in crate::documents) struct Look {
    pub(in crate::documents) owner: Str,
    pub(in crate::documents) model: Str,
    pub(in crate::documents) scope: Scope,
    pub(in crate::documents) behind: (Str, i64),
    pub(in crate::documents) limit: i64,
}

impl Task for Look {
    type Out = Vec<Shelved>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (document, seq) = &self.behind;
        let mut args: Vec<Arg<'_>> = vec![
            (&*self.owner).into(),
            (&*self.model).into(),
            (&**document).into(),
            (*seq).into(),
            self.limit.into(),
        ];
        let of = match &self.scope {
            Scope::All => "",
            Scope::Collection(number) => {
                args.push((*number).into());
                " AND d.collection = $6"
            }
            Scope::Document(id) => {
                args.push((&**id).into());
                " AND p.document = $6"
            }
        };
        let text = format!(
            "SELECT p.document, p.seq, p.print, p.terms, p.length, v.sealed FROM passage p \
             JOIN document d ON d.owner = p.owner AND d.id = p.document AND d.whole = 1 \
             LEFT JOIN passage_vector v ON v.owner = p.owner AND v.model = $2 \
             AND v.print = p.print \
             WHERE p.owner = $1 AND (p.document, p.seq) > ($3, $4){of} \
             ORDER BY p.document, p.seq LIMIT $5"
        );
        session.all(text, &args).await?.iter().map(Shelved::of).collect()
    }
}

/// Passages with their texts: those of a document behind one, in their order.
pub(in crate::documents) struct Bodies {
    pub(in crate::documents) owner: Str,
    pub(in crate::documents) document: Str,
    pub(in crate::documents) behind: i64,
    pub(in crate::documents) limit: i64,
}

impl Task for Bodies {
    type Out = Vec<Found>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = format!(
            "SELECT {FOUND} FROM passage WHERE owner = $1 AND document = $2 AND seq > $3 \
             ORDER BY seq LIMIT $4"
        );
        let args = [
            (&*self.owner).into(),
            (&*self.document).into(),
            self.behind.into(),
            self.limit.into(),
        ];
        session.all(text, &args).await?.iter().map(Found::of).collect()
    }
}

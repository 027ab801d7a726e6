//! Vectors, by the numbers of their texts: a text that somebody has twice is embedded once.

use bytes::Bytes;
use llm_core::Str;
use llm_store::seal::Place;
use llm_store::sql::{Failure, Session, Task};

use super::rows::{FOUND, Found};

const KEEP: &str = "INSERT INTO passage_vector (owner, model, print, sealed) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (owner, model, print) DO NOTHING";

/// Where a vector is sealed.
pub(in crate::documents) fn vector_place(row: &str) -> Place<'_> {
    Place { table: "passage_vector", column: "sealed", row, version: 0 }
}

/// Passages of a document without a vector of a model, behind one.
pub(in crate::documents) struct Vectorless {
    pub(in crate::documents) owner: Str,
    pub(in crate::documents) document: Str,
    pub(in crate::documents) model: Str,
    pub(in crate::documents) behind: i64,
    pub(in crate::documents) limit: i64,
}

/// One of them, and the number of its text.
#[derive(Clone, Debug)]
pub(in crate::documents) struct Bare {
    pub(in crate::documents) found: Found,
    pub(in crate::documents) print: i64,
}

impl Task for Vectorless {
    type Out = Vec<Bare>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = format!(
            "SELECT {FOUND}, print FROM passage p WHERE owner = $1 AND document = $2 AND seq > $4 \
             AND NOT EXISTS (SELECT 1 FROM passage_vector v WHERE v.owner = p.owner \
             AND v.model = $3 AND v.print = p.print) ORDER BY seq LIMIT $5"
        );
        let args = [
            (&*self.owner).into(),
            (&*self.document).into(),
            (&*self.model).into(),
            self.behind.into(),
            self.limit.into(),
        ];
        let rows = session.all(text, &args).await?;
        rows.iter().map(|row| Ok(Bare { found: Found::of(row)?, print: row.int(5)? })).collect()
    }
}

/// Keeps vectors.
#[derive(Debug)]
pub(in crate::documents) struct KeepVectors {
    pub(in crate::documents) owner: Str,
    pub(in crate::documents) model: Str,
    pub(in crate::documents) vectors: Vec<(i64, Bytes)>,
}

impl Task for KeepVectors {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        for (print, sealed) in &self.vectors {
            let args = [
                (&*self.owner).into(),
                (&*self.model).into(),
                (*print).into(),
                (&sealed[..]).into(),
            ];
            session.run(KEEP, &args).await?;
        }
        Ok(())
    }
}

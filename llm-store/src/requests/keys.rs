//! The keys that somebody has used.

use llm_core::Str;
use llm_core::principal::{KeyId, TenantId, UserId};
use llm_core::store::StoreError;

use super::Requests;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Keys of one person: more were never theirs at once.
const KEYS_MAX: i64 = 1_000;

const KEYS: &str = "SELECT DISTINCT key FROM request_subject \
     WHERE tenant = $1 AND person = $2 ORDER BY key LIMIT $3";

struct Keys<'a>(&'a TenantId, &'a UserId);

impl Task for Keys<'_> {
    type Out = Vec<KeyId>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<KeyId>, Failure> {
        let args = [(&self.0.0[..]).into(), (&self.1.0[..]).into(), KEYS_MAX.into()];
        let rows = session.all(KEYS, &args).await?;
        rows.iter().map(|row| Ok(KeyId(Str::from(row.text(0)?)))).collect()
    }
}

impl Requests {
    /// The keys with which a person has asked for anything.
    pub async fn keys_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Vec<KeyId>, StoreError> {
        self.database.report(Keys(tenant, user)).await
    }
}

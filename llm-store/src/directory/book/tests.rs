//! No list reads past what is somebody else's: asked of the database itself.

use llm_core::principal::{TeamId, TenantId, UserId};

use super::*;
use crate::audit::tests::database;
use crate::directory::Level;
use crate::directory::party::listed;
use crate::keys::OrgId;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// What the database would do.
struct Explain<'a>(String, Vec<Arg<'a>>);

impl Task for Explain<'_> {
    type Out = Vec<String>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let rows = session.all(format!("EXPLAIN QUERY PLAN {}", self.0), &self.1).await?;
        rows.iter().map(|row| row.text(3)).collect()
    }
}

fn sought(plan: &[String]) {
    assert!(!plan.is_empty());
    for step in plan {
        let step = step.as_str();
        let good = step.starts_with("SEARCH") || step.contains("SUBQUERY");
        assert!(good, "{plan:#?}");
    }
}

#[tokio::test]
async fn lists_are_read_by_an_index_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder.path().join("store.db")).await;
    let whole = KeyOwner::tenant(TenantId::from("t"));
    let owners = [
        whole.clone(),
        KeyOwner { user: Some(UserId::from("u")), ..whole.clone() },
        KeyOwner { team: Some(TeamId::from("u")), ..whole.clone() },
        KeyOwner { org: Some(OrgId::from("u")), ..whole.clone() },
        KeyOwner { org: Some(OrgId::from("o")), team: Some(TeamId::from("u")), ..whole },
    ];
    for owner in owners {
        for (replaced, index) in [(true, ""), (false, "_head (")] {
            let filter = KeyFilter { owner: owner.clone(), replaced };
            let (text, more) = asked(&filter);
            let args = [Arg::from("t"), "".into(), 9.into()].into_iter().chain(more);
            let plan = database.read(Explain(text, args.collect())).await.unwrap();
            sought(&plan);
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:#?}");
        }
    }
    for of in [None, Some(Level::Team), Some(Level::Org)] {
        let args = [Arg::from("user"), "".into(), 9.into(), "t".into(), "x".into()];
        let args = args.into_iter().take(if of.is_some() { 5 } else { 4 });
        let explain = Explain(listed(of).to_owned(), args.collect());
        sought(&database.read(explain).await.unwrap());
    }
}

//! Experiments, and what became of them.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::principal::Grant;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Session, Task};

use super::{close, count, id_of, named, odd, open, place, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::experiments::{Count, Experiment, Setup, due};
use crate::prompts::holders::Access;
use crate::prompts::sequential::Arm;

const TABLE: &str = "prompt_experiment";
const ADD: &str = "INSERT INTO prompt_experiment \
     (id, owner, sealed, outcomes, looks, looked, made) VALUES ($1, $2, $3, $4, $5, 0, $6)";
const ADD_ARM: &str = "INSERT INTO prompt_arm (experiment, arm, owner, shown, tried, won) \
     VALUES ($1, $2, $3, 0, 0, 0)";
const LIST: &str = "SELECT id, sealed, outcomes, made FROM prompt_experiment \
     WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const GET: &str =
    "SELECT id, sealed, outcomes, made FROM prompt_experiment WHERE owner = $1 AND id = $2";
const ARMS: &str = "SELECT shown, tried, won FROM prompt_arm WHERE experiment = $1 ORDER BY arm";
const LOOKS: &str =
    "SELECT look, tried, won FROM prompt_look WHERE experiment = $1 ORDER BY look, arm";
const SHOW: &str = "INSERT INTO prompt_trial (experiment, subject, owner, arm, made) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
const SHOWN: &str = "UPDATE prompt_arm SET shown = shown + 1 WHERE experiment = $1 AND arm = $2";
const TRIAL: &str = "SELECT arm, outcome FROM prompt_trial WHERE experiment = $1 AND subject = $2";
const STATE: &str = "SELECT outcomes, looks, looked, owner FROM prompt_experiment WHERE id = $1";
const WENT: &str = "UPDATE prompt_trial SET outcome = $3 WHERE experiment = $1 AND subject = $2";
const TRIED: &str = "UPDATE prompt_arm SET tried = tried + 1, won = won + $3 \
     WHERE experiment = $1 AND arm = $2";
const SUM: &str = "SELECT CAST(SUM(tried) AS BIGINT) FROM prompt_arm WHERE experiment = $1";
const LOOK: &str = "INSERT INTO prompt_look (experiment, look, arm, owner, tried, won, at) \
     SELECT experiment, $2, arm, owner, tried, won, $3 FROM prompt_arm WHERE experiment = $1";
const LOOKED: &str = "UPDATE prompt_experiment SET looked = $2 WHERE id = $1";

impl Prompts {
    pub(in crate::prompts) async fn add_experiment(
        &self,
        person: &Person,
        access: Access,
        setup: Setup,
        outcomes: u64,
    ) -> Result<Experiment, NotDone> {
        let id = self.ground.id();
        let sealed = close(person, &place(TABLE, &named(id), 0), &setup)?;
        let owner = person.owner().clone();
        let (arms, looks) = (setup.variants.len(), i64::from(setup.looks));
        let add = Add { id, owner: owner.clone(), sealed, outcomes, looks, arms };
        let made = self.ground.database.write(add).await?;
        Ok(Experiment { id, access, setup, outcomes, made, owner })
    }

    pub(in crate::prompts) async fn list_experiments(
        &self,
        access: Access,
        owner: &Owner,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Experiment>, NotDone> {
        let (id, limit) = (before.unwrap_or(u128::MAX), Some(limit));
        self.opened_experiments(access, Find { owner: owner.clone(), id, limit }).await
    }

    pub(in crate::prompts) async fn experiment_of_id(
        &self,
        access: Access,
        owner: &Owner,
        id: u128,
    ) -> Result<Option<Experiment>, NotDone> {
        let find = Find { owner: owner.clone(), id, limit: None };
        Ok(self.opened_experiments(access, find).await?.pop())
    }

    async fn opened_experiments(
        &self,
        access: Access,
        find: Find,
    ) -> Result<Vec<Experiment>, NotDone> {
        let owner = find.owner.clone();
        let rows = self.ground.database.read(find).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let person = self.ground.people.of(&owner).await?;
        let open = |(id, sealed, outcomes, made)| {
            let setup = open(&person, &place(TABLE, &named(id), 0), sealed)?;
            Ok(Experiment { id, access, setup, outcomes, made, owner: owner.clone() })
        };
        rows.into_iter().map(open).collect()
    }

    /// What became of each variant, now and at each look.
    pub(in crate::prompts) async fn counts(
        &self,
        of: &Experiment,
    ) -> Result<(Vec<Count>, Vec<Vec<Arm>>), NotDone> {
        Ok(self.ground.database.read(Counts(of.id)).await?)
    }

    pub(in crate::prompts) async fn show(
        &self,
        grant: &Arc<Grant>,
        of: &Experiment,
        subject: [u8; 32],
        arm: usize,
    ) -> Result<(), NotDone> {
        // Most are shown theirs again, and nothing is to be written then.
        if self.is_shown(of, subject).await? {
            return Ok(());
        }
        let owner = Owner::of(&grant.principal);
        let arm = i64::try_from(arm).unwrap_or_default();
        Ok(self.ground.database.write(Show { id: of.id, subject, owner, arm }).await?)
    }

    pub(in crate::prompts) async fn is_shown(
        &self,
        of: &Experiment,
        subject: [u8; 32],
    ) -> Result<bool, NotDone> {
        Ok(self.ground.database.read(Trial { id: of.id, subject }).await?)
    }

    /// Whether it was the first outcome; `None` where they were shown nothing.
    pub(in crate::prompts) async fn record(
        &self,
        of: &Experiment,
        subject: [u8; 32],
        good: bool,
    ) -> Result<Option<bool>, NotDone> {
        Ok(self.ground.database.write(Went { id: of.id, subject, good }).await?)
    }
}

struct Add {
    id: u128,
    owner: Owner,
    sealed: Bytes,
    outcomes: u64,
    looks: i64,
    arms: usize,
}

impl Task for Add {
    type Out = Timestamp;

    async fn run(&self, session: &mut Session<'_>) -> Result<Timestamp, Failure> {
        let (id, now, owner) = (self.id.to_be_bytes(), session.now(), whose(&self.owner));
        let id = id.as_slice();
        let outcomes = i64::try_from(self.outcomes).unwrap_or(i64::MAX);
        let sealed = (&self.sealed[..]).into();
        let args = [id.into(), owner, sealed, outcomes.into(), self.looks.into(), now.into()];
        session.run(ADD, &args).await?;
        for (arm, _) in (0_i64..).zip(0..self.arms) {
            session.run(ADD_ARM, &[id.into(), arm.into(), owner]).await?;
        }
        Timestamp::from_microsecond(now).map_err(|_| odd("an instant").into())
    }
}

struct Find {
    owner: Owner,
    id: u128,
    limit: Option<usize>,
}

impl Task for Find {
    type Out = Vec<(u128, Vec<u8>, u64, Timestamp)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (id, owner) = (self.id.to_be_bytes(), whose(&self.owner));
        let rows = match self.limit {
            None => session.all(GET, &[owner, id.as_slice().into()]).await?,
            Some(limit) => {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                session.all(LIST, &[owner, id.as_slice().into(), limit.into()]).await?
            }
        };
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let made = Timestamp::from_microsecond(row.int(3)?).map_err(|_| odd("an instant"))?;
            found.push((id_of(row, 0)?, row.bytes(1)?, count(row, 2)?, made));
        }
        Ok(found)
    }
}

struct Counts(u128);

impl Task for Counts {
    type Out = (Vec<Count>, Vec<Vec<Arm>>);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let id = self.0.to_be_bytes();
        let (mut counts, mut looks) = (Vec::new(), Vec::<Vec<Arm>>::new());
        for row in session.all(ARMS, &[id.as_slice().into()]).await? {
            let arm = Arm { tried: count(&row, 1)?, won: count(&row, 2)? };
            counts.push(Count { shown: count(&row, 0)?, arm });
        }
        for row in session.all(LOOKS, &[id.as_slice().into()]).await? {
            // Numbered from 1, and none is left out.
            let look = usize::try_from(row.int(0)?).unwrap_or_default();
            if look > looks.len() {
                looks.push(Vec::new());
            }
            let arm = Arm { tried: count(&row, 1)?, won: count(&row, 2)? };
            looks.last_mut().ok_or_else(|| odd("a look"))?.push(arm);
        }
        Ok((counts, looks))
    }
}

struct Trial {
    id: u128,
    subject: [u8; 32],
}

impl Task for Trial {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let id = self.id.to_be_bytes();
        let args = [id.as_slice().into(), self.subject.as_slice().into()];
        Ok(session.one(TRIAL, &args).await?.is_some())
    }
}

struct Show {
    id: u128,
    subject: [u8; 32],
    owner: Owner,
    arm: i64,
}

impl Task for Show {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (id, now) = (self.id.to_be_bytes(), session.now());
        let (id, subject) = (id.as_slice(), self.subject.as_slice());
        let owner = whose(&self.owner);
        let args = [id.into(), subject.into(), owner, self.arm.into(), now.into()];
        if session.run(SHOW, &args).await? > 0 {
            session.run(SHOWN, &[id.into(), self.arm.into()]).await?;
        }
        Ok(())
    }
}

struct Went {
    id: u128,
    subject: [u8; 32],
    good: bool,
}

impl Task for Went {
    type Out = Option<bool>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Option<bool>, Failure> {
        let (id, now) = (self.id.to_be_bytes(), session.now());
        let (id, subject) = (id.as_slice(), self.subject.as_slice());
        // The experiment's row first: outcomes of one experiment come one after the other, so that
        // each look has exactly the outcomes that it is due at.
        let text = format!("{STATE}{}", session.locking());
        let Some(state) = session.one(text, &[id.into()]).await? else { return Ok(None) };
        let (outcomes, looks, looked) = (count(&state, 0)?, count(&state, 1)?, count(&state, 2)?);
        let Some(trial) = session.one(TRIAL, &[id.into(), subject.into()]).await? else {
            return Ok(None);
        };
        if trial.maybe_int(1)?.is_some() {
            return Ok(Some(false));
        }
        let (arm, good) = (trial.int(0)?, i64::from(self.good));
        session.run(WENT, &[id.into(), subject.into(), good.into()]).await?;
        session.run(TRIED, &[id.into(), arm.into(), good.into()]).await?;
        let sum = session.one(SUM, &[id.into()]).await?;
        let sum = sum.map_or(Ok(0), |row| count(&row, 0))?;
        let look = looked + 1;
        if look <= looks && sum >= due(outcomes, looks, look) {
            let look = i64::try_from(look).unwrap_or(i64::MAX);
            session.run(LOOK, &[id.into(), look.into(), now.into()]).await?;
            session.run(LOOKED, &[id.into(), look.into()]).await?;
        }
        Ok(Some(true))
    }
}

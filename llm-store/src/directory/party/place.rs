//! A person or a team is put elsewhere.
//!
//! Keys have the whole path of their owner written out, so that a look-up reads one row for each
//! level: whoever moves, moves their keys. Deliberately absent: moves between tenants, whose data
//! has nothing in common.

use super::{Level, Party, PartyId};
use crate::directory::desk::{Desk, Op, Stop};
use crate::directory::{By, NotDone};
use crate::keys::{KeyOwner, OrgId};
use crate::sql::fault::Failure;
use llm_core::principal::TeamId;

pub(super) struct Put {
    pub(super) by: By,
    pub(super) id: PartyId,
    pub(super) org: Option<OrgId>,
    pub(super) team: Option<TeamId>,
}

impl Op for Put {
    type Out = Party;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Party, Stop> {
        match self.by {
            By::Operator => {}
            // Limits above somebody change with the place: that is not for keys below to do.
            By::Key(_) => return Err(NotDone::Denied.into()),
        }
        let mut party = desk.party(&self.id).await?;
        match self.id.level {
            Level::Tenant | Level::Org => return Err(NotDone::Owner.into()),
            Level::Team if self.team.is_some() => return Err(NotDone::Owner.into()),
            Level::Team | Level::User => {}
        }
        let tenant = KeyOwner::tenant(self.id.tenant.clone());
        let named = KeyOwner { org: self.org.clone(), team: self.team.clone(), ..tenant };
        let KeyOwner { org, team, .. } = desk.whole_owner(&named).await?;
        (party.draft.org, party.draft.team) = (org, team);
        desk.move_party(&party).await?;
        desk.touch_party(&self.id).await?;
        Ok(party)
    }
}

impl Desk<'_, '_> {
    async fn move_party(&mut self, party: &Party) -> Result<(), Failure> {
        let PartyId { tenant, level, id } = &party.draft.id;
        let org = party.draft.org.as_ref().map(|id| &*id.0).into();
        let team = party.draft.team.as_ref().map(|id| &*id.0).into();
        let (tenant, id) = ((&*tenant.0).into(), (&**id).into());
        let text =
            "UPDATE party SET org = $4, team = $5 WHERE tenant = $1 AND kind = $2 AND id = $3";
        self.session.run(text, &[tenant, level.name().into(), id, org, team]).await?;
        if *level == Level::Team {
            let text =
                "UPDATE party SET org = $3 WHERE tenant = $1 AND kind = 'user' AND team = $2";
            self.session.run(text, &[tenant, id, org]).await?;
            let text = "UPDATE virtual_key SET org = $3 WHERE tenant = $1 AND team = $2";
            self.session.run(text, &[tenant, id, org]).await?;
        } else {
            let text =
                "UPDATE virtual_key SET org = $3, team = $4 WHERE tenant = $1 AND person = $2";
            self.session.run(text, &[tenant, id, org, team]).await?;
        }
        Ok(())
    }
}

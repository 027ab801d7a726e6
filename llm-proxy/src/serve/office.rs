//! Where operators change what the proxy knows of people: who has a key, and what was asked with it.
//!
//! It is there where a store is; without one nothing that operators say would outlast the process.

use std::io;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{KeyId, TenantId};
use llm_core::quota::{Limit, Zone};
use llm_store::audit::Trail;
use llm_store::directory::SqlDirectory;
use llm_store::directory::{About, By, KeyEntry, KeyFilter, NotDone, PartyDraft, PartyId};
use llm_store::keys::{Draft, KeyOwner, Minted, Peppers, VirtualKey};
use llm_store::requests::Requests;
use llm_store::sql::Database;

use crate::config::{Config, TENANT};
use crate::secrets;

/// The key that a first start makes, by its id and by what people call it.
const FIRST: &str = "default";
/// What it may spend and ask: enough to try everything, and no ruin when it leaks.
const FIRST_LIMITS: [&str; 2] = ["$5/month", "60/minute"];
/// Random bytes of a public id.
const ID_BYTES: usize = 9;

/// The tenant that operators' keys belong to: whose data is whose, they are nobody's of the others.
pub(crate) const OPERATORS: TenantId = TenantId(Str::from_static("operators"));

/// What admin calls work with.
#[derive(Debug)]
pub(crate) struct Office {
    /// Who is who.
    pub(crate) directory: SqlDirectory,
    /// What was asked.
    pub(crate) requests: Requests,
    /// What operators have changed.
    pub(crate) trail: Trail,
    /// What prints of keys are made with.
    pub(crate) peppers: Peppers,
    /// The zone of calendar windows.
    pub(crate) zone: Zone,
    /// Its name.
    pub(crate) zone_name: Str,
}

impl Office {
    /// Over a database. The tenants that keys belong to are there from then on.
    pub(crate) async fn open(
        config: &Config,
        database: &Database,
        peppers: Peppers,
    ) -> Result<Self, NotDone> {
        let (zone_name, zone) = config.server.time_zone.clone();
        let plans = config.sold_plans();
        let directory = SqlDirectory::new(database.clone(), zone.clone(), plans);
        for tenant in [TENANT, OPERATORS] {
            let tenant = PartyDraft::new(PartyId::tenant(tenant));
            match directory.create(&By::Operator, tenant).await {
                // Somebody has named it since: it is there.
                Ok(_) | Err(NotDone::Taken { .. }) => {}
                Err(why) => return Err(why),
            }
        }
        let requests = Requests::new(database.clone(), zone.clone());
        let trail = Trail::new(database.clone());
        Ok(Self { directory, requests, trail, peppers, zone, zone_name })
    }

    /// Makes the first key, where nobody has had one yet. It is shown once.
    pub(crate) async fn first_key(&self) -> Result<Option<VirtualKey>, NotDone> {
        let filter = KeyFilter { owner: KeyOwner::tenant(TENANT), replaced: true };
        let page = self.directory.keys(&By::Operator, filter, None, 1).await?;
        if !page.items.is_empty() {
            return Ok(None);
        }
        let limits: Result<Vec<Limit>, _> = FIRST_LIMITS.iter().map(|text| text.parse()).collect();
        let limits = limits.map_err(|_| NotDone::Text("the first key's limits"))?;
        let draft = Draft { limits, ..Draft::new(KeyOwner::tenant(TENANT)) };
        let about = About { alias: Some(Str::from_static(FIRST)), ..About::default() };
        let key = drawn()?;
        let minted = Minted::new(KeyId(Str::from_static(FIRST)), &key, &self.peppers);
        match self.directory.issue(&By::Operator, draft, minted, about).await {
            Ok(_) => Ok(Some(key)),
            // Another process was first, and has shown its own.
            Err(NotDone::Taken { .. }) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Issues a key, which is shown to whoever asked and to nobody after.
    pub(crate) async fn issue(
        &self,
        draft: Draft,
        about: About,
    ) -> Result<(VirtualKey, KeyEntry), NotDone> {
        let (key, minted) = self.minted()?;
        let entry = self.directory.issue(&By::Operator, draft, minted, about).await?;
        Ok((key, entry))
    }

    /// A virtual key that nobody has yet.
    pub(crate) fn minted(&self) -> Result<(VirtualKey, Minted), NotDone> {
        self.minted_as("key")
    }

    /// A key of another kind.
    pub(crate) fn minted_as(&self, what: &str) -> Result<(VirtualKey, Minted), NotDone> {
        let key = drawn()?;
        let minted = Minted::new(KeyId(new_id(what)?), &key, &self.peppers);
        Ok((key, minted))
    }

    /// A virtual key by its text or by its public id. An operator's key is none.
    pub(crate) async fn find(&self, named: &str) -> Result<KeyEntry, NotDone> {
        let entry = self.find_any(named).await?;
        if entry.record.owner.tenant == OPERATORS {
            return Err(NotDone::Unknown { what: "key", name: entry.record.id.0 });
        }
        Ok(entry)
    }

    async fn find_any(&self, named: &str) -> Result<KeyEntry, NotDone> {
        for print in self.peppers.prints(named) {
            if let Some(entry) = self.directory.key_of(&By::Operator, print.hash).await? {
                return Ok(entry);
            }
        }
        if named.starts_with("sk-") {
            // It may be a key of somebody else, and is not repeated.
            return Err(NotDone::Unknown { what: "key", name: Str::from_static("of that text") });
        }
        self.directory.key(&By::Operator, KeyId(Str::from(named))).await
    }

    /// What logs call a key: the first of its line; for keys of the configuration, their own name.
    pub(crate) async fn line(&self, named: &str) -> Result<Str, NotDone> {
        match self.find(named).await {
            Ok(entry) => Ok(entry.record.line.0),
            Err(NotDone::Unknown { .. }) if !named.starts_with("sk-") => Ok(Str::from(named)),
            Err(why) => Err(why),
        }
    }

    /// The instant at which a time that people write begins: an instant, or a day of the
    /// operator's zone.
    pub(crate) fn instant(&self, text: &str) -> Option<Timestamp> {
        if let Ok(instant) = text.parse() {
            return Some(instant);
        }
        let day: jiff::civil::Date = text.parse().ok()?;
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(&self.zone_name).ok()?;
        day.to_zoned(zone).ok().map(|day| day.timestamp())
    }

    /// The day in the operator's zone that people write, or that an instant is in.
    pub(crate) fn day(&self, text: &str) -> Option<jiff::civil::Date> {
        // An instant first: as a day its time would be dropped, and with it its zone.
        if let Ok(instant) = text.parse::<Timestamp>() {
            let zone = jiff::tz::TimeZoneDatabase::bundled().get(&self.zone_name).ok()?;
            return Some(instant.to_zoned(zone).date());
        }
        text.parse().ok()
    }
}

fn drawn() -> Result<VirtualKey, NotDone> {
    Ok(VirtualKey::new(secrets::random().map_err(|error| no_randomness(&error))?))
}

/// A public id: what it is, and something that nobody else has.
pub(crate) fn new_id(what: &str) -> Result<Str, NotDone> {
    let drawn = secrets::hex::<ID_BYTES>().map_err(|error| no_randomness(&error))?;
    Ok(Str::from(format!("{what}-{drawn}")))
}

fn no_randomness(error: &io::Error) -> NotDone {
    let text = format!("the system gives no random bytes: {error}");
    NotDone::Store(llm_core::store::StoreError::Unavailable(Str::from(text)))
}

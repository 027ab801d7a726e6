//! Provider keys, sealed: the store has envelopes, and whoever has the sealing key opens them.
//!
//! Each envelope is bound to its row and to a number of its own that never comes again, so that an
//! older one, or that of another vendor, put into a row opens nothing. Changing the sealing key goes
//! row by row in batches, each of them whole: one that is broken off is gone on with, and until its
//! end both keys are needed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::secret::Secret;

use super::desk::{Desk, Op, Stop};
use super::text::{check_metadata, check_name, instant, maybe_instant};
use super::{NotDone, SqlDirectory};
use crate::seal::{Fresh, Place, SealError, SealKeyId, Sealed, Sealer};
use crate::sql::database::Record;
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// All providers' pools together; each is read when the gateway starts.
const KEYS_MAX: i64 = 4_096;
/// No provider's key is longer, service accounts with their certificates included.
const KEY_BYTES_MAX: usize = 64 << 10;
/// Rows that are sealed anew in one transaction: a millisecond of everybody's time.
const BATCH: i64 = 64;

/// Where the randomness of sealing comes from: the system's own source.
pub type Freshness = Arc<dyn Fn() -> Fresh + Send + Sync>;

/// What is known of a provider key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Nobody has tried it.
    New,
    /// It worked when it was last tried.
    Valid,
    /// Its provider refused it.
    Invalid,
    /// It is not to be used.
    Off,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::New, Self::Valid, Self::Invalid, Self::Off];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Off => "off",
        }
    }
}

/// What may be shown of a provider key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// Whose it is.
    pub vendor: Str,
    /// Its name in the vendor's pool.
    pub name: Str,
    /// Which secret of this name: another number is another secret.
    pub version: u64,
    /// Under which sealing key.
    pub seal_key: SealKeyId,
    /// When this secret was stored.
    pub created_at: Timestamp,
    /// When it was last tried.
    pub validated_at: Option<Timestamp>,
    /// What it may do, as a JSON object.
    pub report: Option<Str>,
    /// What is known of it.
    pub state: KeyState,
}

/// Tells one set of stored keys from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeysStamp {
    count: i64,
    newest: i64,
}

/// What a change of the sealing key came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows that are under the current key now.
    pub resealed: u64,
    /// Rows that could not be: vendor, name and why. The sealing key they are under is still needed.
    pub stuck: Vec<(Str, Str, SealError)>,
}

/// Provider keys of a directory.
#[derive(Clone)]
pub struct ProviderKeys {
    directory: SqlDirectory,
    sealer: Sealer,
    fresh: Freshness,
}

impl ProviderKeys {
    /// With the sealing keys there are.
    pub fn new(directory: SqlDirectory, sealer: Sealer, fresh: Freshness) -> Self {
        Self { directory, sealer, fresh }
    }

    /// Stores a key, in place of one of that name. Nobody has tried it then.
    pub async fn put(
        &self,
        vendor: Str,
        name: Str,
        secret: Secret<Vec<u8>>,
    ) -> Result<ProviderKey, NotDone> {
        if secret.expose().len() > KEY_BYTES_MAX {
            return Err(NotDone::Sealed(SealError::TooLong));
        }
        let (sealer, fresh) = (self.sealer.clone(), Arc::clone(&self.fresh));
        self.directory.change(Put { vendor, name, secret, sealer, fresh }).await
    }

    /// Stores keys of a vendor by their names, all or none; with `alone` they are all that it has
    /// from then on.
    pub async fn put_all(
        &self,
        vendor: Str,
        keys: Vec<(Str, Secret<Vec<u8>>)>,
        alone: bool,
    ) -> Result<(), NotDone> {
        let put = |(name, secret)| {
            let (sealer, fresh) = (self.sealer.clone(), Arc::clone(&self.fresh));
            Put { vendor: vendor.clone(), name, secret, sealer, fresh }
        };
        let keys: Vec<Put> = keys.into_iter().map(put).collect();
        if keys.iter().any(|put| put.secret.expose().len() > KEY_BYTES_MAX) {
            return Err(NotDone::Sealed(SealError::TooLong));
        }
        self.directory.change(PutAll { vendor, keys, alone }).await
    }

    /// What is another one after each change of the keys themselves: cheap enough to be asked for
    /// by every process every second.
    pub async fn stamp(&self) -> Result<KeysStamp, NotDone> {
        self.directory.ask(Stamp).await
    }

    /// All keys, by vendors and names. None of them is opened.
    pub async fn list(&self) -> Result<Vec<ProviderKey>, NotDone> {
        self.directory.ask(List).await
    }

    /// Opens a key, for the one who sends it to its provider.
    pub async fn open(&self, vendor: Str, name: Str) -> Result<Secret<Vec<u8>>, NotDone> {
        let (key, sealed) = self.directory.ask(Get { vendor, name }).await?;
        Ok(self.sealer.open(&place(&row_name(&key.vendor, &key.name), key.version), &sealed)?)
    }

    /// Removes a key. One that is gone is gone.
    pub async fn remove(&self, vendor: Str, name: Str) -> Result<(), NotDone> {
        self.directory.change(Remove { vendor, name }).await
    }

    /// Keeps what a try came to: of this secret, and not of one that has replaced it since. `false`
    /// when there is no such secret any more.
    pub async fn validated(
        &self,
        key: &ProviderKey,
        state: KeyState,
        report: Option<Str>,
    ) -> Result<bool, NotDone> {
        let (vendor, name, version) = (key.vendor.clone(), key.name.clone(), key.version);
        self.directory.change(Validated { vendor, name, version, state, report }).await
    }

    /// Puts all keys under the current sealing key. The secrets stay sealed. Broken off, it goes on
    /// when it is asked for again.
    pub async fn reseal(&self) -> Result<Resealed, NotDone> {
        let mut all = Resealed::default();
        let mut after = (Str::default(), Str::default());
        loop {
            let (sealer, fresh) = (self.sealer.clone(), Arc::clone(&self.fresh));
            let batch = self.directory.change(Reseal { after, sealer, fresh }).await?;
            all.resealed += batch.resealed;
            all.stuck.extend(batch.stuck);
            match batch.last {
                Some(last) => after = last,
                None => return Ok(all),
            }
        }
    }
}

impl fmt::Debug for ProviderKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderKeys").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The whole key of a row, as no other row's is written.
fn row_name(vendor: &str, name: &str) -> String {
    format!("{}:{vendor}{name}", vendor.len())
}

fn place(row: &str, version: u64) -> Place<'_> {
    Place { table: "provider_key", column: "sealed", row, version }
}

macro_rules! provider_keys {
    ($tail:literal) => {
        concat!(
            "SELECT vendor, name, version, seal_key, created, validated, report, state, sealed ",
            "FROM provider_key ",
            $tail
        )
    };
}

fn read(row: &Record) -> Result<ProviderKey, Failure> {
    let word = row.text(7)?;
    let state = KeyState::ALL.into_iter().find(|state| state.name() == word);
    Ok(ProviderKey {
        vendor: row.text(0)?.into(),
        name: row.text(1)?.into(),
        version: u64::try_from(row.int(2)?).map_err(|_| odd("version"))?,
        seal_key: SealKeyId(row.int(3)?.cast_unsigned()),
        created_at: instant(row.int(4)?)?,
        validated_at: maybe_instant(row.maybe_int(5)?)?,
        report: row.maybe_text(6)?.map(Str::from),
        state: state.ok_or_else(|| odd("state"))?,
    })
}

fn envelope(row: &Record) -> Result<Result<Sealed, SealError>, Failure> {
    Ok(Sealed::from_bytes(Bytes::from(row.bytes(8)?)))
}

const ONE: &str = provider_keys!("WHERE vendor = $1 AND name = $2");

struct Put {
    vendor: Str,
    name: Str,
    secret: Secret<Vec<u8>>,
    sealer: Sealer,
    fresh: Freshness,
}

impl Op for Put {
    type Out = ProviderKey;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<ProviderKey, Stop> {
        check_name(&self.vendor)?;
        check_name(&self.name)?;
        let names = [(&*self.vendor).into(), (&*self.name).into()];
        let all = desk.session.one("SELECT count(*) FROM provider_key", &[]).await?;
        if all.ok_or_else(|| Failure::from(odd("provider_key")))?.int(0)? >= KEYS_MAX {
            return Err(NotDone::Text("there are 4096 provider keys: remove some").into());
        }
        let number = desk.number();
        let version = u64::try_from(number).map_err(|_| Failure::from(odd("version")))?;
        let row = row_name(&self.vendor, &self.name);
        // Each try of this transaction is another sealing, with randomness of its own.
        let sealed = self.sealer.seal(&place(&row, version), &self.secret, (self.fresh)())?;
        let SealKeyId(seal_key) = sealed.key()?;
        let text = "INSERT INTO provider_key (vendor, name, version, sealed, seal_key, created, \
             state) VALUES ($1, $2, $3, $4, $5, $6, 'new') ON CONFLICT (vendor, name) DO UPDATE \
             SET version = $3, sealed = $4, seal_key = $5, created = $6, validated = NULL, \
             report = NULL, state = 'new'";
        let [vendor, name] = names;
        let args = [
            vendor,
            name,
            number.into(),
            sealed.as_bytes()[..].into(),
            seal_key.cast_signed().into(),
            desk.at().into(),
        ];
        desk.session.run(text, &args).await?;
        let row = desk.session.one(ONE, &names).await?;
        Ok(read(&row.ok_or_else(|| Failure::from(odd("provider_key")))?)?)
    }
}

struct PutAll {
    vendor: Str,
    keys: Vec<Put>,
    alone: bool,
}

impl Op for PutAll {
    type Out = ();

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<(), Stop> {
        if self.alone {
            let text = "DELETE FROM provider_key WHERE vendor = $1";
            desk.session.run(text, &[(&*self.vendor).into()]).await?;
        }
        for key in &self.keys {
            key.run(desk).await?;
        }
        Ok(())
    }
}

struct Stamp;

impl Op for Stamp {
    type Out = KeysStamp;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeysStamp, Stop> {
        // A number never comes again: what is put is newer, and what is removed leaves fewer.
        let text = "SELECT count(*), coalesce(max(version), 0) FROM provider_key";
        let row = desk.session.one(text, &[]).await?;
        let row = row.ok_or_else(|| Failure::from(odd("provider_key")))?;
        Ok(KeysStamp { count: row.int(0)?, newest: row.int(1)? })
    }
}

struct List;

impl Op for List {
    type Out = Vec<ProviderKey>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let text = provider_keys!("ORDER BY vendor, name");
        let rows = desk.session.all(text, &[]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}

struct Get {
    vendor: Str,
    name: Str,
}

impl Op for Get {
    type Out = (ProviderKey, Sealed);

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let args = [(&*self.vendor).into(), (&*self.name).into()];
        let row = desk.session.one(ONE, &args).await?;
        let row = row.ok_or_else(|| NotDone::unknown("provider key", &self.name))?;
        Ok((read(&row)?, envelope(&row)??))
    }
}

struct Remove {
    vendor: Str,
    name: Str,
}

impl Op for Remove {
    type Out = ();

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<(), Stop> {
        let text = "DELETE FROM provider_key WHERE vendor = $1 AND name = $2";
        desk.session.run(text, &[(&*self.vendor).into(), (&*self.name).into()]).await?;
        Ok(())
    }
}

struct Validated {
    vendor: Str,
    name: Str,
    version: u64,
    state: KeyState,
    report: Option<Str>,
}

impl Op for Validated {
    type Out = bool;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<bool, Stop> {
        self.report.as_ref().map_or(Ok(()), |report| check_metadata(report))?;
        let text = "UPDATE provider_key SET validated = $4, report = $5, state = $6 \
             WHERE vendor = $1 AND name = $2 AND version = $3";
        let args = [
            (&*self.vendor).into(),
            (&*self.name).into(),
            i64::try_from(self.version).unwrap_or(i64::MAX).into(),
            desk.at().into(),
            self.report.as_deref().into(),
            self.state.name().into(),
        ];
        Ok(desk.session.run(text, &args).await? == 1)
    }
}

struct Reseal {
    after: (Str, Str),
    sealer: Sealer,
    fresh: Freshness,
}

struct Batch {
    resealed: u64,
    stuck: Vec<(Str, Str, SealError)>,
    /// The last row that was looked at; `None` at the end.
    last: Option<(Str, Str)>,
}

impl Op for Reseal {
    type Out = Batch;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Batch, Stop> {
        let text = provider_keys!(
            "WHERE vendor > $1 OR (vendor = $1 AND name > $2) ORDER BY vendor, name LIMIT $3"
        );
        let args = [(&*self.after.0).into(), (&*self.after.1).into(), BATCH.into()];
        let rows = desk.session.all(text, &args).await?;
        let mut batch = Batch { resealed: 0, stuck: Vec::new(), last: None };
        for row in &rows {
            let key = read(row)?;
            batch.last = Some((key.vendor.clone(), key.name.clone()));
            let name = row_name(&key.vendor, &key.name);
            let place = place(&name, key.version);
            let anew = envelope(row)?
                .and_then(|sealed| self.sealer.rewrap(&place, &sealed, (self.fresh)()));
            match anew {
                Ok(None) => {}
                Ok(Some(sealed)) => {
                    desk.keep_envelope(&key, &sealed).await?;
                    batch.resealed += 1;
                }
                Err(why) => batch.stuck.push((key.vendor, key.name, why)),
            }
        }
        Ok(batch)
    }
}

impl Desk<'_, '_> {
    async fn keep_envelope(&mut self, key: &ProviderKey, sealed: &Sealed) -> Result<(), Stop> {
        let SealKeyId(seal_key) = sealed.key()?;
        let text = "UPDATE provider_key SET sealed = $3, seal_key = $4 \
             WHERE vendor = $1 AND name = $2";
        let args = [
            (&*key.vendor).into(),
            (&*key.name).into(),
            sealed.as_bytes()[..].into(),
            seal_key.cast_signed().into(),
        ];
        self.session.run(text, &args).await?;
        Ok(())
    }
}

//! Backups of a Postgres, by its own programs, which know its files better than anybody.
//!
//! `pg_dump` sees one instant and stops nobody; `pg_restore` replaces everything in one transaction,
//! or nothing. Where they are not installed, or are older than the server, whoever asked is told
//! what to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use llm_core::money::Money;
use llm_core::seam::Clock;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::folder::{apart, beside, make, rename, sync};
use super::{JournalPlace, Restored, Trouble, journals, sound};
use crate::sql::Database;
use crate::sql::fault::understand;
use crate::sql::postgres::{PostgresVault, Settings};
use crate::verify::{Report, verify};

/// The database in a backup, and where its journals are.
const DATABASE: &str = "store.dump";
const JOURNALS: &str = "journals";

/// Replicas that live: whoever replaces a database under them has their leases granted twice.
const ALIVE: &str = "SELECT replica FROM owner \
     WHERE buried < epoch AND lives > vault_now() ORDER BY replica LIMIT 1";
const EMPTY: &str = "SELECT to_regclass('owner') IS NULL";

/// What belongs together: the database, and the journals of this machine.
#[derive(Clone, Debug)]
pub struct Place {
    /// The database.
    pub settings: Settings,
    /// The journals of this machine that are folded into it.
    pub journals: Vec<JournalPlace>,
}

/// Dumps everything into a folder that does not exist yet. Of the copy it is known that it can be
/// read; what its accounts say is known when it is restored.
pub async fn back_up(place: &Place, to: &Path) -> Result<(), Trouble> {
    if to.exists() {
        return Err(Trouble::Exists(to.to_owned()));
    }
    let part = beside(to, "part");
    let (place, to) = (place.clone(), to.to_owned());
    apart(move || {
        make(&part)?;
        let done = fill(&place, &part);
        if done.is_err() {
            // It was made a moment ago, and by us.
            let _ = fs::remove_dir_all(&part);
        }
        done?;
        rename(&part, &to)
    })
    .await
}

fn fill(place: &Place, part: &Path) -> Result<(), Trouble> {
    // The journals first: what is folded meanwhile is in both then, and not in neither.
    journals::save(&place.journals, &part.join(JOURNALS))?;
    dump(&place.settings, &part.join(DATABASE))?;
    sync(part)
}

fn dump(settings: &Settings, to: &Path) -> Result<(), Trouble> {
    let mut dump = program("pg_dump", settings);
    dump.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    run(dump, "pg_dump --format=custom --file FILE --dbname URL")?;
    look(to)?;
    sync(to)
}

/// Whether a dump can be read.
fn look(dump: &Path) -> Result<(), Trouble> {
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(dump);
    run(list, "pg_restore --list FILE")
}

/// Puts a backup in the place of what is in the database, if no replica lives. What was there is
/// dumped beside the backup first.
pub async fn restore(
    backup: &Path,
    place: &Place,
    clock: Arc<dyn Clock>,
) -> Result<Restored, Trouble> {
    let dumped = backup.join(DATABASE);
    if !dumped.is_file() {
        return Err(Trouble::Missing(backup.to_owned()));
    }
    let empty = nobody_lives(&place.settings).await?;
    let (saved, from, all) = (backup.join(JOURNALS), backup.to_owned(), place.clone());
    let kept = apart(move || {
        look(&dumped)?;
        let taken = journals::take(&all.journals)?;
        let mut kept: Vec<PathBuf> = Vec::new();
        if !empty {
            let before = super::folder::aside(&from)?;
            dump(&all.settings, &before)?;
            kept.push(before);
        }
        kept.extend(taken.replace(&all.journals, &saved)?);
        let mut restore = program("pg_restore", &all.settings);
        restore.args(["--clean", "--if-exists", "--single-transaction", "--exit-on-error"]);
        restore.args(["--no-owner", "--no-privileges"]).arg(&dumped);
        run(restore, "pg_restore --clean --if-exists --single-transaction --dbname URL FILE")?;
        Ok(kept)
    })
    .await?;
    let vault = PostgresVault::<Money>::open(&place.settings, clock).await?;
    let report: Report = sound(verify(&Database::from(vault)).await?)?;
    Ok(Restored { report, kept })
}

/// That nobody uses the database; whether there is nothing in it.
async fn nobody_lives(settings: &Settings) -> Result<bool, Trouble> {
    let lost = |error: sqlx::Error| Trouble::from(understand(&error));
    let url = settings.url.expose();
    let options: sqlx::postgres::PgConnectOptions =
        url.parse().map_err(|_| crate::sql::NotOpened::Address)?;
    let link = options.disable_statement_logging().connect().await;
    let mut link: PgConnection = link.map_err(lost)?;
    let empty: bool = sqlx::query_scalar(EMPTY).fetch_one(&mut link).await.map_err(lost)?;
    let alive: Option<String> = match empty {
        true => None,
        false => sqlx::query_scalar(ALIVE).fetch_optional(&mut link).await.map_err(lost)?,
    };
    link.close().await.map_err(lost)?;
    match alive {
        Some(replica) => Err(Trouble::InUse(format!("the database (by {replica})"))),
        None => Ok(empty),
    }
}

/// A program of Postgres for a database. The password is not among the arguments, which everybody
/// on the machine can read.
fn program(name: &str, settings: &Settings) -> Command {
    let mut command = Command::new(name);
    let (url, password) = without_password(settings.url.expose());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command.arg("--no-password").arg("--dbname").arg(url);
    command
}

/// An address without its password, and the password.
fn without_password(url: &str) -> (String, Option<String>) {
    let whole = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority);
    let Some((user, host)) = authority.rsplit_once('@') else { return whole() };
    let Some((user, password)) = user.split_once(':') else { return whole() };
    (format!("{scheme}://{user}@{host}{rest}"), Some(decoded(password)))
}

/// Without `%xx`.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        (bytes, rest) = match (first, byte) {
            (b'%', Some(byte)) => (pushed(bytes, byte), after.get(2..).unwrap_or_default()),
            _ => (pushed(bytes, *first), after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn pushed(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn run(mut command: Command, by_hand: &str) -> Result<(), Trouble> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let done = done.map_err(|error| {
        Trouble::Program(format!("{name} cannot be run ({error}): install it, or run `{by_hand}`"))
    })?;
    if done.status.success() {
        return Ok(());
    }
    // The last thing it said; it names tables and no values.
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    Err(Trouble::Program(format!("{name} did not do it: {last}; by hand: `{by_hand}`")))
}

#[cfg(test)]
mod tests;

//! Whether an Ollama answers on this machine, when nobody has said who is to be asked.
//!
//! Nobody there says so at once. A start does not wait for one that is slow to answer: it begins
//! without, and takes it up when it comes.

use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::provider::Credential;
use llm_core::seam::Clock;
use llm_providers::provider::probe::{self, Probe};
use llm_providers::provider::{ProviderSettings, ollama_host};
use llm_providers::seam::SystemClock;
use tokio::task::JoinHandle;

use crate::config::reference::{Process, Surroundings as _};
use crate::config::resolve::Ollama;
use crate::serve::house::House;
use crate::serve::reload::source::Source;
use crate::serve::reload::{NotTaken, Origin, Outcome};

/// Where it listens unless `OLLAMA_HOST` says otherwise.
const USUAL: &str = "127.0.0.1:11434";
/// How long a start waits for it.
const START_MAX: Duration = Duration::from_millis(50);
/// How long it may take to answer at all.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// Looks for one, for as long as a start may take; what comes later is told to whoever serves.
pub(crate) async fn look(source: &Source) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let wait = clock.sleep(START_MAX);
    let mut look = tokio::spawn(async move { asked(&clock).await });
    tokio::select! {
        found = &mut look => source.found(found.unwrap_or(Ollama::Silent)),
        () = wait => {
            source.found(Ollama::Silent);
            source.expect(look);
        }
    }
}

async fn asked(clock: &Arc<dyn Clock>) -> Ollama {
    let address = Process.env("OLLAMA_HOST").unwrap_or_else(|| USUAL.to_owned());
    let address = ollama_host(&address);
    let mut settings = ProviderSettings::new("ollama", "ollama").at(address.clone());
    settings.connections.connect = LOOK_MAX;
    // An address that is none is nobody's.
    let Ok(vendor) = settings.build() else { return Ollama::Silent };
    let key = Credential { id: Str::from_static("none"), key: None };
    let probe = probe::models(&*vendor.provider, &*vendor.transport, &key, clock);
    tokio::select! {
        probe = probe => match probe {
            Probe::Answered { models, .. } => {
                let models = models.iter().map(ToString::to_string).collect();
                Ollama::Found { address, models }
            }
            Probe::Refused { .. } | Probe::Silent(_) | Probe::Unasked => Ollama::Silent,
        },
        () = clock.sleep(LOOK_MAX) => Ollama::Silent,
    }
}

/// Has one served that answered after the start.
pub(in crate::serve) async fn late(house: Arc<House>, look: JoinHandle<Ollama>) {
    let Ok(found @ Ollama::Found { .. }) = look.await else { return };
    let Some(source) = house.board.source() else { return };
    source.found(found);
    let resolved = match source.read() {
        Ok(resolved) => resolved,
        Err(report) => {
            house.board.refuse(&NotTaken::Read(Box::new(report)));
            return;
        }
    };
    let address = resolved.config.local_ollama().map(str::to_owned);
    match house.board.take(&house, resolved.config, Origin::Found) {
        Ok(Outcome::Taken) => {
            if let Some(address) = address {
                tracing::info!(%address, "an Ollama has answered: answers come from it from now on");
            }
        }
        Ok(Outcome::Same) => {}
        Err(problems) => drop(house.board.refuse(&NotTaken::Served(problems))),
    }
}

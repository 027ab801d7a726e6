//! Accounts that outlast the program, in a file, and a request that is sent twice: the second one is
//! answered with what the first one was told, also by another process, and paid for once.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use llm_core::dialect::{DialectId, RenderCx};
use llm_core::idempotency::{Asked, Fingerprint, Form, IdempotencyKey, Kept, Slot};
use llm_core::ledger::AccountId;
use llm_core::ledger::Owner::Key;
use llm_core::money::Money;
use llm_core::prompt::{Prompt, Request};
use llm_core::secret::Secret;
use llm_core::store::Ledger as _;
use llm_core::store::vault::Vault;
use llm_providers::Gateway;
use llm_providers::edge::once::{Begun, Once, Said};
use llm_providers::edge::{Render, render};
use llm_providers::provider::ProviderSettings;
use llm_providers::seam::SystemClock;
use llm_sim::{Options, SimTransport};
use llm_store::idempotency::sql::SqlSlots;
use llm_store::journal::{self, Journal};
use llm_store::lease::{self, Ground, LeasedLedger, Started};
use llm_store::seal::{Chest, Fresh, Keyring, SealKey, Sealer};
use llm_store::sql::sqlite::{self, SqliteVault};

/// A program with a ledger in a folder.
struct Shop {
    gateway: Gateway,
    once: Once,
    ledger: LeasedLedger,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness nothing may be sealed.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

impl Shop {
    async fn open(folder: &Path, seal: Keyring) -> Result<Self, Box<dyn Error>> {
        let clock = Arc::new(SystemClock);
        let file = sqlite::Settings::new(folder.join("shop.db"));
        let vault = SqliteVault::<Money>::open(&file, clock.clone()).await?;
        // What a process that dies had set aside is in its journal: the next one reads it.
        let place = folder.join("journal");
        let (journal, _) = Journal::at(place, journal::Settings::default())?;
        let ground = Ground {
            replica: "shop".to_owned(),
            journal: Arc::new(journal),
            vault: Arc::new(vault.clone()) as Arc<dyn Vault>,
            clock: clock.clone(),
        };
        let opened = LeasedLedger::open(ground, lease::Settings::default()).await?;
        let Started { ledger, worker, .. } = opened;
        tokio::spawn(worker.run());
        let chest = Chest::new(Sealer::new(Arc::new(seal)), || Fresh::new(random()));
        let slots = Arc::new(SqlSlots::new(vault.into(), chest));
        let who = ledger.tenure().clone();
        let once = Once::new(slots, Arc::new(ledger.clone()), who, clock);
        let simulated = Arc::new(SimTransport::new(&Options::default()));
        let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
        let gateway = Gateway::builder()
            .vendor(openai.build_over(simulated)?)
            .model("smart", [["openai/gpt-4o-mini"]])
            .ledger(Arc::new(ledger.clone()))
            .build()?;
        Ok(Self { gateway, once, ledger })
    }

    /// Answers a question once for each key. Whether it had been answered before.
    async fn answer(&self, question: &str, key: &str) -> Result<(bool, String), Box<dyn Error>> {
        let prompt = Prompt::Chat(Request::new("smart").user(question.to_owned()));
        let call = self.gateway.asking().call(prompt);
        let asker = call.grant.principal.key.0.clone();
        let slot = Slot::of(&call.grant.principal, IdempotencyKey::parse(key.as_bytes())?);
        let (path, body) = ("/questions", question.as_bytes());
        let asked = Asked { asker: &asker, method: &Method::POST, path, content_type: None, body };
        let run = match self.once.begin(slot, Fingerprint::of(&asked), call.id).await? {
            Begun::Run(run) => run,
            Begun::Again(answer) => {
                let Kept::Body(bytes) = answer.body else { return Err("not kept".into()) };
                return Ok((true, String::from_utf8(bytes.to_vec())?));
            }
            Begun::Refused(why) => return Err(why.into()),
        };
        let caller = llm_dialects::caller(DialectId::OpenaiChat).ok_or("no such dialect")?;
        let reply = self.gateway.send(call).await?;
        let receipt = Arc::clone(&reply.receipt);
        let clock = Arc::clone(self.gateway.clock());
        let how = Render { caller, cx: RenderCx::default(), stream: false, clock };
        let rendered = render(reply, how).await?;
        let said = Said { status: 200, content_type: rendered.content_type, form: Form::Whole };
        // It is written down before its last byte is here.
        let mut body = run.keep(said, rendered.body, receipt);
        let mut whole = Vec::new();
        while let Some(Ok(bytes)) = body.next().await {
            whole.extend_from_slice(&bytes);
        }
        Ok((false, String::from_utf8(whole)?))
    }

    async fn spent(&self) -> Result<Money, Box<dyn Error>> {
        let account = AccountId::new(Key, "embedded");
        Ok(self.ledger.balance(&account).await?.map_or(Money(0), |found| found.settled))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("durable-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // A real program has it from a file that is not beside the database.
    let seal = Keyring::new(SealKey::new(Secret::new(random())));

    let shop = Shop::open(&folder, seal.clone()).await?;
    let (again, first) = shop.answer("Hello?", "order-1").await?;
    let spent = shop.spent().await?;
    println!("again: {again}, spent so far: ${spent}");
    let (again, second) = shop.answer("Hello?", "order-1").await?;
    println!("again: {again}, the same answer: {}", first == second);
    let other = shop.answer("And now?", "order-1").await;
    println!("another question: {}", other.err().map(|why| why.to_string()).unwrap_or_default());
    shop.ledger.shutdown().await?;
    drop(shop);

    let shop = Shop::open(&folder, seal).await?;
    let (again, third) = shop.answer("Hello?", "order-1").await?;
    println!("after a restart, again: {again}, the same answer: {}", first == third);
    println!("paid once: {}", shop.spent().await? == spent);
    shop.ledger.shutdown().await?;
    drop(shop);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

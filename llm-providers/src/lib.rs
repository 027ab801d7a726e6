//! The gateway as a library: providers, the pipeline's stages, the transport.
//!
//! A program describes a [`Gateway`] with its [builder](Gateway::builder), and then asks it:
//! [`Gateway::chat`], [`Gateway::stream`] and their siblings, or [`Gateway::asking`] on behalf of
//! somebody whose limits hold and whose accounts pay. The proxy is a host of exactly this.
//!
//! ```
//! # use std::sync::Arc;
//! # use llm_core::prompt::Request;
//! # use llm_providers::{Gateway, provider::ProviderSettings};
//! # use llm_sim::{Options, SimTransport};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let simulated = Arc::new(SimTransport::new(&Options::default()));
//! let openai = ProviderSettings::new("openai", "openai").key("sk-0123456789");
//! # let openai = openai.build_over(simulated)?;
//! # #[cfg(any())]
//! let openai = openai.build()?;
//! let gateway = Gateway::builder()
//!     .vendor(openai)
//!     .model("smart", [["openai/gpt-4o-mini"]])
//!     .build()?;
//! let turn = gateway.chat(Request::new("smart").user("Hello?")).await?;
//! assert!(!turn.text(0).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`stage`] says what a stage is and in which order the stages stand; [`reply`] is
//! what comes back; [`edge`] reads it.

pub mod asking;
pub mod builder;
pub mod edge;
pub mod gateway;
pub mod ledger;
mod log;
pub mod metrics;
pub mod model;
#[cfg(feature = "typed-openai")]
pub mod openai;
pub mod provider;
pub mod reply;
pub mod seam;
pub mod settings;
pub mod stage;
pub mod target;
pub mod transport;
mod typed;

pub use gateway::Gateway;

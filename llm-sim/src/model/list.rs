//! The models a simulated vendor lists.

use llm_core::answer::{ModelInfo, Models};
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::ModelsRequest;

use super::CREATED;

pub(crate) fn models(request: &ModelsRequest, dialect: DialectId, known: &[&str]) -> Models {
    let names: Vec<&str> = match &request.model {
        Some(one) => vec![one],
        None => known.to_vec(),
    };
    let info = |name: &&str| ModelInfo {
        id: (*name).into(),
        created: Some(CREATED),
        owner: Some(owner(dialect).into()),
        // OpenAI has no names for people.
        title: (owner(dialect) != "openai").then(|| (*name).into()),
        extra: Extra::default(),
    };
    Models {
        models: names.iter().map(info).collect(),
        single: request.model.is_some(),
        extra: Extra::default(),
    }
}

fn owner(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            "openai"
        }
        DialectId::Anthropic => "anthropic",
        DialectId::Gemini => "google",
        DialectId::Cohere | DialectId::CohereV1 => "cohere",
        DialectId::Ollama | DialectId::OllamaGenerate => "library",
    }
}

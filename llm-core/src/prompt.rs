//! What is asked, in canonical words.
//!
//! A field enters here when two dialects have it. What only one has stays in [`Extra`] (a field)
//! or [`Opaque`] (a block), and returns unharmed to the dialect it came from.

use crate::Str;
use crate::call::Operation;
use crate::extra::Extra;
use crate::raw::{Raw, RawNumber};

mod part;
mod tasks;

pub use part::*;
pub use tasks::*;

/// Whatever may be asked of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// A conversation's next turn.
    Chat(Request),
    /// Vectors for texts.
    Embed(EmbedRequest),
    /// Documents in order of how well they answer a query.
    Rerank(RerankRequest),
    /// Whether texts break content rules.
    Moderate(ModerateRequest),
    /// Speech to text.
    Transcribe(TranscribeRequest),
    /// Text to image.
    Image(ImageRequest),
    /// How many tokens a conversation has.
    CountTokens(Request),
    /// Which models there are.
    ListModels(ModelsRequest),
}

impl From<Request> for Prompt {
    fn from(request: Request) -> Self {
        Self::Chat(request)
    }
}

impl Prompt {
    /// What kind of thing is asked for.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Chat(_) => Operation::Chat,
            Self::Embed(_) => Operation::Embed,
            Self::Rerank(_) => Operation::Rerank,
            Self::Moderate(_) => Operation::Moderate,
            Self::Transcribe(_) => Operation::Transcribe,
            Self::Image(_) => Operation::Image,
            Self::CountTokens(_) => Operation::CountTokens,
            Self::ListModels(_) => Operation::ListModels,
        }
    }

    /// The word for the form in which the answer is wanted, of operations that have several.
    pub fn answer_format(&self) -> Option<Str> {
        match self {
            Self::Transcribe(request) => request.format.clone(),
            Self::Embed(request) => request.encodings.first().cloned(),
            Self::Chat(_)
            | Self::Rerank(_)
            | Self::Moderate(_)
            | Self::Image(_)
            | Self::CountTokens(_)
            | Self::ListModels(_) => None,
        }
    }
}

/// A conversation and what is wanted of its next turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The model, as the caller names it.
    pub model: Str,
    /// What stands before the conversation. Instructions in the middle of it stay in `messages`.
    pub system: Vec<Message>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// What the answer must look like.
    pub output: OutputSpec,
    /// Whether and how long to think.
    pub reasoning: Option<ReasoningSpec>,
    /// The end user, as the caller names them. Never decides who pays.
    pub user: Option<Str>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Everything else.
    pub extra: Extra,
}

impl Request {
    /// For a model, with nothing said yet.
    pub fn new(model: impl Into<Str>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// With an instruction in front of the conversation.
    #[must_use]
    pub fn system(mut self, text: impl Into<Str>) -> Self {
        self.system.push(Message::text(Role::System, text));
        self
    }

    /// With what the person says next.
    #[must_use]
    pub fn user(self, text: impl Into<Str>) -> Self {
        self.message(Message::text(Role::User, text))
    }

    /// With another turn: what the model said (`Completion::message`), or what a tool returned.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// With a tool that the model may call.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// With an answer that follows a schema.
    #[must_use]
    pub fn schema(mut self, schema: JsonSchema) -> Self {
        self.output.format = Some(OutputFormat::Schema(schema));
        self
    }
}

/// One turn, or one piece of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Everything else.
    pub extra: Extra,
}

impl Message {
    /// A message of text.
    pub fn text(role: Role, text: impl Into<Str>) -> Self {
        Self { role, parts: vec![Part::text(text)], extra: Extra::default() }
    }

    /// What a tool returned to a call.
    pub fn tool_result(call: &ToolCall, text: impl Into<Str>) -> Self {
        let result = ToolResult {
            call_id: call.id.clone(),
            name: Some(call.name.clone()),
            content: vec![Part::text(text)],
            is_error: None,
        };
        let parts = vec![Part::new(PartKind::ToolResult(result))];
        Self { role: Role::Tool, parts, extra: Extra::default() }
    }
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// OpenAI's newer name for them; a wire distinction that must survive.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool returned.
    Tool,
}

/// What the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name; for a provider's own tool, the provider's word for it.
    pub name: Str,
    /// What it does.
    pub description: Option<Str>,
    /// What it takes.
    pub kind: ToolKind,
    /// The prompt up to here should be cached.
    pub cache: Option<CacheMark>,
    /// Everything else.
    pub extra: Extra,
}

impl Tool {
    /// A function of the caller's, with the JSON schema of its arguments.
    pub fn function(name: impl Into<Str>, description: impl Into<Str>, schema: Raw) -> Self {
        Self {
            name: name.into(),
            description: Some(description.into()),
            kind: ToolKind::Function { schema: Some(schema), strict: None },
            cache: None,
            extra: Extra::default(),
        }
    }
}

/// What a tool takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind {
    /// A JSON object that follows a schema.
    Function {
        /// The schema, as written; absent when the tool takes nothing.
        schema: Option<Raw>,
        /// Whether the arguments must follow it to the letter.
        strict: Option<bool>,
    },
    /// Free text.
    Custom,
    /// The provider runs it itself; only its own dialect understands the description.
    Native(Opaque),
}

/// Whether the model must call a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// It must not.
    Never,
    /// At least one.
    Required,
    /// This one.
    Named(Str),
    /// Some of these; at least one when `required`.
    Among {
        /// The tools it may choose from.
        names: Vec<Str>,
        /// Whether it must choose.
        required: bool,
    },
}

/// How tokens are drawn. Numbers stay as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Spread.
    pub temperature: Option<RawNumber>,
    /// Share of probability to draw from.
    pub top_p: Option<RawNumber>,
    /// Number of tokens to draw from.
    pub top_k: Option<RawNumber>,
    /// Against repeating often.
    pub frequency_penalty: Option<RawNumber>,
    /// Against repeating at all.
    pub presence_penalty: Option<RawNumber>,
    /// For the same answer again.
    pub seed: Option<RawNumber>,
    /// Whether to say how sure the model is.
    pub logprobs: Option<bool>,
    /// How many alternatives to name beside each token.
    pub top_logprobs: Option<RawNumber>,
}

/// What the answer must look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputSpec {
    /// Text, JSON, or JSON that follows a schema.
    pub format: Option<OutputFormat>,
    /// At most so many tokens, reasoning included.
    pub tokens_max: Option<RawNumber>,
    /// Stop where one of these would come.
    pub stop: Vec<Str>,
    /// So many answers.
    pub candidates: Option<u16>,
    /// Which kinds of output: `text`, `audio`, `image`, in lower case. Empty means text.
    pub modalities: Vec<Str>,
    /// How wordy: `low`, `medium`, `high`.
    pub verbosity: Option<Str>,
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputFormat {
    /// As it comes.
    Text,
    /// Some JSON object.
    Json,
    /// JSON that follows a schema.
    Schema(JsonSchema),
}

/// A schema for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSchema {
    /// Its name, which some dialects require.
    pub name: Option<Str>,
    /// What it is for.
    pub description: Option<Str>,
    /// The schema, as written.
    pub schema: Raw,
    /// Whether it must be followed to the letter.
    pub strict: Option<bool>,
}

impl JsonSchema {
    /// A schema that must be followed to the letter.
    pub fn strict(name: impl Into<Str>, schema: Raw) -> Self {
        Self { name: Some(name.into()), description: None, schema, strict: Some(true) }
    }
}

/// Whether and how long to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningSpec {
    /// On or off, where it is said apart from an effort or a budget.
    pub enabled: Option<bool>,
    /// How hard: `none`, `minimal`, `low`, `medium`, `high`, … as written.
    pub effort: Option<Str>,
    /// At most so many tokens.
    pub budget: Option<RawNumber>,
    /// Whether thoughts (or a summary of them) should be shown.
    pub visible: Option<bool>,
    /// How the summary should be: `auto`, `concise`, `detailed`.
    pub summary: Option<Str>,
}

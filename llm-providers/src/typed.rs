//! Words that a program wrote, as a call: what a peek reads out of bytes is read out of words here.

use llm_core::Str;
use llm_core::call::{Has, Peek, Spanned};
use llm_core::prompt::{
    EmbedInput, Media, MediaSource, Message, OutputFormat, Part, PartKind, Prompt, Request, Tool,
    ToolKind,
};

/// What a chat template and JSON put around a message, a part, a tool.
const AROUND_BYTES: usize = 64;

/// The few facts of words that a gateway must know.
pub(crate) fn peek(prompt: &Prompt) -> Peek {
    match prompt {
        Prompt::Chat(request) | Prompt::CountTokens(request) => chat(request),
        Prompt::Embed(request) => {
            of(&request.model, request.input.iter().map(input).sum(), Has::default())
        }
        Prompt::Moderate(request) => {
            of(&request.model, request.input.iter().map(input).sum(), Has::default())
        }
        Prompt::Rerank(request) => {
            let documents: usize = request.documents.iter().map(|d| d.get().len()).sum();
            of(&request.model, documents + request.query.len(), Has::default())
        }
        Prompt::Transcribe(request) => {
            let peek = of(&request.model, request.file.bytes.len(), Has(Has::AUDIO));
            Peek { stream: request.stream, ..peek }
        }
        Prompt::Image(request) => {
            let peek = of(&request.model, request.prompt.len(), Has::default());
            let count = request.count.unwrap_or(1).min(u32::from(u16::MAX));
            Peek { candidates: u16::try_from(count).unwrap_or(u16::MAX), ..peek }
        }
        Prompt::ListModels(request) => {
            of(&request.model.clone().unwrap_or_default(), 0, Has::default())
        }
    }
}

fn of(model: &Str, bytes: usize, has: Has) -> Peek {
    Peek {
        model: Spanned { value: model.clone(), span: None },
        input_tokens_estimate: u32::try_from(bytes.div_ceil(3)).unwrap_or(u32::MAX),
        has,
        ..Peek::default()
    }
}

fn chat(request: &Request) -> Peek {
    let mut has = Has::default();
    let messages = request.system.iter().chain(&request.messages);
    let said: usize = messages.map(|m| message(m, &mut has)).sum();
    let tools: usize = request.tools.iter().map(tool).sum();
    let (json, schema) = match &request.output.format {
        None | Some(OutputFormat::Text) => (false, 0),
        Some(OutputFormat::Json) => (true, 0),
        Some(OutputFormat::Schema(schema)) => {
            has.add_if(true, Has::JSON_SCHEMA);
            (true, schema.schema.get().len())
        }
    };
    has.add_if(json, Has::JSON);
    has.add_if(!request.tools.is_empty(), Has::TOOLS);
    has.add_if(request.reasoning.is_some(), Has::REASONING);
    has.add_if(request.sampling.logprobs == Some(true), Has::LOGPROBS);
    let most = request.output.tokens_max.as_ref().and_then(|n| n.as_u64());
    Peek {
        stream: request.stream,
        wants_usage_frame: true,
        output_tokens_max: most.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        candidates: request.output.candidates.unwrap_or(0),
        user: request.user.clone().map(|value| Spanned { value, span: None }),
        ..of(&request.model, said + tools + schema, has)
    }
}

fn message(message: &Message, has: &mut Has) -> usize {
    AROUND_BYTES + message.parts.iter().map(|p| part(p, has)).sum::<usize>()
}

fn part(part: &Part, has: &mut Has) -> usize {
    AROUND_BYTES
        + match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => text.text.len(),
            PartKind::Reasoning(text) => text.len(),
            PartKind::ToolCall(call) => call.name.len() + call.arguments.len(),
            PartKind::ToolResult(result) => result.content.iter().map(|p| self::part(p, has)).sum(),
            PartKind::Image(image) => media(image, Has::IMAGES, has),
            PartKind::Audio(audio) => media(&audio.media, Has::AUDIO, has),
            PartKind::Video(video) => media(video, Has::VIDEO, has),
            PartKind::File(file) => media(file, Has::FILES, has),
            PartKind::Opaque(opaque) => opaque.value.get().len(),
        }
}

fn media(media: &Media, bit: u16, has: &mut Has) -> usize {
    has.add_if(true, bit);
    match &media.source {
        MediaSource::Base64(text) | MediaSource::Text(text) => text.len(),
        MediaSource::Url(name) | MediaSource::Id(name) => name.len(),
    }
}

fn tool(tool: &Tool) -> usize {
    let schema = match &tool.kind {
        ToolKind::Function { schema, .. } => schema.as_ref().map_or(0, |s| s.get().len()),
        ToolKind::Custom => 0,
        ToolKind::Native(opaque) => opaque.value.get().len(),
    };
    AROUND_BYTES + tool.name.len() + tool.description.as_ref().map_or(0, |d| d.len()) + schema
}

fn input(input: &EmbedInput) -> usize {
    match input {
        EmbedInput::Text(text) => text.len(),
        EmbedInput::Tokens(tokens) => tokens.len() * 8,
        EmbedInput::Parts(parts) => parts.iter().map(|p| part(p, &mut Has::default())).sum(),
    }
}

//! What a model can take, as data.

/// Facts of one model at one vendor. `Copy`, so that routing filters without touching memory it
/// does not own. The default is a model that takes everything; catalogues narrow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Tokens it reads and writes at the most; 0 = unknown.
    pub context_tokens_max: u32,
    /// Tokens it writes at the most; 0 = unknown.
    pub output_tokens_max: u32,
    /// Takes tools.
    pub tools: bool,
    /// Takes `tool_choice`.
    pub tool_choice: bool,
    /// Calls several tools at once.
    pub parallel_tools: bool,
    /// Answers in JSON when asked.
    pub json: bool,
    /// Follows a JSON schema.
    pub json_schema: bool,
    /// Takes images.
    pub image_in: bool,
    /// Takes audio.
    pub audio_in: bool,
    /// Takes files (PDF).
    pub file_in: bool,
    /// Takes video.
    pub video_in: bool,
    /// Writes audio.
    pub audio_out: bool,
    /// Thinks before it answers.
    pub reasoning: bool,
    /// Takes temperature, top_p and penalties. Reasoning models refuse them.
    pub sampling: bool,
    /// Wants `max_completion_tokens`; older models and hosts know only `max_tokens`.
    pub max_completion_tokens: bool,
    /// Takes the `developer` role; older models know only `system`.
    pub developer_role: bool,
    /// Takes `stream_options.include_usage`; some hosts refuse it.
    pub stream_options: bool,
    /// Gives log probabilities.
    pub logprobs: bool,
    /// Gives several answers at once.
    pub candidates: bool,
}

impl Capability {
    /// Takes everything; limits unknown.
    pub const ALL: Self = Self {
        context_tokens_max: 0,
        output_tokens_max: 0,
        tools: true,
        tool_choice: true,
        parallel_tools: true,
        json: true,
        json_schema: true,
        image_in: true,
        audio_in: true,
        file_in: true,
        video_in: true,
        audio_out: true,
        reasoning: true,
        sampling: true,
        max_completion_tokens: true,
        developer_role: true,
        stream_options: true,
        logprobs: true,
        candidates: true,
    };
}

impl Default for Capability {
    fn default() -> Self {
        Self::ALL
    }
}

//! Tools as `{"type": "function", "function": {…}}`, the spelling that Cohere and Ollama took over
//! from OpenAI.

use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, Tool, ToolKind};

use crate::json::{Bad, Field, JsonKind, ObjectWriter, nested};

/// The schema of a tool that takes nothing.
pub(crate) const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
/// The schema of a tool that takes free text.
pub(crate) const FREE_TEXT: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;
/// The member that holds the function.
const FUNCTION: &str = "function";

/// Whose spelling it is, and the notation bit with which it remembers that `type` was left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    pub(crate) dialect: DialectId,
    pub(crate) type_unsaid: u32,
}

impl Spelling {
    /// Reads one tool. What is no function is the provider's own.
    pub(crate) fn read(self, field: Field<'_>) -> Result<Tool, Bad> {
        let id = self.dialect;
        let mut o = field.object()?;
        let kind = o.see("type").map(|f| f.text());
        let is_function = matches!(kind, None | Some("\"function\""));
        if !is_function || o.see(FUNCTION).is_none_or(|f| f.kind() != JsonKind::Object) {
            let name = o.see("type").and_then(|f| f.str().ok()).unwrap_or_default();
            let native = Opaque { origin: id, kind: name.clone(), value: field.raw() };
            let kind = ToolKind::Native(native);
            return Ok(Tool { name, description: None, kind, cache: None, extra: Extra::new(id) });
        }
        o.take("type")?;
        let mut function = o.need(FUNCTION)?.object()?;
        let name = function.need_str("name")?;
        let description = function.str("description")?;
        let schema = match function.see("parameters").map(|f| f.kind()) {
            Some(JsonKind::Object) => function.raw("parameters")?,
            _ => None,
        };
        let bits = if kind.is_none() { self.type_unsaid } else { 0 };
        let mut extra = nested::rest(o, id, &[FUNCTION]).noted(bits);
        nested::keep(&mut extra, FUNCTION, function, id);
        let kind = ToolKind::Function { schema, strict: None };
        Ok(Tool { name, description, kind, cache: None, extra })
    }

    /// Writes one function, with the schema it should have here.
    pub(crate) fn write(self, o: &mut ObjectWriter<'_>, tool: &Tool, schema: Option<&str>) {
        let id = self.dialect;
        if !tool.extra.notation(id).has(self.type_unsaid) {
            o.str("type", "function");
        }
        nested::write_outer(o, &tool.extra, id, &[FUNCTION]);
        let mut function = o.object(FUNCTION);
        function.str("name", &tool.name).opt_str("description", tool.description.as_ref());
        if let Some(schema) = schema {
            function.json("parameters", schema);
        }
        nested::write_inner(&mut function, &tool.extra, id, FUNCTION);
    }
}

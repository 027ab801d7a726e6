use super::tree::{Node, Span};
pub(crate) enum Secrets {
    Keep,
}
#[derive(Debug)]
pub(crate) struct Finding {}
pub(crate) struct Converted {
    pub(crate) tree: Node,
    pub(crate) findings: Vec<Finding>,
    pub(crate) hidden: Vec<Span>,
}
pub(crate) fn is_litellm(_: &Node) -> bool {
    false
}
pub(crate) fn convert(t: &Node, _: Secrets) -> Converted {
    Converted { tree: t.clone(), findings: vec![], hidden: vec![] }
}

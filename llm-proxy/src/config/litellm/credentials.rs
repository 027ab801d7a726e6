//! `credential_list`: what several deployments show, said once. Each of them is given what it names,
//! as if it had said so itself; its own word goes first.

use super::super::tree::{Node, Table, Value};
use super::{Grade, Work};

/// The field by which a deployment names one.
const NAMED: &str = "litellm_credential_name";

/// The deployments with what they name.
pub(super) fn spread(list: &Node, credentials: Option<&Node>, work: &mut Work<'_>) -> Node {
    let known = credentials.and_then(Node::list).unwrap_or_default();
    for (n, node) in known.iter().enumerate() {
        let named = node.table().and_then(|t| t.get("credential_name")).and_then(Node::word);
        let (grade, said) = match named {
            Some(_) => (Grade::Exact, "given to each deployment that names it"),
            None => (Grade::Unsupported, "a credential without a name is nobody's"),
        };
        work.find(format!("credential_list.{n}"), grade, said);
    }
    let deployments = list.list().unwrap_or_default().iter().enumerate();
    let deployments = deployments.map(|(n, node)| given(node, n, known, work)).collect();
    Node::new(Value::List(deployments), list.span)
}

fn given(node: &Node, number: usize, known: &[Node], work: &mut Work<'_>) -> Node {
    let params = node.table().and_then(|t| t.get("litellm_params")).and_then(Node::table);
    let Some((params, name)) = params.and_then(|p| Some((p, p.get(NAMED)?.word()?))) else {
        return node.clone();
    };
    let path = format!("model_list.{number}.litellm_params.{NAMED}");
    let of = |node: &&Node| {
        let named = node.table().and_then(|t| t.get("credential_name")).and_then(Node::word);
        named == Some(name)
    };
    let values = known.iter().find(of).and_then(Node::table);
    let Some(values) = values.and_then(|t| t.get("credential_values")).and_then(Node::table) else {
        work.find(path, Grade::Unsupported, format!("there is no credential {name:?}"));
        return node.clone();
    };
    work.find(path, Grade::Exact, "what the credential says");
    let mut whole = Table::default();
    let own = params.entries().iter().filter(|entry| entry.name != NAMED);
    for entry in values.entries().iter().chain(own) {
        whole.set(&entry.name, entry.node.clone());
    }
    let mut deployment = Table::default();
    for entry in node.table().map(Table::entries).unwrap_or_default() {
        let is_params = entry.name == "litellm_params";
        let value = || Node::new(Value::Table(whole.clone()), entry.node.span);
        deployment.set(&entry.name, if is_params { value() } else { entry.node.clone() });
    }
    Node::new(Value::Table(deployment), node.span)
}

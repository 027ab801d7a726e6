//! YAML into a tree: one document, anchors and merged tables included.
//!
//! Deliberately absent: tags other than those of the core words, and documents after the first.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};

use super::super::problem::Problem;
use super::{Entry, Node, Span, Table, Value};

/// Values of a document, those behind aliases counted each time: a page of aliases to aliases is
/// how a small file becomes a large one.
const NODES_MAX: usize = 100_000;
/// Tables within tables. Nothing here needs more than eight.
const DEPTH_MAX: usize = 64;

/// Reads a text. After an error nothing more is read: indentation that is wrong once says nothing
/// afterwards.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Node {
    let whole = Span { start: 0, end: text.len() };
    let mut reader = Reader { text, problems, known: HashMap::new(), open: Vec::new(), nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok((event, span)) => (event, reader.span(&span)),
            Err(error) => {
                let at = reader.offset(error.marker());
                let span = Span { start: at, end: at };
                reader.problems.push(Problem::bad("", Some(span), error.info()));
                break;
            }
        };
        match reader.take(event, span) {
            Ok(None) => {}
            Ok(Some(root)) if root.is_null() => break,
            Ok(Some(root)) => return root,
            Err(problem) => {
                reader.problems.push(problem);
                break;
            }
        }
    }
    Node::new(Value::Table(reader.unfinished()), whole)
}

struct Reader<'t, 'p> {
    text: &'t str,
    problems: &'p mut Vec<Problem>,
    /// What anchors stand for, with how many values it is.
    known: HashMap<usize, (Node, usize)>,
    open: Vec<Open>,
    nodes: usize,
}

/// A collection whose end has not come.
struct Open {
    anchor: usize,
    start: usize,
    before: usize,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Table { table: Table, merged: Vec<Node>, name: Option<(String, Span)> },
}

impl Reader<'_, '_> {
    /// Takes an event; the root when it was its end.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Problem> {
        let body = |table| match table {
            false => Body::List(Vec::new()),
            true => Body::Table { table: Table::default(), merged: Vec::new(), name: None },
        };
        let mut begin = |anchor, table| {
            if self.open.len() >= DEPTH_MAX {
                return Err(Problem::bad("", Some(span), "too many levels"));
            }
            let before = self.nodes;
            self.open.push(Open { anchor, start: span.start, before, body: body(table) });
            Ok(None)
        };
        match event {
            Event::SequenceStart(_, anchor, _) => begin(anchor, false),
            Event::MappingStart(_, anchor, _) => begin(anchor, true),
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _quoted => Value::Text(text.into_owned()),
                };
                self.ended(Node::new(value, span), anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((node, nodes)) = self.known.get(&anchor) else {
                    return Err(Problem::bad("", Some(span), "this stands for itself"));
                };
                let (node, nodes) = (node.clone(), *nodes);
                self.ended(node, 0, nodes)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            // Comments, the frame of the document, and what the parser's options leave out.
            _framing => Ok(None),
        }
    }

    /// A collection ends.
    fn end(&mut self, span: Span) -> Result<Option<Node>, Problem> {
        let Some(Open { anchor, start, before, body }) = self.open.pop() else { return Ok(None) };
        let value = match body {
            Body::List(list) => Value::List(list),
            Body::Table { mut table, merged, .. } => {
                merged.into_iter().for_each(|from| merge(&mut table, from));
                Value::Table(table)
            }
        };
        let nodes = self.nodes - before + 1;
        self.nodes = before;
        self.ended(Node::new(value, Span { start, end: span.end.max(start) }), anchor, nodes)
    }

    /// A value is complete: it goes where it belongs.
    fn ended(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<Option<Node>, Problem> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(Problem::bad("", Some(node.span), "more values than a file may have"));
        }
        if anchor > 0 {
            self.known.insert(anchor, (node.clone(), nodes));
        }
        match self.open.last_mut().map(|o| &mut o.body) {
            None => return Ok(Some(node)),
            Some(Body::List(list)) => list.push(node),
            Some(Body::Table { table, merged, name }) => match name.take() {
                None => match node.word() {
                    Some(word) => *name = Some((word.to_owned(), node.span)),
                    None => {
                        let said = format!("a name is a text, and this is {}", node.what());
                        return Err(Problem::bad("", Some(node.span), said));
                    }
                },
                Some((word, _)) if word == "<<" => merged.push(node),
                Some((word, at)) => {
                    if let Err(twice) = table.add(Entry { name: word, at, node }) {
                        let said = format!("{:?} stands twice in this table", twice.name);
                        self.problems.push(Problem::bad("", Some(twice.at), said));
                    }
                }
            },
        }
        Ok(None)
    }

    /// What was read before an error, so that problems in it are said as well.
    fn unfinished(&mut self) -> Table {
        match self.open.drain(..).next().map(|o| o.body) {
            Some(Body::Table { table, .. }) => table,
            Some(Body::List(_)) | None => Table::default(),
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        Span { start: self.offset(&span.start), end: self.offset(&span.end) }
    }

    fn offset(&self, marker: &granit_parser::Marker) -> usize {
        let bytes = marker.byte_offset().or_else(|| {
            let at = self.text.char_indices().nth(marker.index());
            at.map(|(at, _)| at)
        });
        bytes.unwrap_or(self.text.len()).min(self.text.len())
    }
}

/// Lays what is merged under what a table says itself.
fn merge(table: &mut Table, from: Node) {
    match from.value {
        // A name that is there wins, which is what merging means.
        Value::Table(inner) => inner.0.into_iter().for_each(|e| drop(table.add(e))),
        Value::List(list) => list.into_iter().for_each(|node| merge(table, node)),
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// A word without quotes, by YAML's core schema; `yes` and `on` are words there.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Flag(true),
        "false" | "False" | "FALSE" => Value::Flag(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let whole = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    before.len() + after.len() > 0
        && whole(before)
        && whole(after)
        && !exponent.is_empty()
        && whole(exponent)
}

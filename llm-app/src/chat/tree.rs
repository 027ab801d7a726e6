//! The messages of a conversation as a tree: each goes on from one before it, and what is said again
//! in other words goes on from the same one. A branch is the way from a first message to a last.
//!
//! Pure: ids and what they go on from, no texts.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Id;

/// A message, and what it goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which.
    pub id: Id,
    /// What it goes on from; `None` begins a branch.
    pub parent: Option<Id>,
}

/// All messages of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    parents: BTreeMap<Id, Option<Id>>,
    /// In the order in which they were made.
    children: BTreeMap<Option<Id>, BTreeSet<Id>>,
}

impl Tree {
    /// Of these messages, in any order.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut tree = Self::default();
        for Node { id, parent } in nodes {
            tree.parents.insert(id, parent);
            tree.children.entry(parent).or_default().insert(id);
        }
        tree
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Whether a message is there.
    pub fn has(&self, id: Id) -> bool {
        self.parents.contains_key(&id)
    }

    /// What a message goes on from.
    pub fn parent(&self, id: Id) -> Option<Id> {
        self.parents.get(&id).copied().flatten()
    }

    /// The way to a message from the first one, both included; empty where it is not there. What
    /// goes on from something that is gone begins the way.
    pub fn path(&self, to: Id) -> Vec<Id> {
        let mut path = Vec::new();
        let mut next = Some(to).filter(|id| self.has(*id));
        // No way is longer than all messages: rows that go round in a circle end here.
        while let Some(id) = next.filter(|_| path.len() < self.len()) {
            path.push(id);
            next = self.parent(id).filter(|id| self.has(*id));
        }
        path.reverse();
        path
    }

    /// The end of the branch that a message is on: of several, the one that was begun last, at each
    /// fork.
    pub fn end(&self, from: Id) -> Id {
        let mut end = from;
        for _ in 0..self.len() {
            let Some(last) = self.children.get(&Some(end)).and_then(BTreeSet::last) else { break };
            end = *last;
        }
        end
    }

    /// All that go on from where a message does, itself included, in the order in which they were
    /// made: what was said in its place.
    pub fn versions(&self, id: Id) -> impl Iterator<Item = Id> {
        let parent = self.parents.get(&id).copied();
        parent.and_then(|parent| self.children.get(&parent)).into_iter().flatten().copied()
    }

    /// All that go on from a message.
    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        self.children.get(&Some(id)).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages as they come: each goes on from one of those before, or from none.
    fn nodes() -> impl Strategy<Value = Vec<Node>> {
        proptest::collection::vec(any::<Option<u16>>(), 0..60).prop_map(|from| {
            let mut nodes: Vec<Node> = Vec::new();
            for (at, from) in (1u128..).zip(from) {
                let before = nodes.len();
                let parent = from.filter(|_| before > 0).map(|n| nodes[usize::from(n) % before].id);
                nodes.push(Node { id: Id(at * 3), parent });
            }
            nodes
        })
    }

    /// The same, by looking through the list again and again.
    struct Naive(Vec<Node>);

    impl Naive {
        fn path(&self, to: Id) -> Vec<Id> {
            match self.0.iter().find(|node| node.id == to) {
                None => Vec::new(),
                Some(node) => {
                    let mut path = node.parent.map(|id| self.path(id)).unwrap_or_default();
                    path.push(to);
                    path
                }
            }
        }

        fn end(&self, from: Id) -> Id {
            let next = self.0.iter().filter(|node| node.parent == Some(from)).map(|node| node.id);
            next.max().map_or(from, |id| self.end(id))
        }

        fn versions(&self, id: Id) -> Vec<Id> {
            let Some(own) = self.0.iter().find(|node| node.id == id) else { return Vec::new() };
            self.0.iter().filter(|node| node.parent == own.parent).map(|node| node.id).collect()
        }
    }

    proptest! {
        #[test]
        fn the_tree_is_what_the_list_says(nodes in nodes(), turned: bool, strange: u16) {
            let naive = Naive(nodes.clone());
            let mut given = nodes.clone();
            if turned {
                given.reverse();
            }
            let tree = Tree::new(given);
            prop_assert_eq!(tree.len(), nodes.len());
            let all = nodes.iter().map(|node| node.id).chain([Id(u128::from(strange) * 3 + 1)]);
            for id in all {
                prop_assert_eq!(tree.path(id), naive.path(id));
                prop_assert_eq!(tree.end(id), naive.end(id));
                prop_assert_eq!(tree.versions(id).collect::<Vec<_>>(), naive.versions(id));
                // The end is on a branch of its own beginning.
                prop_assert!(!tree.has(id) || tree.path(tree.end(id)).contains(&id));
            }
        }
    }

    #[test]
    fn a_circle_has_an_end() {
        let node = |id, parent| Node { id: Id(id), parent: Some(Id(parent)) };
        let tree = Tree::new([node(1, 2), node(2, 1)]);
        assert_eq!(tree.path(Id(1)).len(), 2);
        let _ = tree.end(Id(1));
        // What goes on from nothing that is there begins a way.
        assert_eq!(Tree::new([node(3, 9)]).path(Id(3)), [Id(3)]);
    }
}

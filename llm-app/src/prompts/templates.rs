//! Templates: prompts with names in them, kept in versions that never change. A label such as
//! `production` says which version is meant, and moves from one to another in one step.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Prompts;
use super::holders::{Access, By};
use super::render::{NotRendered, Variable, check, render};
use super::store::templates as store;
use super::store::{id, named};
use crate::ground::NotDone;

/// Letters of a name, and of what is said of it.
const NAME_MAX: usize = 100;
const ABOUT_MAX: usize = 1_000;
/// Labels of a template, and letters of one.
const LABELS_MAX: usize = 32;
const LABEL_MAX: usize = 64;
/// Versions of a template; more are a log.
pub const VERSIONS_MAX: u64 = 1_000;
/// How often a change is tried again that another one was faster than.
const TRIES_MAX: u32 = 5;

/// A template without its versions.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its id.
    pub id: u128,
    /// Who may see it.
    pub access: Access,
    /// What is said of it.
    pub head: Head,
    /// The number of its last version.
    pub latest: u64,
    /// When it was made.
    pub made: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
    /// How often that was written.
    pub(super) revision: u64,
    /// Whose it is.
    pub(super) owner: llm_store::deposits::Owner,
}

/// What is said of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its name, one of its owner's.
    pub name: String,
    /// What it is for.
    pub about: Option<String>,
    /// Which version each label means.
    pub labels: BTreeMap<String, u64>,
}

/// A version. It never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// What is written.
    pub text: String,
    /// Names in it.
    pub variables: Vec<Variable>,
    /// What is said of this version.
    pub note: Option<String>,
}

/// A version that is kept.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number, from 1.
    pub number: u64,
    /// What it is.
    pub text: Text,
    /// When it was made.
    pub made: Timestamp,
    /// How many liked it, and how many did not.
    pub voices: super::predict::Tally,
}

/// Which version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The one labelled `production`, else the last one.
    #[default]
    Usual,
    /// The one of that number.
    Number(u64),
    /// The one of that label.
    Label(String),
}

/// A template to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who may see it.
    pub access: Access,
    /// What is said of it; its labels mean the first version.
    pub head: Head,
    /// Its first version.
    pub text: Text,
}

/// What is to be otherwise.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another name.
    pub name: Option<String>,
    /// Something else is said of it.
    pub about: Option<Option<String>>,
    /// One version more.
    pub text: Option<Text>,
    /// Labels that move: to a version, to the new one (`0`), or away.
    pub labels: BTreeMap<String, Option<u64>>,
}

impl From<NotRendered> for NotDone {
    fn from(why: NotRendered) -> Self {
        match why {
            NotRendered::Text(why) => Self::wrong("text", why),
            NotRendered::Variables(why) => Self::wrong("variables", why),
            NotRendered::Values(why) => Self::wrong("values", why),
        }
    }
}

impl Prompts {
    /// Makes one.
    pub async fn make_template(&self, by: &By, draft: Draft) -> Result<Template, NotDone> {
        let mut head = draft.head;
        head.labels.values_mut().for_each(|number| *number = 1);
        fits(&head)?;
        fits_text(&draft.text)?;
        let owner = by.holder(draft.access)?;
        let person = self.sealer(by, &owner).await?;
        let made = self.add_template(&person, draft.access, head, &draft.text).await?;
        made.ok_or_else(|| NotDone::Contradicts("there is a template of that name".into()))
    }

    /// What whoever asks can see, the newest first.
    pub async fn templates(
        &self,
        by: &By,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Template>, NotDone> {
        let mut all = Vec::new();
        for (access, owner) in by.sees() {
            all.extend(self.list_templates(access, &owner, before, limit).await?);
        }
        all.sort_by_key(|template| std::cmp::Reverse(template.id));
        all.truncate(limit);
        Ok(all)
    }

    /// The nearest one of that name, or the one of that id.
    pub async fn template(&self, by: &By, wanted: &str) -> Result<Template, NotDone> {
        for (access, owner) in by.sees() {
            let found = match id(wanted) {
                Some(id) => self.template_of_id(access, &owner, id).await?,
                None => self.template_of_name(access, &owner, wanted).await?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(NotDone::Unknown("template"))
    }

    /// One of its versions.
    pub async fn version(&self, of: &Template, which: &Which) -> Result<Version, NotDone> {
        let number = match which {
            Which::Number(number) => *number,
            Which::Usual => of.head.labels.get("production").copied().unwrap_or(of.latest),
            Which::Label(label) => *of.head.labels.get(label).ok_or(NotDone::Unknown("label"))?,
        };
        self.version_numbered(of, number).await?.ok_or(NotDone::Unknown("version"))
    }

    /// Its versions, the newest first.
    pub async fn versions(
        &self,
        of: &Template,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Version>, NotDone> {
        self.list_versions(of, before.unwrap_or(u64::MAX), limit).await
    }

    /// Changes one.
    pub async fn change_template(
        &self,
        by: &By,
        wanted: &str,
        change: &Change,
    ) -> Result<Template, NotDone> {
        if let Some(text) = &change.text {
            fits_text(text)?;
        }
        for _ in 0..TRIES_MAX {
            let known = self.mine(by, wanted).await?;
            let latest = known.latest + u64::from(change.text.is_some());
            if latest > VERSIONS_MAX {
                let why = format!("a template has {VERSIONS_MAX} versions at the most");
                return Err(NotDone::wrong("text", why));
            }
            let head = changed(&known.head, change, latest)?;
            let person = self.sealer(by, &known.owner).await?;
            match self.put_template(&person, &known, head, change.text.as_ref()).await? {
                store::Put::Done(template) => return Ok(template),
                store::Put::Taken => {
                    return Err(NotDone::Contradicts("there is a template of that name".into()));
                }
                store::Put::Late => {}
            }
        }
        Err(NotDone::Contradicts("others change this template all the time".into()))
    }

    /// Takes one away, with all of its versions.
    pub async fn drop_template(&self, by: &By, wanted: &str) -> Result<(), NotDone> {
        let known = self.mine(by, wanted).await?;
        if self.remove_template(&known).await? { Ok(()) } else { Err(NotDone::Unknown("template")) }
    }

    /// Fills one in.
    pub async fn render(
        &self,
        by: &By,
        wanted: &str,
        which: &Which,
        values: &BTreeMap<String, Value>,
    ) -> Result<(Template, u64, String), NotDone> {
        let template = self.template(by, wanted).await?;
        let Version { number, text, .. } = self.version(&template, which).await?;
        let written = render(&text.text, &text.variables, values)?;
        Ok((template, number, written))
    }

    /// One that whoever asks may change; another's is not there, and everybody's is not theirs.
    async fn mine(&self, by: &By, wanted: &str) -> Result<Template, NotDone> {
        let found = self.template(by, wanted).await?;
        match by.may_change(found.access) {
            true => Ok(found),
            false => Err(NotDone::Unknown("template of your own")),
        }
    }
}

fn fits(head: &Head) -> Result<(), NotDone> {
    let name = &head.name;
    let plain = name.trim() == name && !name.is_empty() && !name.contains(char::is_control);
    if !plain || name.chars().count() > NAME_MAX || id(name).is_some() {
        let why = format!("a name has 1 to {NAME_MAX} characters, and is not like an id");
        return Err(NotDone::wrong("name", why));
    }
    if head.about.as_ref().is_some_and(|about| about.chars().count() > ABOUT_MAX) {
        return Err(NotDone::wrong("about", format!("longer than {ABOUT_MAX} characters")));
    }
    let plain = |label: &String| {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        !label.is_empty() && label.len() <= LABEL_MAX && label.chars().all(fine)
    };
    if head.labels.len() > LABELS_MAX || !head.labels.keys().all(plain) {
        let why = format!("{LABELS_MAX} at the most, of a-z, 0-9, - _ . and {LABEL_MAX} long");
        return Err(NotDone::wrong("labels", why));
    }
    Ok(())
}

fn fits_text(text: &Text) -> Result<(), NotDone> {
    if text.note.as_ref().is_some_and(|note| note.chars().count() > ABOUT_MAX) {
        return Err(NotDone::wrong("note", format!("longer than {ABOUT_MAX} characters")));
    }
    Ok(check(&text.text, &text.variables)?)
}

fn changed(known: &Head, change: &Change, latest: u64) -> Result<Head, NotDone> {
    let mut head = known.clone();
    if let Some(name) = &change.name {
        head.name.clone_from(name);
    }
    if let Some(about) = &change.about {
        head.about.clone_from(about);
    }
    for (label, number) in &change.labels {
        match number {
            None => drop(head.labels.remove(label)),
            Some(number) if *number <= latest => {
                let number = if *number == 0 { latest } else { *number };
                head.labels.insert(label.clone(), number);
            }
            Some(_) => return Err(NotDone::wrong("labels", "there is no such version")),
        }
    }
    fits(&head)?;
    Ok(head)
}

/// The number that a name has among its owner's.
pub(super) fn blind(person: &crate::people::Person, name: &str) -> i64 {
    person.blind(&format!("template {name}"))
}

/// The id as it is written.
pub(super) fn row(template: u128) -> String {
    named(template)
}

//! One request at its route, and who asks.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::principal::{Grant, Principal};
use llm_core::store::KeyHash;
use llm_store::keys::{Action, Actions};

use super::super::admin::fields::{Fields, Params};
use super::super::admin::refusal::Refusal;
use super::super::bearer;
use super::super::house::House;
use super::super::office::{OPERATORS, Office};
use super::super::upload::Sent;
use super::{Route, Scope, Takes, plane};

/// Items of a page unless it is said.
pub(crate) const PAGE_USUAL: usize = 100;

/// One request at its route.
pub(crate) struct Ask {
    /// Everything there is.
    pub(crate) house: Arc<House>,
    /// Where it was asked.
    pub(crate) route: &'static Route,
    /// The names in the path, in their order.
    pub(crate) names: Vec<String>,
    /// What its head says.
    pub(crate) headers: HeaderMap,
    /// The parameters of the query.
    pub(crate) query: Params,
    /// The fields of the body, where the route takes some.
    pub(crate) fields: Fields,
    /// The body, where the function reads it.
    pub(crate) body: Option<Sent>,
    /// Whom or what it is about, as the trail is to have it.
    pub(crate) about: Option<Str>,
}

/// Which part of a list is wanted.
#[derive(Debug)]
pub(crate) struct Part {
    /// Behind this; `None` is the beginning.
    pub(crate) cursor: Option<String>,
    /// How many.
    pub(crate) limit: usize,
}

impl Ask {
    pub(super) async fn read(
        house: &Arc<House>,
        route: &'static Route,
        names: Vec<String>,
        head: Parts,
        body: Incoming,
    ) -> Result<Self, Refusal> {
        let query = Params::read(&head.uri)?;
        query.among(route.query)?;
        let (mut fields, mut raw) = (Fields::default(), None);
        let sent = |body| Sent { headers: head.headers.clone(), body };
        match route.takes {
            Takes::Nothing => {}
            Takes::Fields(groups) => {
                fields = Fields::read(house, sent(body)).await?;
                fields.among(groups)?;
            }
            Takes::Raw(_) | Takes::Form(_) => raw = Some(sent(body)),
        }
        Ok(Self {
            house: Arc::clone(house),
            route,
            names: super::meant(names)?,
            headers: head.headers,
            query,
            fields,
            body: raw,
            about: None,
        })
    }

    /// A name in the path.
    pub(crate) fn name(&self, at: usize) -> Result<&str, Refusal> {
        let text = "a name is missing in the path";
        self.names.get(at).map(String::as_str).ok_or_else(|| Refusal::wrong("path", text))
    }

    /// Takes the body, which the function reads itself.
    pub(crate) fn body(&mut self) -> Result<Sent, Refusal> {
        self.body.take().ok_or_else(|| Refusal::wrong("body", "it was read already"))
    }

    /// Which part of a list is wanted: `cursor` and `limit`, or `size` as LiteLLM has it.
    pub(crate) fn part(&mut self) -> Result<Part, Refusal> {
        let mut number = |name| self.query.parse(name, |text| text.parse::<usize>().ok());
        let limit = number("limit")?.or(number("size")?).unwrap_or(PAGE_USUAL);
        Ok(Part { cursor: self.query.take("cursor"), limit })
    }
}

/// What operators work with, where anything outlasts the process.
pub(crate) fn office(house: &House) -> Result<&Office, Refusal> {
    house.office.as_ref().ok_or_else(Refusal::no_store)
}

/// Who runs the gateway, or a part of it.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// Their key's public id, or `admin`.
    pub(crate) id: Str,
    /// What they may do; `None` is everything.
    actions: Option<Actions>,
}

/// What the first admin key is called.
const FIRST: &str = "admin";

impl Operator {
    pub(super) async fn of(house: &House, head: &Parts) -> Result<Self, Refusal> {
        let shown = bearer::in_head(&head.headers);
        let found = match &shown {
            Some(key) if !plane::is_shut(head) => Self::find(house, key).await?,
            Some(_) | None => None,
        };
        found.ok_or_else(|| {
            let text = "this wants the admin key, or that of an operator";
            Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", text)
        })
    }

    /// Whose key it is, asked of the store each time: nobody administers with what was true before.
    pub(crate) async fn find(house: &House, key: &str) -> Result<Option<Self>, Refusal> {
        if house.admin.opens(key) {
            return Ok(Some(Self { id: Str::from_static(FIRST), actions: None }));
        }
        if let Some(user) = house.keys.administers(key).await {
            // Other operators are the first admin key's alone: a token ends, and what it made would not.
            let given = Scope::GIVEN.iter().flat_map(|scope| scope.actions()).copied();
            let id = Str::from(format!("jwt:{user}"));
            return Ok(Some(Self { id, actions: Some(given.collect()) }));
        }
        let Some(office) = &house.office else { return Ok(None) };
        for print in office.peppers.prints(key) {
            let Some((entry, standing)) = office.directory.administrator(print.hash).await? else {
                continue;
            };
            if entry.record.owner.tenant != OPERATORS {
                continue;
            }
            let actions = Some(standing.rights.actions);
            return Ok(Some(Self { id: entry.record.line.0, actions }));
        }
        Ok(None)
    }

    /// Whether they may do that.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Refusal> {
        let Some(actions) = self.actions else { return Ok(()) };
        let wanted = scope.actions();
        if !wanted.is_empty() && wanted.iter().all(|action| actions.has(*action)) {
            return Ok(());
        }
        let text = format!("this operator's key has not the scope {}", scope.name());
        Err(Refusal::new(StatusCode::FORBIDDEN, "permission_denied", text))
    }
}

impl Scope {
    /// What the directory calls it; nothing is a scope that nobody is given.
    pub(crate) fn actions(self) -> &'static [Action] {
        match self {
            Self::Read => &[Action::ReadUsage, Action::ReadCalls],
            Self::Keys => &[Action::ManageKeys],
            Self::Money => &[Action::ManageMoney],
            Self::Config => &[Action::ManageSettings, Action::ManageProviders, Action::ManageCache],
            Self::Everything => &[],
        }
    }
}

/// An application, by the virtual key that it shows.
#[derive(Clone, Debug)]
pub(crate) struct AppCaller {
    /// What the key gives.
    pub(crate) grant: Arc<Grant>,
    /// The key itself, for work that goes on when its request is over; `None` for a token that
    /// allows less than the key behind it.
    pub(crate) print: Option<KeyHash>,
}

impl AppCaller {
    pub(super) async fn of(house: &House, head: &Parts) -> Result<Self, Refusal> {
        // Not in the query: addresses are written into logs.
        let key = bearer::in_head(&head.headers).ok_or_else(|| {
            let text = "no API key: send `authorization: Bearer sk-…`";
            Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", text)
        })?;
        let (print, grant) = house.keys.found(&key).await?;
        Ok(Self { grant, print })
    }

    /// Whose data is whose: the narrowest owner that the key has, and the key where it has none.
    pub(crate) fn owner(&self) -> (&'static str, &Str) {
        let Principal { key, user, team, org, .. } = &*self.grant.principal;
        let named = [
            ("user", user.as_ref().map(|id| &id.0)),
            ("team", team.as_ref().map(|id| &id.0)),
            ("org", org.as_ref().map(|id| &id.0)),
        ];
        let named = named.into_iter().find_map(|(kind, id)| Some((kind, id?)));
        named.unwrap_or(("key", &key.0))
    }
}

/// Who asks where both may.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// An operator.
    Operator(Operator),
    /// An application.
    App(AppCaller),
}

impl Asker {
    pub(super) async fn of(house: &House, head: &Parts) -> Result<Self, Refusal> {
        if let Some(key) = bearer::in_head(&head.headers)
            && !plane::is_shut(head)
            && let Some(operator) = Operator::find(house, &key).await?
        {
            return Ok(Self::Operator(operator));
        }
        Ok(Self::App(AppCaller::of(house, head).await?))
    }
}

/// Whether a request shows the key of somebody who may look at everything: where a path means one
/// thing to them and another to applications.
pub(crate) async fn is_operator(house: &House, head: &Parts) -> bool {
    matches!(Operator::of(house, head).await, Ok(operator) if operator.may(Scope::Read).is_ok())
}

//! What is answered beside calls of models: one table, from which both the dispatch and the
//! document that describes it come.
//!
//! The actors are a *route* (a method and a path, who may ask, what is taken and given, and words
//! for people), the *ask* (one request at its route: who asks, the names in its path, its parameters
//! and fields) and the *asker* (an operator, or an application by its virtual key). Who may ask is
//! said by the type of the function that answers, so that no function of operators can be put where
//! an application asks. What a route does not say that it takes is refused before its function runs.
//!
//! A route is one entry in the table of its own module and one function; [`TABLES`] names the
//! tables. Deliberately absent: calls of models, whose paths their dialects know, APIs that calls are
//! passed through to, which are not ours to describe, and probes.

pub(crate) mod ask;
pub(crate) mod openapi;
pub(crate) mod plane;
pub(crate) mod shape;
mod spoken;
mod trail;

use std::pin::Pin;
use std::sync::Arc;

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;

use super::admin;
use super::admin::fields::decoded;
use super::admin::refusal::{Answered, Refusal};
use super::apps::{jobs, noted, privacy};
use super::body::Body;
use super::credits::people;
use super::door::empty;
use super::house::House;
use super::{app, apps, batches, call, checks, files, heads, models, pages, responses};
use super::{telemetry, watch};
use ask::{AppCaller, Ask, Asker, Operator};
use shape::{Field, Shape};

/// Every table. One more line for whoever brings another.
pub(crate) const TABLES: &[&[Route]] = &[
    pages::ROUTES,
    checks::ROUTES,
    files::ROUTES,
    batches::ROUTES,
    jobs::ROUTES,
    privacy::ROUTES,
    noted::ROUTES,
    responses::ROUTES,
    models::ROUTES,
    admin::keys::ROUTES,
    admin::keys::turns::ROUTES,
    admin::parties::users::ROUTES,
    admin::parties::teams::ROUTES,
    admin::parties::orgs::ROUTES,
    admin::plans::ROUTES,
    admin::budgets::ROUTES,
    admin::catalog::ROUTES,
    admin::health::ROUTES,
    admin::log::ROUTES,
    admin::ledger::ROUTES,
    admin::cache::ROUTES,
    admin::config::ROUTES,
    admin::vendors::ROUTES,
    admin::wallets::ROUTES,
    admin::wallets::steps::ROUTES,
    admin::wallets::codes::ROUTES,
    admin::wallets::hooks::ROUTES,
    people::ROUTES,
    apps::chat::ROUTES,
    apps::usage::ROUTES,
    apps::prompts::ROUTES,
    apps::prompts::compare::ROUTES,
    apps::prompts::templates::ROUTES,
    apps::prompts::experiments::ROUTES,
    apps::prompts::feedback::ROUTES,
    apps::documents::ROUTES,
    apps::analysis::ROUTES,
    admin::operators::ROUTES,
    admin::trail::ROUTES,
    watch::ROUTES,
];

/// A path that is also one of callers, whose it is unless an operator asks.
pub(crate) const OPERATORS_MODELS: &str = "/models";

/// An answer, as it is being made.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;
type By<W> = for<'a> fn(&'a mut Ask, &'a W) -> Answering<'a>;

/// Who may ask, and what answers them.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Whoever comes along.
    Anyone(for<'a> fn(&'a mut Ask) -> Answering<'a>),
    /// Operators who may do that.
    Operator(Scope, By<Operator>),
    /// Applications, by a virtual key.
    App(By<AppCaller>),
    /// Both; operators who may do that.
    Either(Scope, By<Asker>),
}

/// What operators may do. The first admin key may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Look: usage, the request log, who there is.
    Read,
    /// Keys, users, teams and organizations, with what they may ask and spend.
    Keys,
    /// Plans, budgets, prices and credits.
    Money,
    /// Providers, the cache, and how the proxy is set up.
    Config,
    /// Other operators: of the first admin key alone.
    Everything,
}

/// A method. Not `http`'s own, of which no constant tables can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Looks, and changes nothing.
    Get,
    /// Does something.
    Post,
    /// Puts something in its place.
    Put,
    /// Changes a part of something.
    Patch,
    /// Takes something away.
    Delete,
}

/// What of a body is read before the function runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A JSON object of these fields.
    Fields(&'static [&'static [Field]]),
    /// The same, which the function reads itself.
    Raw(&'static [&'static [Field]]),
    /// A form of these fields, one of them a file, which the function reads itself.
    Form(&'static [&'static [Field]]),
}

/// One entry of a table.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    /// Names stand in braces: `/key/{key}/suspend`.
    pub(crate) path: &'static str,
    /// What it does, for people.
    pub(crate) about: &'static str,
    pub(crate) run: Run,
    pub(crate) query: &'static [&'static [Field]],
    pub(crate) takes: Takes,
    pub(crate) gives: Shape,
    /// What else it is given as, by its content type.
    pub(crate) also: Option<&'static str>,
    /// Whether it only looks, though its method says otherwise.
    looks: bool,
}

/// A function of operators, as a table wants it.
macro_rules! operator {
    ($scope:ident, $run:expr) => {
        $crate::serve::routes::Run::Operator($crate::serve::routes::Scope::$scope, |ask, _by| {
            Box::pin($run(ask))
        })
    };
}
/// The same, which wants to know who asks.
macro_rules! asked_by {
    ($kind:ident, $run:expr) => {
        $crate::serve::routes::Run::$kind(|ask, by| Box::pin($run(ask, by)))
    };
    ($kind:ident, $scope:ident, $run:expr) => {
        $crate::serve::routes::Run::$kind($crate::serve::routes::Scope::$scope, |ask, by| {
            Box::pin($run(ask, by))
        })
    };
}
pub(crate) use {asked_by, operator};

impl Route {
    const fn new(verb: Verb, path: &'static str, about: &'static str, run: Run) -> Self {
        let (query, takes) = (&[] as _, Takes::Nothing);
        Self {
            verb,
            path,
            about,
            run,
            query,
            takes,
            gives: Shape::Anything,
            also: None,
            looks: false,
        }
    }

    pub(crate) const fn get(path: &'static str, about: &'static str, run: Run) -> Self {
        Self::new(Verb::Get, path, about, run)
    }

    pub(crate) const fn post(path: &'static str, about: &'static str, run: Run) -> Self {
        Self::new(Verb::Post, path, about, run)
    }

    pub(crate) const fn put(path: &'static str, about: &'static str, run: Run) -> Self {
        Self::new(Verb::Put, path, about, run)
    }

    pub(crate) const fn patch(path: &'static str, about: &'static str, run: Run) -> Self {
        Self::new(Verb::Patch, path, about, run)
    }

    pub(crate) const fn delete(path: &'static str, about: &'static str, run: Run) -> Self {
        Self::new(Verb::Delete, path, about, run)
    }

    /// With these parameters in its query.
    pub(crate) const fn query(self, query: &'static [&'static [Field]]) -> Self {
        Self { query, ..self }
    }

    /// With these fields in its body.
    pub(crate) const fn takes(self, fields: &'static [&'static [Field]]) -> Self {
        Self { takes: Takes::Fields(fields), ..self }
    }

    /// With these fields in a body that its function reads.
    pub(crate) const fn reads(self, fields: &'static [&'static [Field]]) -> Self {
        Self { takes: Takes::Raw(fields), ..self }
    }

    /// With these fields in a form that its function reads.
    pub(crate) const fn form(self, fields: &'static [&'static [Field]]) -> Self {
        Self { takes: Takes::Form(fields), ..self }
    }

    /// With an answer of that shape.
    pub(crate) const fn gives(self, gives: Shape) -> Self {
        Self { gives, ..self }
    }

    /// Or as something else, where it is asked for, by its content type.
    pub(crate) const fn also(self, kind: &'static str) -> Self {
        Self { also: Some(kind), ..self }
    }

    /// Or as server-sent events, where they are asked for.
    pub(crate) const fn streams(self) -> Self {
        self.also("text/event-stream")
    }

    /// It changes nothing.
    pub(crate) const fn looks(self) -> Self {
        Self { looks: true, ..self }
    }

    /// Whether a line of it goes into the trail.
    fn is_noted(&self) -> bool {
        match self.verb {
            Verb::Get => false,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => !self.looks,
        }
    }

    /// Whether its answers are in the envelope of applications.
    pub(crate) fn is_enveloped(&self) -> bool {
        app::is_path(self.path)
    }

    /// The names of a path, where that is this one's. Clients of OpenAI are told an address with its
    /// version or without, and end a path as they like, as with calls of models.
    fn names<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let Some(short) = self.path.strip_prefix("/v1") else {
            return Self::matched(self.path, path);
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        Self::matched(self.path, path).or_else(|| Self::matched(short, path))
    }

    fn matched<'p>(own: &str, path: &'p str) -> Option<Vec<&'p str>> {
        let (mut names, mut own) = (Vec::new(), own.split('/'));
        for part in path.split('/') {
            let wanted = own.next()?;
            match wanted.strip_prefix('{') {
                Some(_) if part.is_empty() => return None,
                Some(_) => names.push(part),
                None if wanted == part => {}
                None => return None,
            }
        }
        own.next().is_none().then_some(names)
    }
}

impl Verb {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn is(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post | Self::Put | Self::Patch | Self::Delete => self.name() == method.as_str(),
        }
    }
}

impl Scope {
    /// Those that operators can be given.
    pub(crate) const GIVEN: [Self; 4] = [Self::Read, Self::Keys, Self::Money, Self::Config];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Keys => "keys",
            Self::Money => "money",
            Self::Config => "config",
            Self::Everything => "everything",
        }
    }
}

/// All entries of all tables.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().copied().flatten()
}

/// What there is at a path.
pub(crate) enum Found {
    /// A route, and the names in the path as they were written.
    Here(&'static Route, Vec<String>),
    /// The path is there, with these methods.
    Otherwise(String),
}

/// What there is at a path; `None` when the table has no such path.
pub(crate) fn find(method: &Method, path: &str) -> Option<Found> {
    let (mut here, mut others, mut fewest) = (None, String::new(), usize::MAX);
    for route in all() {
        let Some(names) = route.names(path).filter(|names| names.len() <= fewest) else { continue };
        // A path that is written out is not also a name in another one.
        if names.len() < fewest {
            (fewest, here) = (names.len(), None);
            others.clear();
        }
        if route.verb.is(method) {
            here = here.or(Some((route, names)));
            continue;
        }
        if !others.is_empty() {
            others.push_str(", ");
        }
        others.push_str(route.verb.name());
    }
    if let Some((route, names)) = here {
        return Some(Found::Here(route, names.into_iter().map(str::to_owned).collect()));
    }
    (!others.is_empty()).then_some(Found::Otherwise(others))
}

/// Answers what was found.
pub(crate) async fn answer(
    house: &Arc<House>,
    found: Found,
    head: Parts,
    body: Incoming,
) -> Response<Body> {
    match found {
        Found::Here(route, names) => {
            let (id, began) = (call::new_id(house).to_string(), house.clock.now());
            let ours = HeaderValue::from_str(&id);
            let theirs = head.headers.get(heads::REQUEST_ID).cloned();
            let language = app::Language::of(&head.headers);
            let answered = answered(house, route, names, head, body).await;
            let mut response = match route.is_enveloped() {
                true => app::enveloped(answered, language, &house.zone(), call::now(house)),
                false => answered.unwrap_or_else(|refusal| refusal.response()),
            };
            if let Ok(ours) = ours {
                heads::name(response.headers_mut(), theirs.as_ref(), ours);
            }
            house.telemetry.answered(&telemetry::Request {
                id: Some(&id),
                route: route.path,
                operation: route.verb.name(),
                status: response.status(),
                error: "",
                total: Some(house.clock.now().saturating_duration_since(began)),
            });
            response
        }
        Found::Otherwise(methods) => otherwise(&methods),
    }
}

/// The path is there, with these methods.
pub(crate) fn otherwise(methods: &str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

async fn answered(
    house: &Arc<House>,
    route: &'static Route,
    names: Vec<String>,
    head: Parts,
    body: Incoming,
) -> Answered {
    // Who asks comes first: nobody's body is read who may not ask.
    match route.run {
        Run::Anyone(run) => run(&mut Ask::read(house, route, names, head, body).await?).await,
        Run::App(run) => {
            let by = AppCaller::of(house, &head).await?;
            run(&mut Ask::read(house, route, names, head, body).await?, &by).await
        }
        Run::Operator(scope, run) => {
            let by = Operator::of(house, &head).await?;
            let ask = Ask::read(house, route, names, head, body).await?;
            noted(ask, scope, by, |ask, by| run(ask, by)).await
        }
        Run::Either(scope, run) => match Asker::of(house, &head).await? {
            Asker::Operator(by) => {
                let ask = Ask::read(house, route, names, head, body).await?;
                let asker = Asker::Operator(by.clone());
                noted(ask, scope, by, |ask, _| Box::pin(async move { run(ask, &asker).await }))
                    .await
            }
            by @ Asker::App(_) => {
                run(&mut Ask::read(house, route, names, head, body).await?, &by).await
            }
        },
    }
}

/// What an operator wants, with a line in the trail before it and one after it where it changes
/// anything: what could not be written down is not done.
async fn noted<F>(mut ask: Ask, scope: Scope, by: Operator, run: F) -> Answered
where
    F: for<'a> FnOnce(&'a mut Ask, &'a Operator) -> Answering<'a>,
{
    if !ask.route.is_noted() {
        by.may(scope)?;
        return run(&mut ask, &by).await;
    }
    let note = trail::Note::open(&ask, &by).await?;
    let done = match by.may(scope) {
        Ok(()) => run(&mut ask, &by).await,
        Err(refusal) => Err(refusal),
    };
    note.close(&ask, done.as_ref().err()).await;
    done
}

/// A name in a path as it was meant.
fn meant(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    names.iter().map(|name| decoded(name)).collect()
}

#[cfg(test)]
mod tests;

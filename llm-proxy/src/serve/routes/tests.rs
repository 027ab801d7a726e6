//! The table against itself, and the document against whoever answers.

use std::collections::BTreeSet;

use super::super::tongue;
use super::openapi::{document, written};
use super::spoken::SPOKEN;
use super::*;

/// A path with something in place of its names.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_found_and_is_found_alone() {
    let mut seen = BTreeSet::new();
    for route in all() {
        assert!(seen.insert((route.path, route.verb.name())), "{} twice", route.path);
        let method = Method::from_bytes(route.verb.name().as_bytes()).unwrap();
        let Some(Found::Here(found, _)) = find(&method, &filled(route.path)) else {
            panic!("{} is not found", route.path);
        };
        assert_eq!(found.path, route.path, "another one is found first");
        assert!(!route.about.is_empty());
        let first = route.path == OPERATORS_MODELS;
        let path = filled(route.path);
        if let (Some(short), Some(own)) = (path.strip_prefix("/v1"), route.path.strip_prefix("/v1"))
        {
            let Some(Found::Here(found, _)) = find(&method, short) else {
                panic!("{short} is not found");
            };
            assert!([route.path, own].contains(&found.path), "{short} is {}", found.path);
        }
        let spoken = tongue::spoken(&method, &path, &http::HeaderMap::new()).is_some();
        assert!(!spoken || first, "{} is a dialect's, and never comes here", route.path);
    }
    assert!(find(&Method::GET, "/key/").is_none() && find(&Method::GET, "/nothing").is_none());
    assert!(find(&Method::POST, "/key//suspend").is_none());
    match find(&Method::PATCH, "/admin/plans/x") {
        Some(Found::Otherwise(methods)) => assert_eq!(methods, "PUT, DELETE"),
        _ => panic!("the path is there"),
    }
    // As OpenAI's clients have their address.
    for path in ["/v1/files/x", "/files/x", "/v1/files/x/", "/files/x/"] {
        match find(&Method::GET, path) {
            Some(Found::Here(route, names)) => {
                assert_eq!((route.path, names), ("/v1/files/{id}", vec!["x".to_owned()]));
            }
            _ => panic!("{path} is not found"),
        }
    }
    assert!(find(&Method::GET, "/v1/filesystem").is_none() && find(&Method::GET, "/v1").is_none());
    match find(&Method::HEAD, "/docs") {
        Some(Found::Here(route, _)) => assert_eq!(route.path, "/docs"),
        _ => panic!("whoever may look may look at the head"),
    }
}

#[test]
fn what_changes_something_is_written_down() {
    let looks: Vec<&str> = all().filter(|r| r.looks).map(|route| route.path).collect();
    let render = "/api/v1/templates/{template}/render";
    assert_eq!(looks, ["/keys/validate", "/budget/info", "/admin/codes/info", render]);
    for route in all() {
        if let Run::Operator(..) | Run::Either(..) = route.run {
            assert_eq!(route.is_noted(), route.verb != Verb::Get && !route.looks, "{}", route.path);
        }
    }
}

#[test]
fn the_document_has_every_path_and_no_other() {
    let whole = written();
    let paths = whole["paths"].as_object().unwrap();
    for route in all() {
        assert!(paths[route.path][route.verb.name().to_lowercase()].is_object(), "{}", route.path);
    }
    for spoken in SPOKEN {
        let method = Method::from_bytes(spoken.verb.as_bytes()).unwrap();
        let path = spoken.path.replace("{model}", "m");
        let found = tongue::spoken(&method, &path, &http::HeaderMap::new());
        assert!(found.is_some(), "no dialect has {path}");
        assert!(paths[spoken.path].is_object());
    }
    for (path, item) in paths {
        for (verb, operation) in item.as_object().unwrap() {
            let names: Vec<&str> = path.split('{').skip(1).collect();
            let told = operation["parameters"].as_array().into_iter().flatten();
            let told = told.filter(|one| one["in"] == "path").count();
            assert_eq!(names.len(), told, "{verb} {path}");
            assert!(operation["responses"]["200"].is_object(), "{verb} {path}");
        }
    }
    assert_eq!(whole["openapi"], "3.1.0");
    assert!(serde_json::from_slice::<serde_json::Value>(&document()).is_ok());
    assert!(super::super::pages::page_of(&whole).contains("/key/generate"));
}

//! Owners and keys, and what happens to them.

use std::time::Duration;

use jiff::Timestamp;
use llm_core::principal::KeyId;
use llm_core::secret::Secret;
use llm_core::store::{Directory, Shown};
use llm_store::directory::{
    About, By, Ensured, Holder, KeyFilter, Level, NotDone, PartyDraft, PartyId, Turn,
};
use llm_store::keys::{
    Action, Actions, Draft, Excess, KeyOwner, NotIssued, NotRotated, OrgId, Pepper, Peppers, Rights,
};

use crate::place::*;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn owners_are_made_once_and_listed(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    // Again, and nothing is different.
    people(&directory).await;
    let ann = directory.party(party(Level::User, "ann")).await.unwrap();
    assert_eq!(ann.draft.org, Some(OrgId("o".into())), "a person is of their team's part");
    let other = PartyDraft { name: Some("x".into()), ..ann.draft.clone() };
    assert!(matches!(directory.create(&operator, other).await, Err(NotDone::Taken { .. })));
    let nowhere = PartyDraft { org: Some(OrgId("z".into())), ..ann.draft.clone() };
    let nowhere = PartyDraft { id: party(Level::User, "eve"), ..nowhere };
    assert!(directory.create(&operator, nowhere).await.is_err(), "no such part");
    let lost = PartyId { tenant: "nobody".into(), ..party(Level::Team, "x") };
    assert!(directory.create(&operator, PartyDraft::new(lost)).await.is_err(), "no such tenant");
    for bad in ["", "a\nb"] {
        let id = PartyId { id: bad.into(), ..party(Level::User, "") };
        let made = directory.create(&operator, PartyDraft::new(id)).await;
        assert!(matches!(made, Err(NotDone::Text(_))));
    }
    for metadata in ["[]", "{", &format!("{{\"a\": \"{}\"}}", "x".repeat(4_096))] {
        let described =
            directory.describe_party(&operator, ann.draft.id.clone(), None, metadata.into()).await;
        assert!(matches!(described, Err(NotDone::Text(_))));
    }
    let said = directory
        .describe_party(&operator, ann.draft.id.clone(), Some("Ann".into()), "{\"a\": 1}".into())
        .await
        .unwrap();
    assert_eq!(directory.party(ann.draft.id.clone()).await.unwrap(), said);

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = directory.parties(tenant(), Level::User, after, 3).await.unwrap();
        assert!(page.items.len() <= 3);
        names.extend(page.items.into_iter().map(|party| party.draft.id.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["ann", "bob", "cat", "dan"]);
    let tenants = directory.tenants(None, 10).await.unwrap();
    assert_eq!((tenants.items.len(), tenants.next), (1, None));
}

pub(crate) async fn a_key_lives(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    assert_eq!(shown(&directory, 1).await, Shown::Unknown);
    let about = About { alias: Some("app".into()), ..About::default() };
    let draft = Draft { models: Some(scope(&["haiku", "gpt*"])), ..Draft::new(of_user("ann")) };
    let made = directory.issue(&operator, draft.clone(), minted(1), about.clone()).await.unwrap();
    assert_eq!(made.record.owner.team.as_ref().map(|id| &*id.0), Some("red"), "completed");
    assert_eq!(directory.key(&operator, id(1)).await.unwrap(), made);
    let again = directory.issue(&operator, draft.clone(), minted(1), about).await.unwrap();
    assert_eq!(again, made, "an answer that got lost is asked for again");
    let mut copied = minted(1);
    copied.id = KeyId::from("other");
    let copied = directory.issue(&operator, draft, copied, About::default()).await;
    assert!(matches!(copied, Err(NotDone::Taken { .. })));

    let grant = granted(&directory, 1).await;
    assert_eq!((&*grant.principal.key.0, &*grant.principal.tenant.0), ("k1", "t"));
    assert!(grant.allows("gpt-4") && grant.allows("haiku") && !grant.allows("opus"));

    let turn = async |turn| directory.turn(&operator, id(1), turn).await.unwrap();
    turn(Turn::Narrow(Rights { models: scope(&["gpt-4"]), ..Rights::full() })).await;
    assert!(!granted(&directory, 1).await.allows("haiku"));
    let since = turn(Turn::Suspend).await.record.suspended_at;
    assert!(since.is_some());
    assert_eq!(turn(Turn::Suspend).await.record.suspended_at, since);
    assert_eq!(shown(&directory, 1).await, Shown::Barred);
    turn(Turn::Resume).await;
    assert!(matches!(shown(&directory, 1).await, Shown::Known { until: None, .. }));
    let end: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    turn(Turn::Shorten(end)).await;
    assert!(
        matches!(shown(&directory, 1).await, Shown::Known { until: Some(until), .. } if until == end)
    );
    turn(Turn::Revoke).await;
    turn(Turn::Resume).await;
    assert_eq!(shown(&directory, 1).await, Shown::Unknown, "gone for good");
    let late = Draft { expires_at: Some(Timestamp::UNIX_EPOCH), ..Draft::new(of_user("ann")) };
    let late = issue_by(&directory, &operator, 2, late).await;
    assert_eq!(late, Err(NotIssued::Past.into()));
    let strange = KeyOwner { team: Some("blue".into()), ..of_user("ann") };
    let strange = issue_by(&directory, &operator, 2, Draft::new(strange)).await;
    assert_eq!(strange, Err(NotDone::Owner));
    let nobody = issue_by(&directory, &operator, 2, Draft::new(of_user("zoe"))).await;
    assert!(matches!(nobody, Err(NotDone::Unknown { what: "user", .. })));
    assert!(directory.turn(&operator, id(9), Turn::Suspend).await.is_err());
}

pub(crate) async fn a_key_is_rotated(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    let new = directory.rotate(&operator, id(1), minted(2), HOUR).await.unwrap();
    assert_eq!(directory.rotate(&operator, id(1), minted(2), HOUR).await.unwrap(), new);
    let (old_grant, new_grant) = (granted(&directory, 1).await, granted(&directory, 2).await);
    assert_eq!(old_grant.principal.key, new_grant.principal.key, "one line, one account");
    assert!(matches!(shown(&directory, 1).await, Shown::Known { until: Some(_), .. }));
    let twice = directory.rotate(&operator, id(1), minted(3), HOUR).await;
    assert_eq!(twice, Err(NotRotated::Replaced(id(2)).into()));
    // What is taken from the new one is not left with the old one.
    let narrow = Rights { models: scope(&["haiku"]), ..Rights::full() };
    directory.turn(&operator, id(2), Turn::Narrow(narrow)).await.unwrap();
    assert!(!granted(&directory, 1).await.allows("opus"));
    directory.set_plan(&operator, Holder::Key(id(2)), Some("pro".into())).await.unwrap();
    let both = [1, 2].map(id);
    for key in &both {
        let about = directory.key(&operator, key.clone()).await.unwrap().about;
        assert_eq!(about.plan.as_deref(), Some("pro"), "a plan is a line's");
    }
    directory.turn(&operator, id(1), Turn::EndOverlap).await.unwrap();
    assert_eq!(shown(&directory, 1).await, Shown::Unknown);
    granted(&directory, 2).await;
    let filter = KeyFilter { owner: of_team("red"), replaced: false };
    let listed = directory.keys(&operator, filter.clone(), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let all = KeyFilter { replaced: true, ..filter };
    let page = directory.keys(&operator, all.clone(), None, 1).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("k1"));
    let page = directory.keys(&operator, all, page.next.map(KeyId), 1).await.unwrap();
    assert_eq!((page.items[0].record.id.clone(), page.next), (id(2), None));
    let blue = KeyFilter { owner: of_team("blue"), replaced: true };
    assert!(directory.keys(&operator, blue, None, 10).await.unwrap().items.is_empty());
}

pub(crate) async fn who_rests_has_no_keys(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    issue(&directory, 2, admin(of_team("red"))).await;
    issue_by(&directory, &By::Key(id(2)), 3, Draft::new(of_user("bob"))).await.unwrap();
    issue(&directory, 4, Draft::new(of_user("cat"))).await;
    let (_, mut cursor) = directory.changed(u64::MAX).await.unwrap();
    for (who, rests, named) in [
        (party(Level::User, "ann"), [true, false, false], &["k1"][..]),
        (party(Level::Team, "red"), [true, true, false], &["k1", "k2", "k3"]),
        (party(Level::Org, "o"), [true, true, true], &["k1", "k2", "k3", "k4"]),
        (PartyId::tenant(tenant()), [true, true, true], &["k1", "k2", "k3", "k4"]),
    ] {
        directory.rest_party(&operator, who.clone(), true).await.unwrap();
        for (number, rests) in [1, 3, 4].into_iter().zip(rests) {
            let is = shown(&directory, number).await;
            assert_eq!(is == Shown::Barred, rests, "{who:?} {number} {is:?}");
        }
        let (mut keys, next) = directory.changed(cursor).await.unwrap();
        keys.sort();
        assert_eq!(keys.iter().map(|key| &*key.0).collect::<Vec<_>>(), named);
        let rotated = directory.rotate(&operator, id(1), minted(9), HOUR).await;
        assert!(rotated.is_err(), "who rests gets no new key");
        directory.rest_party(&operator, who, false).await.unwrap();
        (_, cursor) = directory.changed(next).await.unwrap();
        granted(&directory, 1).await;
    }
    // An issuer's rest is no rest of its keys, but their end until it is over.
    directory.turn(&operator, id(2), Turn::Suspend).await.unwrap();
    assert_eq!(shown(&directory, 3).await, Shown::Unknown);
    let (keys, _) = directory.changed(cursor).await.unwrap();
    assert!(keys.contains(&id(2)) && keys.contains(&id(3)) && !keys.contains(&id(1)));
}

pub(crate) async fn nobody_changes_what_is_above_them(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let limited = Draft {
        models: Some(scope(&["gpt*"])),
        limits: vec![limit("$10/month")],
        ..admin(of_team("red"))
    };
    issue(&directory, 1, limited).await;
    let red = By::Key(id(1));
    let own = issue_by(&directory, &red, 2, Draft::new(of_user("ann"))).await.unwrap();
    assert_eq!(own.record.rights.limits, [limit("$10/month")]);
    let more = Draft { models: Some(scope(&["*"])), ..Draft::new(of_user("ann")) };
    let more = issue_by(&directory, &red, 3, more).await;
    assert!(matches!(more, Err(NotDone::NotIssued(NotIssued::Excess(Excess::Model(_))))));
    let theirs = issue_by(&directory, &red, 3, Draft::new(of_user("cat"))).await;
    assert_eq!(theirs, Err(NotIssued::Owner.into()));
    let loose = directory.set_limits(&red, Holder::Key(id(2)), vec![limit("$20/month")]).await;
    assert!(matches!(loose, Err(NotDone::NotIssued(NotIssued::Excess(Excess::Limit(_))))));
    directory.set_limits(&red, Holder::Key(id(2)), vec![limit("$5/month")]).await.unwrap();
    let own = directory.set_limits(&red, Holder::Key(id(1)), vec![limit("$20/month")]).await;
    assert_eq!(own, Err(NotIssued::Circle.into()));
    // A stronger key of the same team is not theirs to rotate.
    issue(&directory, 5, Draft::new(of_user("ann"))).await;
    let stolen = directory.rotate(&red, id(5), minted(6), HOUR).await;
    assert!(matches!(stolen, Err(NotDone::NotIssued(NotIssued::Excess(_)))));
    // Nor to wake: asleep, nothing can be had from it.
    directory.turn(&By::Operator, id(5), Turn::Suspend).await.unwrap();
    let woken = directory.turn(&red, id(5), Turn::Resume).await;
    assert!(matches!(woken, Err(NotDone::NotIssued(NotIssued::Excess(_)))));

    let limits = |who| directory.set_limits(&red, Holder::Party(who), vec![]);
    limits(party(Level::User, "ann")).await.unwrap();
    for above in [
        party(Level::Team, "red"),
        party(Level::Org, "o"),
        PartyId::tenant(tenant()),
        party(Level::User, "cat"),
    ] {
        assert_eq!(limits(above.clone()).await, Err(NotDone::Denied), "{above:?}");
        assert_eq!(directory.rest_party(&red, above, true).await, Err(NotDone::Denied));
    }
    assert_eq!(directory.put_plan(&red, pro()).await, Err(NotDone::Denied));
    let plain = By::Key(id(2));
    let made =
        PartyDraft { team: Some("red".into()), ..PartyDraft::new(party(Level::User, "eve")) };
    assert_eq!(directory.create(&plain, made.clone()).await, Err(NotDone::Denied));
    directory.create(&red, made).await.unwrap();
    let outside = PartyDraft::new(party(Level::User, "fay"));
    assert_eq!(directory.create(&red, outside).await, Err(NotDone::Denied));
    let all = KeyFilter { owner: KeyOwner::tenant(tenant()), replaced: true };
    assert_eq!(directory.keys(&red, all, None, 9).await, Err(NotDone::Denied));
}

pub(crate) async fn changes_are_read_in_order(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    people(&here).await;
    let (none, begin) = there.changed(u64::MAX).await.unwrap();
    assert!(none.is_empty());
    for number in 0..5 {
        issue(&here, number, Draft::new(of_user("ann"))).await;
    }
    let (keys, next) = there.changed(begin).await.unwrap();
    assert_eq!(keys, (0..5).map(id).collect::<Vec<_>>());
    assert_eq!(there.changed(next).await.unwrap(), (Vec::new(), next));
    assert_eq!(here.changed(begin + 3).await.unwrap(), (vec![id(3), id(4)], next));
    // What was refused has changed nothing.
    let refused = here.set_plan(&By::Operator, Holder::Key(id(1)), Some("none".into())).await;
    assert!(matches!(refused, Err(NotDone::Unknown { what: "plan", .. })));
    assert_eq!(there.changed(next).await.unwrap(), (Vec::new(), next));
    here.turn(&By::Operator, id(1), Turn::Revoke).await.unwrap();
    assert_eq!(there.changed(next).await.unwrap(), (vec![id(1)], next + 1));
}

pub(crate) async fn who_administers_asks_no_models(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    issue(&directory, 1, admin(of_team("red"))).await;
    issue(&directory, 2, Draft::new(of_team("red"))).await;
    let reads = Actions::from_iter([Action::ReadUsage]);
    issue(&directory, 3, Draft { actions: reads, ..Draft::new(of_team("red")) }).await;
    assert_eq!(shown(&directory, 1).await, Shown::Barred);
    granted(&directory, 2).await;
    assert_eq!(shown(&directory, 3).await, Shown::Barred);
    let (entry, standing) = directory.administrator(print(1)).await.unwrap().unwrap();
    assert_eq!(entry.record.id, id(1));
    assert!(standing.rights.actions.has(Action::ManageKeys));
    assert_eq!(directory.administrator(print(2)).await, Ok(None));
    assert!(directory.administrator(print(3)).await.unwrap().is_some());
    directory.turn(&By::Operator, id(1), Turn::Suspend).await.unwrap();
    assert_eq!(directory.administrator(print(1)).await, Ok(None));
    let by = issue_by(&directory, &By::Key(id(1)), 4, Draft::new(of_team("red"))).await;
    assert!(matches!(by, Err(NotDone::NotUsable(_))), "{by:?}");
}

pub(crate) async fn prints_are_renewed(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    let later = Peppers::new(Pepper::new(Secret::new([8; 32])));
    let (old, new) = (minted(1).print, later.print(key(1).expose()));
    directory.renew(old, new).await.unwrap();
    directory.renew(old, new).await.unwrap();
    assert_eq!(shown(&directory, 1).await, Shown::Unknown);
    let is = directory.grant(&new.hash).await.unwrap();
    assert!(matches!(is, Shown::Known { .. }));
}

pub(crate) async fn one_admin_key(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    let (one, other) = (minted(1).print, minted(2).print);
    let text = |number| Secret::new(key(number).expose().to_owned());
    assert_eq!(here.admin(&text(1), &peppers()).await, Ok(None));
    assert_eq!(here.ensure_admin(one).await, Ok(Ensured::Made));
    assert!(matches!(there.ensure_admin(other).await, Ok(Ensured::Before(_))));
    assert_eq!(there.admin(&text(1), &peppers()).await, Ok(Some(one)));
    assert_eq!(there.admin(&text(2), &peppers()).await, Ok(None));
    assert_eq!(there.rotate_admin(other, minted(3).print).await, Err(NotDone::Denied));
    there.rotate_admin(one, other).await.unwrap();
    there.rotate_admin(one, other).await.unwrap();
    assert_eq!(here.admin(&text(1), &peppers()).await, Ok(None));
    assert_eq!(here.admin(&text(2), &peppers()).await, Ok(Some(other)));
    // It is no virtual key.
    assert_eq!(here.grant(&other.hash).await, Ok(Shown::Unknown));
}

pub(crate) async fn whoever_moves_takes_their_keys_along(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    let make = async |draft| directory.create(&operator, draft).await.unwrap();
    make(PartyDraft::new(party(Level::Org, "p"))).await;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    issue(&directory, 2, Draft::new(of_team("red"))).await;
    let owner = async |number| directory.key(&operator, id(number)).await.unwrap().record.owner;
    let named = |owner: &KeyOwner| {
        let team = owner.team.as_ref().map(|id| id.0.to_string());
        (owner.org.as_ref().map(|id| id.0.to_string()), team)
    };
    let put = async |level, id, org, team| {
        directory.place_party(&operator, party(level, id), org, team).await
    };
    // A person to another team, whose part comes along.
    let moved = put(Level::User, "ann", None, Some("blue".into())).await.unwrap();
    assert_eq!(
        (&moved.draft.org, &moved.draft.team),
        (&Some(OrgId("o".into())), &Some("blue".into()))
    );
    assert_eq!(named(&owner(1).await), (Some("o".into()), Some("blue".into())));
    assert_eq!(granted(&directory, 1).await.principal.team, Some("blue".into()));
    let members =
        directory.members(party(Level::Team, "blue"), Level::User, None, 9).await.unwrap();
    let names: Vec<_> = members.items.iter().map(|p| p.draft.id.id.to_string()).collect();
    assert_eq!(names, ["ann", "cat", "dan"]);
    // A team to another part, with its people and keys.
    put(Level::Team, "red", Some(OrgId("p".into())), None).await.unwrap();
    assert_eq!(named(&owner(2).await), (Some("p".into()), Some("red".into())));
    let bob = directory.party(party(Level::User, "bob")).await.unwrap();
    assert_eq!(bob.draft.org, Some(OrgId("p".into())));
    let parts = directory.members(party(Level::Org, "p"), Level::Team, None, 9).await.unwrap();
    assert_eq!(parts.items.len(), 1);
    // Out of everything.
    put(Level::User, "ann", None, None).await.unwrap();
    assert_eq!(named(&owner(1).await), (None, None));
    // Nowhere, and where it does not belong.
    for (level, id, org, team) in [
        (Level::User, "ann", None, Some("green")),
        (Level::User, "ann", Some("p"), Some("blue")),
        (Level::Team, "red", None, Some("blue")),
        (Level::Org, "o", Some("p"), None),
    ] {
        let org = org.map(|org: &'static str| OrgId(org.into()));
        assert!(put(level, id, org, team.map(Into::into)).await.is_err(), "{level:?} {id}");
    }
    let by = By::Key(id(2));
    let denied = directory.place_party(&by, party(Level::User, "ann"), None, None).await;
    assert_eq!(denied, Err(NotDone::Denied));
}

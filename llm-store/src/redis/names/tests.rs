use llm_core::Str;
use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names::new("gw:").unwrap()
}

/// What a cluster hashes: between the first brace and the first closing one after it.
fn slot_of(key: &str) -> String {
    let inside = key.split_once('{').unwrap().1.split_once('}').unwrap().0;
    assert!(!inside.is_empty(), "an empty tag is no tag");
    inside.to_owned()
}

#[test]
fn a_prefix_must_not_decide_slots() {
    assert!(Names::new("a{b").is_none() && Names::new("}").is_none());
    assert!(Names::new(&"p".repeat(PREFIX_MAX + 1)).is_none());
    assert!(Names::new("").is_some());
}

#[test]
fn names_as_people_read_them() {
    let owner = AccountId::new(Owner::Key, "k-1");
    assert_eq!(names().counter(&owner), "gw:c:{k3:k-10:}:");
    let tenant = TenantId::from("acme");
    assert_eq!(names().of_tags(&tenant) + "model:x", "gw:i:{4:acme}:t:model:x");
}

proptest! {
    /// Other owners, other keys, whatever they are called; and one slot for each owner.
    #[test]
    fn owners_do_not_meet(
        a in ("[}{:0-9ab]{0,6}", "[}:@0-9]{0,3}"), b in ("[}{:0-9ab]{0,6}", "[}:@0-9]{0,3}"),
        after in "[}:a]{0,3}",
    ) {
        let owner = |(name, rule): &(String, String)| AccountId {
            rule: Str::from(rule.clone()),
            ..AccountId::new(Owner::Team, name.clone())
        };
        let (x, y) = (names().counter(&owner(&a)), names().counter(&owner(&b)));
        prop_assert_eq!(x == y, a == b);
        prop_assert_eq!(slot_of(&(x.clone() + &after)), slot_of(&x));
        prop_assert!(!names().slots(&owner(&a)).starts_with("gw:c"));
    }

    /// A recording of one tenant or scope is never another's.
    #[test]
    fn tenants_do_not_meet(
        a in ("[}{:0-9ab]{0,6}", "[}:0-9]{0,3}"), b in ("[}{:0-9ab]{0,6}", "[}:0-9]{0,3}"), q: [bool; 2],
    ) {
        let key = |(tenant, scope): &(String, String), q: bool| {
            let (tenant, scope) = (TenantId(Str::from(tenant.clone())), Str::from(scope.clone()));
            CacheKey { tenant, scope, question: [u8::from(q); 32] }
        };
        let (x, y) = (key(&a, q[0]), key(&b, q[1]));
        let place = |key: &CacheKey| names().recordings(&key.tenant) + &member(key);
        prop_assert_eq!(place(&x) == place(&y), x == y);
        prop_assert_eq!(slot_of(&place(&x)), slot_of(&names().of_scope(&x.tenant, &x.scope)));
        let all = [names().of_tenant(&x.tenant), names().of_scope(&x.tenant, &x.scope)];
        prop_assert!(!all.contains(&(names().of_tags(&y.tenant) + &y.scope)));
        prop_assert!(!all.contains(&names().doomed(&y.tenant)));
    }
}

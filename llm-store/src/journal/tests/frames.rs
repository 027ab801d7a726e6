//! Lines as bytes: they return as they were, and damage is seen.

use proptest::prelude::*;

use super::*;

fn accounts() -> impl Strategy<Value = Vec<AccountId>> {
    let owners =
        [Owner::Key, Owner::User, Owner::Feature, Owner::Team, Owner::Tenant, Owner::Operator];
    let instant = (-1_000_000_000i64..100_000_000_000, 0..1_000_000_000i32)
        .prop_map(|(s, n)| jiff::Timestamp::new(s, n).unwrap());
    let window = (instant.clone(), instant).prop_map(|(start, end)| WindowId { start, end });
    let account = (0..6usize, ".{0,40}", ".{0,10}", proptest::option::of(window));
    let account = account.prop_map(move |(owner, name, rule, window)| AccountId {
        owner: owners[owner],
        name: name.into(),
        rule: rule.into(),
        window,
    });
    proptest::collection::vec(account, 0..6)
}

fn written() -> impl Strategy<Value = Written> {
    let hold = any::<u128>().prop_map(HoldId);
    let money = any::<i64>().prop_map(Money);
    let source = prop_oneof![
        Just(UsageSource::Reported),
        Just(UsageSource::Counted),
        Just(UsageSource::Estimated)
    ];
    prop_oneof![
        (hold.clone(), money.clone(), accounts()).prop_map(|(hold, amount, path)| Written::Open {
            hold,
            amount,
            path
        }),
        (hold.clone(), money.clone()).prop_map(|(hold, cost)| Written::Dispatch(hold, cost)),
        (hold.clone(), money.clone()).prop_map(|(hold, cost)| Written::Watermark(hold, cost)),
        (hold.clone(), money.clone(), money.clone(), source).prop_map(
            |(hold, tenant, operator, source)| {
                Written::Close(Settlement { hold, tenant, operator, source })
            }
        ),
        (
            hold,
            money.clone(),
            accounts(),
            proptest::option::of(money.clone()),
            proptest::option::of(money)
        )
            .prop_map(|(hold, amount, path, sent, watermark)| Written::Carried {
                hold,
                amount,
                path,
                sent,
                watermark
            }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(segment, offset)| Written::Folded(Position { segment, offset })),
    ]
}

fn line(written: &Written) -> Line<'_> {
    match written {
        Written::Open { hold, amount, path } => {
            Line::Open { hold: *hold, amount: amount.0, path: Path::Accounts(path) }
        }
        Written::Dispatch(hold, cost) => Line::Dispatch { hold: *hold, cost: cost.0 },
        Written::Watermark(hold, cost) => Line::Watermark { hold: *hold, cost: cost.0 },
        Written::Close(Settlement { hold, tenant, operator, source }) => {
            Line::Close { hold: *hold, tenant: tenant.0, operator: operator.0, source: *source }
        }
        Written::Carried { hold, amount, path, sent, watermark } => Line::Carry {
            hold: *hold,
            amount: amount.0,
            sent: sent.map(|c| c.0),
            watermark: watermark.map(|w| w.0),
            path: Path::Accounts(path),
        },
        Written::Folded(up_to) => Line::Folded { up_to: *up_to },
    }
}

proptest! {
    #[test]
    fn lines_return_as_they_were(
        written in written(), segment: u64, offset in 0u64..1 << 40, flip: u16, cut: u16,
    ) {
        let mut frame = Vec::new();
        let terms = frame::encode(&line(&written), &mut frame).unwrap();
        let place = vec![0; 3];
        frame::seal(&mut frame, segment, 3);
        let bytes = [place, frame.clone()].concat();
        let body = frame::body(&bytes, segment, 3).unwrap();
        let decoded = frame::decode(body).unwrap();
        prop_assert_eq!(frame::terms(&decoded), terms);
        prop_assert_eq!(read::<Money>(decoded).unwrap(), written);

        // Elsewhere, cut or with a bit turned it is no line.
        prop_assert!(frame::body(&bytes, segment.wrapping_add(1), 3).is_none());
        prop_assert!(offset == 3 || frame::body(&frame, segment, 0).is_none());
        let cut = usize::from(cut) % bytes.len();
        prop_assert!(frame::body(&bytes[..cut], segment, 3).is_none());
        let mut turned = bytes.clone();
        let bit = 24 + usize::from(flip) % (frame.len() * 8);
        turned[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(frame::body(&turned, segment, 3).is_none());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(line) = frame::decode(&bytes) {
            let _ = read::<Money>(line);
        }
        let _ = frame::body(&bytes, 1, 0);
        let _ = segment::is_torn(&bytes, 1, bytes.len().min(40));
    }
}

/// Three segments, one bit turned anywhere: an end that nobody can tell from a crash is cut off,
/// everything else is refused, and names the place.
#[test]
fn no_damage_goes_unseen() {
    let dir = folder();
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    let mut model = Model::default();
    for hold in 0..20 {
        let line = opened(hold, 7);
        model.lines.push((write(&journal, &line).unwrap(), line));
    }
    drop(journal);
    let newest = model.lines.last().unwrap().0;
    assert_eq!(newest.segment, 3);
    let last_line = model.lines[model.lines.len() - 2].0;
    for number in 1..=3 {
        let file = segment::file(dir.path(), number);
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut turned = whole.clone();
            turned[at] ^= 1 << (at % 8);
            fs::write(&file, &turned).unwrap();
            let is_end = number == 3 && at as u64 >= last_line.offset;
            match reopen(dir.path(), SMALL) {
                Ok((journal, replay)) => {
                    assert!(is_end, "{number} {at}");
                    assert_eq!(replay.torn_bytes, newest.offset - last_line.offset);
                    model.until(last_line).check(&journal, None);
                }
                Err(StoreError::Corrupt(words)) => {
                    assert!(!is_end, "{number} {at}");
                    assert!(words.contains(file.to_str().unwrap()), "{words}");
                }
                Err(other) => panic!("{other}"),
            }
            fs::write(&file, &whole).unwrap();
        }
    }
    for number in 1..=2 {
        let file = segment::file(dir.path(), number);
        let whole = fs::read(&file).unwrap();
        for len in 0..whole.len() {
            fs::write(&file, &whole[..len]).unwrap();
            let cut = reopen(dir.path(), SMALL);
            assert!(matches!(cut, Err(StoreError::Corrupt(_))), "{number} {len}");
        }
        fs::write(&file, &whole).unwrap();
    }
    fs::remove_file(segment::file(dir.path(), 2)).unwrap();
    assert!(matches!(reopen(dir.path(), SMALL), Err(StoreError::Corrupt(_))));
}

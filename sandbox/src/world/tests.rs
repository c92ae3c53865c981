//! Tests the world with tables; all times are constants.

use super::*;
use crate::bridge::{QR, RUNNING};
use crate::change::EventKind;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn new(customer_ref: Option<&str>) -> NewBridge {
    NewBridge {
        customer_ref: customer_ref.map(str::to_owned),
        status: QR.to_owned(),
        state: RUNNING.to_owned(),
        webhook_url: Some("http://127.0.0.1:9/hook".to_owned()),
        created_at: None,
        id: None,
    }
}

fn status(status: &str) -> Patch {
    Patch { status: Some(status.to_owned()), ..Patch::default() }
}

fn id(number: i64) -> BridgeId {
    BridgeId::new(number).unwrap()
}

#[test]
fn provisioning_is_idempotent_and_keeps_the_first_record() {
    let mut world = World::default();
    let first =
        world.provision(NewBridge::provisioned("a/é \"".into(), Some("http://x/1".into())), at(0)).unwrap();
    let first = first.clone();
    let revision = world.revision();
    let again =
        world.provision(NewBridge::provisioned("a/é \"".into(), Some("http://x/2".into())), at(9)).unwrap();
    assert_eq!(*again, first);
    assert_eq!((first.status.as_str(), first.state.as_str(), first.created_at), (QR, RUNNING, at(0)));
    assert_eq!(world.revision(), revision);
}

#[test]
fn ids_are_never_given_twice() {
    let mut world = World::default();
    for expected in 1..=3 {
        let given = world.provision(NewBridge::provisioned("a".into(), None), at(0)).unwrap().id;
        assert_eq!(given, id(expected));
        world.delete(given).unwrap();
        assert_eq!(world.delete(given), Err(Refusal::NoSuchBridge));
    }
    assert_eq!(world.clear(), 0);
    assert_eq!(world.provision(NewBridge::provisioned("b".into(), None), at(0)).unwrap().id, id(4));
}

#[test]
fn duplicates_and_bridges_without_a_ref_can_be_added() {
    let mut world = World::default();
    let chosen = NewBridge { id: Some(id(1)), ..new(Some("a")) };
    let added: Vec<i64> = world
        .add(vec![new(Some("a")), chosen, new(None)], at(0))
        .unwrap()
        .iter()
        .map(|bridge| bridge.id.get())
        .collect();
    assert_eq!(added, [2, 1, 3]);
    assert_eq!(world.by_ref("a").unwrap().id, id(1));
    assert_eq!(world.summary().refs, 1);
    world.delete(id(1)).unwrap();
    assert_eq!(world.by_ref("a").unwrap().id, id(2));
    world.delete(id(2)).unwrap();
    assert_eq!(world.by_ref("a"), Err(Refusal::NoSuchBridge));
    assert_eq!(world.summary().refs, 0);
}

#[test]
fn an_addition_is_all_or_nothing() {
    let mut world = World::default();
    let taken = || NewBridge { id: Some(id(5)), ..new(Some("b")) };
    assert!(world.add(vec![new(Some("a")), taken(), taken()], at(0)).is_err());
    assert_eq!(world.bridges().len(), 0);
    world.add(vec![taken()], at(0)).unwrap();
    assert!(world.add(vec![new(Some("a")), taken()], at(0)).is_err());
    assert_eq!(world.bridges().len(), 1);
}

#[test]
fn only_a_change_to_connected_or_disconnected_is_an_event() {
    let mut world = World::default();
    world.add(vec![new(Some("a"))], at(0)).unwrap();
    let connected = Some(EventKind::Connected { phone: "15550000001".to_owned() });
    let cases = [
        (QR, None),
        ("connected", connected.clone()),
        ("connected", None),
        ("disconnected", Some(EventKind::Disconnected)),
        ("weird", None),
        ("connected", connected),
    ];
    for (to, expected) in cases {
        let (_, event) = world.patch(id(1), status(to)).unwrap();
        assert_eq!(event.map(|event| event.kind), expected, "to {to}");
    }
}

#[test]
fn a_bridge_without_a_webhook_causes_no_event() {
    let mut world = World::default();
    world.add(vec![NewBridge { webhook_url: None, ..new(Some("a")) }], at(0)).unwrap();
    assert_eq!(world.patch(id(1), status("connected")).unwrap().1, None);
}

#[test]
fn a_session_is_paired_once_and_again_after_logout() {
    let mut world = World::default();
    world.add(vec![new(Some("a"))], at(0)).unwrap();
    assert!(world.qr_text("a").is_ok());
    let code = world.pair("a", "491700000000").unwrap();
    assert!(
        code.len() == 9
            && code.bytes().enumerate().all(|(i, c)| (i == 4 && c == b'-') || c.is_ascii_uppercase())
    );
    assert_eq!(world.logout("a"), Ok(None));
    let (bridge, _) = world.patch(id(1), status("connected")).unwrap();
    assert_eq!(bridge.session_phone(), "491700000000");
    assert_eq!(world.qr_text("a"), Err(Refusal::AlreadyPaired));
    assert_eq!(world.pair("a", "1"), Err(Refusal::AlreadyPaired));
    assert_eq!(world.logout("a").unwrap().unwrap().kind, EventKind::Disconnected);
    assert_eq!(world.by_ref("a").unwrap().status, "disconnected");
    assert!(world.qr_text("a").is_ok());
    assert_eq!(world.logout("b"), Err(Refusal::NoSuchBridge));
}

#[test]
fn patching_a_ref_moves_the_index() {
    let mut world = World::default();
    world.add(vec![new(Some("a"))], at(0)).unwrap();
    let to = |customer_ref: Option<&str>| Patch {
        customer_ref: Some(customer_ref.map(str::to_owned)),
        ..Patch::default()
    };
    world.patch(id(1), to(Some("b"))).unwrap();
    assert_eq!(world.by_ref("a"), Err(Refusal::NoSuchBridge));
    assert_eq!(world.by_ref("b").unwrap().id, id(1));
    world.patch(id(1), to(None)).unwrap();
    assert_eq!(world.by_ref("b"), Err(Refusal::NoSuchBridge));
    assert_eq!(world.bridge(id(1)).unwrap().customer_ref, None);
    assert!(world.patch(id(2), Patch::default()).is_err());
}

#[test]
fn a_world_survives_its_snapshot() {
    let mut world = World::default();
    world.add(vec![new(Some("a")), new(Some("a")), new(None)], at(0)).unwrap();
    world.pair("a", "15550001234").unwrap();
    world.delete(id(3)).unwrap();
    let text = serde_json::to_string(&world.snapshot()).unwrap();
    let restored = World::restore(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(restored.snapshot(), world.snapshot());
    assert_eq!(restored.by_ref("a").unwrap().id, id(1));
    let mut restored = restored;
    assert_eq!(restored.provision(NewBridge::provisioned("n".into(), None), at(0)).unwrap().id, id(4));
}

#[test]
fn a_damaged_snapshot_is_refused_or_mended() {
    let mut world = World::default();
    world.add(vec![new(Some("a"))], at(0)).unwrap();
    let mut twice = world.snapshot();
    twice.bridges.extend(world.snapshot().bridges);
    assert!(World::restore(twice).is_err());
    let behind = Snapshot { next_id: Some(BridgeId::FIRST), ..world.snapshot() };
    let mut mended = World::restore(behind).unwrap();
    assert_eq!(mended.provision(NewBridge::provisioned("b".into(), None), at(0)).unwrap().id, id(2));
}

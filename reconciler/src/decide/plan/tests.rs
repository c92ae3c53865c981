//! Table tests of the plan: input in; steps, findings and refusals out.

use wabridges::Class;

use super::*;
use crate::config::Fleet;
use crate::model::{Binding, BindingChange, Declared, Exception, RecentCall, Refusal};

/// Has no `max_deletes`, so the default 0 applies.
const TOMBSTONE_ONLY: &str = TOMBSTONE;
const TOMBSTONE: &str = "bridges: { remove: [ { customer_ref: c, bridge_id: 7, reason: left } ] }\n";

fn fleet(more: &str) -> Fleet {
    Fleet::parse(&format!("version: 1\n{more}"), std::path::Path::new("fleet.yaml")).unwrap()
}

fn row(kind: Kind, customer_ref: &str, bridge_id: i64) -> Drift {
    Drift {
        kind,
        severity: "warning".into(),
        tenant_id: Some(customer_ref.into()),
        bridge_id: BridgeId::new(bridge_id),
        customer_ref: (!customer_ref.is_empty()).then(|| customer_ref.to_owned()),
        stored: None,
        observed: (kind != Kind::Missing).then(|| "paired".into()),
        since: None,
        detail: format!("is {kind}"),
        monthly_cost: Decimal::from(if kind.wastes() { 3 } else { 0 }),
        webhook_url: Some(format!("https://x/{customer_ref}")),
    }
}

/// A renamed tenant: its row holds bridge 8, and bridge 8 carries another customer_ref.
fn renamed(customer_ref: &str) -> Drift {
    let missing = row(Kind::Missing, customer_ref, 0);
    Drift { stored: Some("8".into()), observed: Some("old_name".into()), ..missing }
}

fn input(drift: Vec<Drift>) -> PlanInput {
    PlanInput::of(drift)
}

fn planned(input: &PlanInput, yaml: &str) -> Plan {
    let fleet = fleet(yaml);
    planned_in(input, &fleet, &Scope::default())
}

fn planned_in(input: &PlanInput, fleet: &Fleet, scope: &Scope) -> Plan {
    let limits = fleet.limits();
    plan(input, &PlanOptions { policy: &fleet.policy, tombstones: &fleet.remove, limits: &limits, scope })
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {}", step.kind(), step.customer_ref())).collect()
}

fn counts<'a>(counts: &'a BTreeMap<Cow<'static, str>, usize>) -> Vec<(&'a str, usize)> {
    counts.iter().map(|(kind, count)| (&**kind, *count)).collect()
}

fn guards(plan: &Plan) -> Vec<&str> {
    plan.refusals.iter().map(|refusal| &*refusal.guard).collect()
}

#[test]
fn every_kind_of_drift_becomes_a_step_or_a_finding() {
    for kind in Kind::ALL {
        let plan = planned(&input(vec![row(kind, "c", 7)]), "");
        let expected = match kind {
            Kind::Missing => Some("provision c"),
            Kind::Unbound => Some("link c"),
            Kind::StatusDrift => Some("set_status c"),
            Kind::StaleBinding => Some("unlink c"),
            _ => None,
        };
        assert_eq!(steps(&plan).first().map(String::as_str), expected, "{kind}");
        assert_eq!(plan.findings.len(), usize::from(expected.is_none()), "{kind}");
        assert!(plan.findings.iter().all(|finding| finding.kind == kind.as_str()));
    }
}

#[test]
fn no_drift_no_plan() {
    let plan = planned(&input(vec![]), "");
    assert!(!plan.has_changes() && plan.refusals.is_empty() && plan.findings.is_empty());
    assert_eq!(plan.monthly_cost.before, plan.monthly_cost.after);
    assert_eq!(plan.duration, Duration::ZERO);
}

#[test]
fn steps_are_sorted_by_kind_then_customer_ref_and_carry_their_values() {
    let drift = vec![
        row(Kind::Missing, "b", 0),
        row(Kind::StatusDrift, "z", 3),
        row(Kind::Missing, "a", 0),
        row(Kind::Unbound, "z", 3),
    ];
    let plan = planned(&input(drift), "");
    assert_eq!(steps(&plan), ["link z", "set_status z", "provision a", "provision b"]);
    assert_eq!(plan.steps[0].bridge_id(), BridgeId::new(3));
    let Step::Provision { webhook_url, owner, reason, .. } = &plan.steps[2] else { panic!() };
    assert_eq!(webhook_url.as_deref(), Some("https://x/a"));
    assert_eq!((*owner, reason.as_str()), (Owner::Tenant, "is missing"));
    assert_eq!(
        counts(&plan.summary.steps),
        [("delete", 0), ("link", 1), ("provision", 2), ("set_status", 1), ("unlink", 0)]
    );
}

#[test]
fn an_incomplete_listing_makes_no_bridge() {
    let mut input = input(vec![row(Kind::Missing, "a", 0), row(Kind::Unbound, "b", 1)]);
    input.malformed = 1;
    let plan = planned(&input, "");
    assert_eq!(steps(&plan), ["link b"]);
    assert_eq!(counts(&plan.summary.findings), [("missing", 1)]);
    assert_eq!(plan.findings[0].detail, "not provisioned: the listing is incomplete; is missing");
}

#[test]
fn a_bridge_is_deleted_by_its_id_even_if_no_call_can_carry_its_ref() {
    let yaml = "bridges: { remove: [ { customer_ref: '..', bridge_id: 7, reason: left } ] }\n";
    let plan = planned(&input(vec![row(Kind::Orphaned, "..", 7)]), yaml);
    assert_eq!(steps(&plan), ["delete .."]);
}

#[test]
fn an_extra_has_no_tenant_row() {
    let mut drift = row(Kind::Missing, "ops", 0);
    drift.tenant_id = None;
    let plan = planned(&input(vec![drift]), "");
    assert!(matches!(plan.steps[..], [Step::Provision { owner: Owner::Extra, .. }]));
}

#[test]
fn a_ref_that_no_call_can_carry_is_a_finding_and_stops_nothing() {
    let plan = planned(
        &input(vec![row(Kind::Missing, "..", 0), row(Kind::Missing, "", 0), row(Kind::Missing, "a", 0)]),
        "",
    );
    assert_eq!(steps(&plan), ["provision a"]);
    assert_eq!(counts(&plan.summary.findings), [("unusable_ref", 2)]);
}

#[test]
fn a_tombstone_deletes_only_unneeded_bridges() {
    for kind in Kind::ALL {
        let plan = planned(&input(vec![row(kind, "c", 7)]), TOMBSTONE);
        let unneeded = matches!(kind, Kind::Orphaned | Kind::Churned | Kind::Duplicate);
        assert_eq!(plan.count("delete"), usize::from(unneeded), "{kind}");
        let refused = plan.findings.iter().any(|finding| finding.kind == "tombstone");
        assert_eq!(refused, !unneeded, "{kind}");
    }
}

#[test]
fn a_deleted_bridge_is_no_finding_and_gets_no_other_step() {
    let drift = vec![row(Kind::Churned, "c", 7), row(Kind::Unbound, "c", 7), row(Kind::State, "c", 7)];
    let plan = planned(&input(drift), TOMBSTONE);
    assert_eq!(steps(&plan), ["delete c"]);
    assert!(plan.findings.is_empty());
}

#[test]
fn both_ids_of_a_tombstone_must_match() {
    for (live_ref, said) in [(Some("d"), "carries customer_ref d, not c"), (None, "carries no customer_ref")]
    {
        let mut input = input(vec![row(Kind::Orphaned, live_ref.unwrap_or(""), 7)]);
        input.live = [(BridgeId::new(7).unwrap(), live_ref.map(str::to_owned))].into();
        let plan = planned(&input, TOMBSTONE);
        assert!(plan.steps.is_empty());
        let why = plan.findings.iter().find(|finding| finding.kind == "tombstone").unwrap();
        assert!(why.detail.contains(said), "{}", why.detail);
        assert!(plan.findings.iter().any(|finding| finding.kind == "orphaned"));
    }
}

#[test]
fn a_bridge_in_use_is_not_deleted() {
    let mut input = input(vec![row(Kind::Orphaned, "c", 7)]);
    input.uses = [(BridgeId::new(7).unwrap(), "the row of the tenant d holds it".to_owned())].into();
    let plan = planned(&input, TOMBSTONE);
    assert!(plan.steps.is_empty());
    let why = plan.findings.iter().find(|finding| finding.kind == "tombstone").unwrap();
    assert_eq!(why.detail, "not deleted: the row of the tenant d holds it");
}

#[test]
fn a_tombstone_of_a_bridge_that_is_gone_is_a_note() {
    let plan = planned(&input(vec![]), TOMBSTONE);
    assert!(!plan.has_changes() && plan.findings.is_empty());
    assert!(plan.notes[0].contains("bridge 7 (c) is already gone"), "{:?}", plan.notes);
    // Many are one note.
    let entry = |n: u32| format!("{{ customer_ref: c{n}, bridge_id: {n}, reason: x }}");
    let entries: Vec<_> = (1..=12).map(entry).collect();
    let plan = planned(&input(vec![]), &format!("bridges: {{ remove: [ {} ] }}", entries.join(", ")));
    let [note] = &plan.notes[..] else { panic!("{:?}", plan.notes) };
    for part in ["12 bridges are already gone", "bridge 1 (c1), bridge 2 (c2)", "bridge 10 (c10) and 2 more"]
    {
        assert!(note.contains(part), "{part}: {note}");
    }
}

#[test]
fn an_empty_list_needs_more_than_a_lower_bound() {
    let hint = |listed| {
        let plan = planned(&PlanInput { listed, ..input(vec![]) }, "policy: { min_observed: 21 }");
        plan.refusals.into_iter().map(|refusal| refusal.hint).collect::<String>()
    };
    assert!(hint(0).contains("--first-run") && hint(0).contains("--accept-shrink"), "{}", hint(0));
    assert!(hint(20).contains("min_observed: 20") && !hint(20).contains("--first-run"), "{}", hint(20));
}

#[test]
fn guards_refuse_beyond_their_bound_and_not_at_it() {
    let missing = |n: usize| (0..n).map(|i| row(Kind::Missing, &format!("m{i}"), 0)).collect::<Vec<_>>();
    let two = || input(missing(2));
    let orphan = || input(vec![row(Kind::Orphaned, "c", 7)]);
    for (input, yaml, expected) in [
        (two(), "policy: { max_creates: 2 }".to_owned(), vec![]),
        (two(), "policy: { max_creates: 1 }".to_owned(), vec!["max_creates"]),
        (two(), "policy: { max_creates: 10% }".to_owned(), vec![]),
        (two(), "policy: { max_creates: 9% }".to_owned(), vec!["max_creates"]),
        (input(missing(10)), String::new(), vec![]),
        (input(missing(11)), String::new(), vec!["max_creates"]),
        (orphan(), TOMBSTONE.to_owned(), vec!["max_deletes"]),
        (orphan(), format!("{TOMBSTONE}policy: {{ max_deletes: 1 }}"), vec![]),
        (input(vec![]), "policy: { min_observed: 20 }".to_owned(), vec![]),
        (input(vec![]), "policy: { min_observed: 21 }".to_owned(), vec!["min_observed"]),
        (two(), "policy: { max_monthly_cost: 66.00 }".to_owned(), vec![]),
        (two(), "policy: { max_monthly_cost: 65.99 }".to_owned(), vec!["max_monthly_cost"]),
        (input(vec![]), "policy: { max_monthly_cost: 1 }".to_owned(), vec![]),
        (
            input(vec![renamed("a"), renamed("b")]),
            "policy: { renamed_tenants: 1 }".to_owned(),
            vec!["renamed_tenants"],
        ),
        (input(vec![renamed("a"), renamed("b")]), "policy: { renamed_tenants: 2 }".to_owned(), vec![]),
        (
            two(),
            "policy: { max_creates: 0, max_monthly_cost: 0 }".to_owned(),
            vec!["max_creates", "max_monthly_cost"],
        ),
    ] {
        let plan = planned(&input, &yaml);
        assert_eq!(guards(&plan), expected, "{yaml}");
    }
}

#[test]
fn a_refusal_has_the_numbers_and_a_hint() {
    let plan = planned(&input(vec![row(Kind::Missing, "a", 0)]), "policy: { max_creates: 1% }");
    let refusal = &plan.refusals[0];
    assert!(refusal.message.contains("1% of 20 bridges, which is 0"), "{}", refusal.message);
    assert!(refusal.hint.contains("policy.max_creates: 1"), "{}", refusal.hint);
}

#[test]
fn another_tenants_table_is_refused() {
    let binding = |table: &str| Binding {
        table: table.into(),
        tenant_id: "id".into(),
        bridge_id: "bridge_id".into(),
        bridge_status: "bridge_status".into(),
        wanted: "true".into(),
        phone: None,
        webhook_url: None,
        customer_refs: None,
        disconnected_after: None,
        awaiting_scan_after: None,
    };
    let mut input = input(vec![]);
    input.binding = Some(BindingChange {
        moves_table: true,
        ..BindingChange::new(Some(binding("public.a")), binding("public.b"))
    });
    let plan = planned(&input, "");
    assert_eq!(guards(&plan), ["tenants_table"]);
    assert!(plan.has_changes());
    assert!(binding("a").reads_like(&binding("public.a")));
}

#[test]
fn money_and_time_follow_the_steps() {
    let mut drift: Vec<Drift> = (0..25).map(|i| row(Kind::Missing, &format!("m{i:02}"), 0)).collect();
    drift.push(row(Kind::Orphaned, "c", 7));
    let plan = planned(&input(drift), TOMBSTONE);
    assert_eq!(plan.monthly_cost.before, Decimal::from(60));
    assert_eq!(plan.monthly_cost.after, Decimal::from(132));
    assert_eq!(plan.monthly_cost.change, Decimal::from(72));
    assert_eq!(plan.duration, Duration::from_secs(120));
}

#[test]
fn the_time_is_that_of_the_last_call() {
    let limits = Limits::default();
    for (creates, deletes, seconds) in
        [(0, 0, 0), (10, 0, 0), (11, 0, 60), (1000, 0, 99 * 60), (0, 59, 0), (0, 60, 60), (11, 60, 120)]
    {
        let pace = Pace { limits: &limits, recent: &[] };
        assert_eq!(pace.duration(creates, deletes).as_secs(), seconds, "{creates} {deletes}");
    }
}

#[test]
fn calls_of_earlier_runs_count() {
    let call = |class, ago| RecentCall { class, ago: Duration::from_secs(ago) };
    for (recent, creates, deletes, seconds) in [
        (vec![call(Class::Provision, 20); 10], 1, 0, 40),
        (vec![call(Class::Provision, 20); 9], 1, 0, 0),
        (vec![call(Class::Provision, 60); 10], 1, 0, 0),
        (vec![call(Class::Other, 10); 118], 0, 1, 50),
    ] {
        let pace = Pace { limits: &Limits::default(), recent: &recent };
        assert_eq!(pace.duration(creates, deletes).as_secs(), seconds, "{recent:?}");
    }
}

#[test]
fn the_sha256_covers_what_is_done_and_not_how_it_is_worded() {
    let sha256 = |input: &PlanInput, yaml: &str| planned(input, yaml).plan_sha256;
    let missing = |webhook_url: &str, detail: &str| {
        let mut drift = row(Kind::Missing, "a", 0);
        drift.webhook_url = Some(webhook_url.into());
        drift.detail = detail.into();
        input(vec![drift])
    };
    let one = sha256(&missing("https://x/1", "d"), "");
    assert_eq!(one.len(), 64);
    assert_eq!(one, sha256(&missing("https://x/1", "otherwise worded"), ""));
    assert_eq!(one, sha256(&missing("https://x/1", "d"), "policy: { max_creates: 7 }"));
    let keep = Exception { customer_ref: "a".into(), kind: "keep".into(), until: None, webhook_url: None };
    let other = [
        keep.clone(),
        Exception { customer_ref: "b".into(), ..keep.clone() },
        Exception { kind: "extra".into(), ..keep.clone() },
        Exception { until: Some("2027-01-01".into()), ..keep.clone() },
        Exception { webhook_url: Some("https://x/... 0123456789ab".into()), ..keep },
    ];
    let declared = other.map(|exception| {
        let written = Declared { written: vec![exception.clone()], removed: vec![] };
        let removed = Declared { written: vec![], removed: vec![exception] };
        [written, removed].map(|declared| sha256(&PlanInput { declared, ..input(vec![]) }, ""))
    });
    let all: Vec<String> = [
        one,
        sha256(&missing("https://x/2", "d"), ""),
        sha256(&input(vec![]), ""),
        sha256(&input(vec![row(Kind::Unbound, "a", 1)]), ""),
        sha256(&input(vec![row(Kind::Unbound, "a", 2)]), ""),
    ]
    .into_iter()
    .chain(declared.into_iter().flatten())
    .collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}

#[test]
fn drift_out_of_scope_is_left_out_and_counted() {
    let drift = vec![
        row(Kind::Missing, "eu-1", 0),
        row(Kind::Missing, "us-1", 0),
        row(Kind::Orphaned, "us-2", 9),
        row(Kind::Orphaned, "c", 7),
    ];
    let scope = |target: &str, exclude: &str| {
        let list = |text: &str| (!text.is_empty()).then(|| text.to_owned()).into_iter().collect::<Vec<_>>();
        Scope::new(&list(target), &list(exclude))
    };
    for (scope, expected, findings, note) in [
        (scope("", ""), vec!["provision eu-1", "provision us-1", "delete c"], 1, None),
        (scope("eu-*", ""), vec!["provision eu-1"], 0, Some("--target eu-*: 3 rows")),
        (scope("", "c"), vec!["provision eu-1", "provision us-1"], 1, Some("--exclude c: 1 rows")),
    ] {
        let plan = planned_in(&input(drift.clone()), &fleet(TOMBSTONE), &scope);
        assert_eq!(steps(&plan), expected, "{scope:?}");
        assert_eq!(plan.findings.len(), findings, "{scope:?}");
        assert_eq!(plan.notes.len(), usize::from(note.is_some()));
        assert!(note.is_none_or(|note| plan.notes[0].starts_with(note)), "{:?}", plan.notes);
    }
}

#[test]
fn every_guard_refuses_with_its_numbers_and_a_hint() {
    let mut reached = BTreeSet::new();
    let mut moved = input(vec![]);
    let binding = |table: &str| Binding {
        table: table.into(),
        tenant_id: "id".into(),
        bridge_id: "bridge_id".into(),
        bridge_status: "bridge_status".into(),
        wanted: "true".into(),
        phone: None,
        webhook_url: None,
        customer_refs: None,
        disconnected_after: None,
        awaiting_scan_after: None,
    };
    moved.binding =
        Some(BindingChange { moves_table: true, ..BindingChange::new(Some(binding("a")), binding("b")) });
    let missing = input((0..11).map(|n| row(Kind::Missing, &format!("m{n}"), 0)).collect());
    for (input, yaml, numbers) in [
        (moved, "", ["a", "b"]),
        (input(vec![]), "policy: { min_observed: 21 }", ["20", "21"]),
        (
            input(vec![renamed("new_name")]),
            "",
            ["new_name holds bridge 8 of old_name", "renamed_tenants is 0"],
        ),
        (missing.clone(), "policy: { max_creates: 10 }", ["11", "10"]),
        (missing.clone(), "policy: { max_creates: 50% }", ["11", "10"]),
        (input(vec![row(Kind::Orphaned, "c", 7)]), TOMBSTONE_ONLY, ["1", "0"]),
        (missing, "policy: { max_creates: 50, max_monthly_cost: 92.99 }", ["93.00", "92.99"]),
    ] {
        let plan = planned(&input, yaml);
        assert_eq!(plan.refusals.len(), 1, "{yaml}: {:?}", plan.refusals);
        let Refusal { guard, message, hint } = &plan.refusals[0];
        assert!(numbers.iter().all(|number| message.contains(number)), "{message}");
        assert!(!hint.is_empty());
        reached.insert(guard.to_string());
    }
    assert_eq!(reached, guard::ALL.map(str::to_owned).into(), "a guard without a case here");
}

#[test]
fn every_kind_of_step_is_planned() {
    let drift =
        [Kind::Missing, Kind::Unbound, Kind::StatusDrift, Kind::StaleBinding].map(|kind| row(kind, "a", 1));
    let input = input(drift.into_iter().chain([row(Kind::Orphaned, "c", 7)]).collect());
    let plan = planned(&input, TOMBSTONE);
    assert_eq!(plan.steps.iter().map(Step::kind).collect::<Vec<_>>(), Step::KINDS);
    assert!(
        plan.steps
            .iter()
            .all(|step| !step.essence().is_about_the_same(&plan.steps[0]) || step == &plan.steps[0])
    );
}

//! The folded details of a plan, a run and the drift: their columns and groups.

use rust_decimal::Decimal;
use wabridges::BridgeId;

use crate::ground::{a_month, count};
use crate::model::{Diff, Drift, Kind, Length, Outcome, Plan, Report, Step};
use crate::render::markdown::code::{block, code};
use crate::render::markdown::fit::{Fold, Item};
use crate::render::words::Paint;
use crate::render::{rows, text};

/// The details of a plan.
pub fn plan(plan: &Plan, diff: Diff) -> Vec<Fold> {
    let mut folds: Vec<Fold> = ["delete", "provision", "unlink", "link", "set_status"]
        .into_iter()
        .filter(|kind| plan.count(kind) > 0)
        .map(|kind| steps(plan, kind))
        .collect();
    if !plan.findings.is_empty() {
        folds.push(findings(plan));
    }
    if let Some(change) = &plan.binding {
        let rows: Vec<Item<'_>> = text::bound(change)
            .into_iter()
            .map(|(name, before, after)| Item {
                cells: vec![
                    name.to_owned(),
                    before.as_deref().map_or_else(|| "—".to_owned(), code),
                    code(&after),
                ],
                id: name,
                reason: "changes".to_owned(),
            })
            .collect();
        folds.push(Fold::of("bind the tenants table".to_owned(), &["setting", "before", "after"], &rows));
    }
    if !plan.notes.is_empty() {
        let notes: String = plan.notes.iter().map(|note| format!("- {}\n", code(note))).collect();
        folds.push(Fold::whole(count(plan.notes.len(), "note"), notes));
    }
    let rows = rows::diff(plan, Paint::Plain, Length::Full);
    if diff == Diff::Shown && !rows.is_empty() {
        folds.push(Fold::whole("diff of the tenant rows".to_owned(), block("diff", &rows)));
    }
    folds
}

fn steps(plan: &Plan, kind: &str) -> Fold {
    let items: Vec<Item<'_>> = plan.steps.iter().filter(|step| step.kind() == kind).map(step).collect();
    let columns: &[&str] = match kind {
        "set_status" => &["tenant", "status"],
        "provision" | "unlink" => &["tenant", "reason"],
        _ => &["tenant", "bridge", "reason"],
    };
    Fold::of(text::title(kind, items.len()), columns, &items)
}

fn step(step: &Step) -> Item<'_> {
    let id = step.customer_ref().as_str();
    let (cells, reason) = match step {
        Step::Provision { reason, .. } | Step::Unlink { reason, .. } => {
            (vec![code(id), code(reason)], code(reason))
        }
        Step::Link { bridge_id, reason, .. } | Step::Delete { bridge_id, reason, .. } => {
            (vec![code(id), bridge_id.to_string(), code(reason)], code(reason))
        }
        Step::SetStatus { was, status, .. } => {
            let was = was.as_deref().map_or_else(|| "null".to_owned(), code);
            let change = format!("{was} → {}", code(status));
            (vec![code(id), change.clone()], change)
        }
    };
    Item { cells, id, reason }
}

fn findings(plan: &Plan) -> Fold {
    let items: Vec<Item<'_>> = plan
        .findings
        .iter()
        .map(|finding| Item {
            cells: vec![
                finding.kind.to_string(),
                finding.severity.clone(),
                finding.customer_ref.as_deref().map_or_else(|| "—".to_owned(), code),
                bridge(finding.bridge_id),
                code(&finding.detail),
                wasted(finding.monthly_cost),
            ],
            id: finding.customer_ref.as_deref().unwrap_or_default(),
            reason: format!("{} ({})", finding.kind, finding.severity),
        })
        .collect();
    let title = format!("{} that apply does not repair", count(items.len(), "finding"));
    Fold::of(title, &["kind", "severity", "tenant", "bridge", "detail", "wasted"], &items)
}

fn wasted(cost: Decimal) -> String {
    if cost > Decimal::ZERO { a_month(cost) } else { "—".to_owned() }
}

fn bridge(id: Option<BridgeId>) -> String {
    id.map_or_else(|| "—".to_owned(), |id| id.to_string())
}

/// The steps that failed.
pub fn failures(report: &Report) -> Option<Fold> {
    let items: Vec<Item<'_>> = report
        .steps
        .iter()
        .filter(|step| step.outcome != Outcome::Done)
        .map(|step| Item {
            cells: vec![
                step.outcome.as_str().to_owned(),
                step.kind.to_string(),
                code(step.customer_ref.as_str()),
                bridge(step.bridge_id),
                code(&step.detail),
            ],
            id: step.customer_ref.as_str(),
            reason: format!("{} {}", step.kind, step.outcome.as_str()),
        })
        .collect();
    let columns = ["outcome", "step", "tenant", "bridge", "detail"];
    let title = format!("{} not done", count(items.len(), "step"));
    (!items.is_empty()).then(|| Fold::of(title, &columns, &items))
}

/// The drift, one fold per kind.
pub fn drift(drift: &[Drift]) -> Vec<Fold> {
    let fold = |kind: Kind| {
        let items: Vec<Item<'_>> = drift.iter().filter(|row| row.kind == kind).map(difference).collect();
        let title = format!("{} {kind}", items.len());
        (!items.is_empty())
            .then(|| Fold::of(title, &["tenant", "bridge", "detail", "since", "wasted"], &items))
    };
    Kind::of(drift).into_iter().filter_map(fold).collect()
}

fn difference(row: &Drift) -> Item<'_> {
    Item {
        cells: vec![
            row.customer_ref.as_deref().map_or_else(|| "—".to_owned(), code),
            bridge(row.bridge_id),
            code(&row.detail),
            row.since.map_or_else(|| "—".to_owned(), |since| since.format("%Y-%m-%d %H:%M").to_string()),
            wasted(row.monthly_cost),
        ],
        id: row.customer_ref.as_deref().unwrap_or_default(),
        reason: code(&row.detail),
    }
}

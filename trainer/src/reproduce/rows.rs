//! Results for programs: a line per run, a row per epoch, and the verdicts.

use serde_json::{Value, json};

use super::{
    plan::{Kind, Plan},
    write::Section,
};
use crate::{
    error::Result,
    folder::RunFolder,
    report::{Fit, csv, load},
};

/// `results.jsonl`: a line per task, each once, with the experiments that it is part of.
///
/// # Errors
/// Those of reading the folders.
pub(super) fn results(plan: &Plan, failed: &[(String, String)]) -> Result<String> {
    let mut out = String::new();
    for (place, task) in plan.tasks.iter().enumerate() {
        let experiments: Vec<&str> = plan
            .parts
            .iter()
            .filter(|part| part.tasks.contains(&place))
            .map(|part| part.experiment.map_or("sweep", super::Experiment::name))
            .collect();
        let failure = failed.iter().find(|(name, _)| *name == task.name).map(|(_, why)| why);
        let mut line = json!({
            "schema": "rfx.reproduce.result/1", "name": task.name, "experiments": experiments,
            "state": match (failure, task.is_done(), task.is_begun()) {
                (Some(_), _, _) => "failed",
                (None, true, _) => "done",
                (None, false, true) => "begun",
                (None, false, false) => "waiting",
            },
            "failure": failure,
        });
        let Some(fields) = line.as_object_mut() else { continue };
        match &task.kind {
            Kind::Train(config) => {
                fields.insert("config".into(), serde_json::to_value(config).unwrap_or(Value::Null));
                if task.is_begun() {
                    let run = load(std::slice::from_ref(&task.folder))?;
                    if let Some(run) = run.first() {
                        let fitted = match run.fit() {
                            Fit::After(epochs) => Some(epochs),
                            _ => None,
                        };
                        fields.insert("fit".into(), json!(run.fit().name()));
                        fields.insert("epochs_to_fit".into(), json!(fitted));
                        fields.insert("epochs".into(), json!(run.epochs()));
                        fields.insert("last".into(), serde_json::to_value(run.last()).unwrap_or(Value::Null));
                        fields.insert("best".into(), serde_json::to_value(run.best()).unwrap_or(Value::Null));
                        let seconds: f64 = run.metrics.iter().map(|m| m.seconds).sum();
                        fields.insert("seconds".into(), json!(seconds));
                    }
                    let manifest = RunFolder::at(&task.folder).read_manifest()?;
                    fields.insert("content".into(), json!(manifest.data.content));
                    fields.insert("label_digest".into(), json!(manifest.labels.digest));
                    fields.insert("labels_changed".into(), json!(manifest.labels.realised_changed));
                    fields.insert("parameters".into(), json!(manifest.parameters));
                }
            }
            Kind::Solve(arguments) => {
                fields.insert("arguments".into(), json!(arguments));
                let text = std::fs::read_to_string(task.folder.join("result.json")).ok();
                let result: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
                fields.insert("result".into(), result.unwrap_or(Value::Null));
            }
        }
        out.push_str(&line.to_string());
        out.push('\n');
    }
    Ok(out)
}

/// `points.csv`: a row per run and epoch.
///
/// # Errors
/// Those of reading the folders.
pub(super) fn points(plan: &Plan) -> Result<String> {
    let begun: Vec<_> = plan
        .tasks
        .iter()
        .filter(|task| matches!(task.kind, Kind::Train(_)) && task.is_begun())
        .map(|task| task.folder.clone())
        .collect();
    Ok(if begun.is_empty() { String::new() } else { csv::results(&load(&begun)?) })
}

/// `verdicts.json`.
pub(super) fn verdicts(sections: &[Section]) -> String {
    let claims: Vec<Value> = sections
        .iter()
        .flat_map(|section| {
            section.claims.iter().map(|claim| {
                let why = match &claim.verdict {
                    super::rules::Verdict::NotComparable(why) => Some(why),
                    _ => None,
                };
                json!({
                    "experiment": section.name, "claim": claim.text, "verdict": claim.verdict.name(),
                    "reason": why, "found": claim.found,
                })
            })
        })
        .collect();
    format!("{:#}\n", json!({ "schema": "rfx.reproduce.verdicts/1", "claims": claims }))
}

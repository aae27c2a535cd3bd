//! A grid of runs, as a TOML file describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    config::{ConfigError, Options, RunConfig},
    model::ModelName,
};

/// How much of an experiment is run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Minutes on two cores: fewer images, small networks
    Quick,
    /// About an hour on two cores
    Medium,
    /// As the paper: all images, its networks, three seeds
    Full,
}

impl Scale {
    /// The name as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Quick => "quick",
            Scale::Medium => "medium",
            Scale::Full => "full",
        }
    }
}

/// A grid: cases, each a run for every network, seed, and value of its lists.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What it is, for headings.
    pub title: String,
    base: Layer,
    scale: BTreeMap<Scale, Layer>,
}

/// The file: a title, a layer, and layers over it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    title: String,
    #[serde(default)]
    scale: BTreeMap<Scale, Layer>,
    // As in `Layer`: serde cannot refuse unknown keys beside a flattened struct.
    #[serde(default)]
    note: String,
    models: Option<Vec<ModelName>>,
    seeds: Option<u32>,
    #[serde(default)]
    run: Table,
    #[serde(default)]
    model: BTreeMap<String, Table>,
    case: Option<Vec<Table>>,
    #[serde(default)]
    also: Vec<Table>,
}

/// What the whole grid, or one scale of it, says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Layer {
    /// What was scaled down.
    #[serde(default)]
    note: String,
    /// Networks of all cases that name none; of those that do, the ones that are run.
    models: Option<Vec<ModelName>>,
    /// Seeds 1 to this.
    seeds: Option<u32>,
    /// Options of all runs.
    #[serde(default)]
    run: Table,
    /// Options of all runs of a network.
    #[serde(default)]
    model: BTreeMap<String, Table>,
    /// The cases; those of a scale stand in place of the grid's.
    case: Option<Vec<Table>>,
    /// Cases beside those, whatever networks are asked for by `models`.
    #[serde(default)]
    also: Vec<Table>,
}

/// A grid that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// Not TOML, or not a grid; the message has line and column.
    #[error("{origin}: {message}")]
    Parse {
        /// The file.
        origin: String,
        /// What the parser said.
        message: String,
    },
    /// A part of a grid that cannot be used.
    #[error("{origin}: {at}: {reason}")]
    Part {
        /// The file.
        origin: String,
        /// Which part.
        at: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// Options that make no run.
    #[error("{origin}: case {case}: {source}")]
    Options {
        /// The file.
        origin: String,
        /// Its number, from 1.
        case: usize,
        /// What is wrong.
        source: ConfigError,
    },
}

/// What is asked for beside the grid.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The scale; a grid without scales has none.
    pub scale: Option<Scale>,
    /// Networks in place of the grid's.
    pub models: Option<Vec<ModelName>>,
    /// Seeds 1 to this, in place of the grid's.
    pub seeds: Option<u32>,
    /// Options over all that the grid says, and those that it cannot know: data, device, threads.
    pub over: Options,
}

impl Grid {
    /// Reads a grid; `origin` names it in errors.
    ///
    /// # Errors
    /// [`GridError::Parse`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Grid, GridError> {
        let file: File = toml::from_str(text).map_err(|e: toml::de::Error| GridError::Parse {
            origin: origin.into(),
            message: e.to_string().trim_end().into(),
        })?;
        let File { title, scale, note, models, seeds, run, model, case, also } = file;
        Ok(Grid { title, base: Layer { note, models, seeds, run, model, case, also }, scale })
    }

    /// Its scales; none of a grid that has but one form.
    pub fn scales(&self) -> impl Iterator<Item = Scale> {
        self.scale.keys().copied()
    }

    /// What was scaled down, in words.
    pub fn scaled_down(&self, scale: Option<Scale>) -> &str {
        scale.and_then(|scale| self.scale.get(&scale)).map_or(&self.base.note, |layer| &layer.note)
    }

    /// All runs, the first seed of every case before the second of any.
    ///
    /// # Errors
    /// [`GridError::Part`], [`GridError::Options`].
    pub fn runs(&self, wanted: &Wanted, origin: &str) -> Result<Vec<RunConfig>, GridError> {
        let part =
            |at: &str, reason: String| GridError::Part { origin: origin.into(), at: at.into(), reason };
        let empty = Layer::default();
        let scaled = match wanted.scale {
            None if self.scale.is_empty() => &empty,
            None => {
                let names: Vec<_> = self.scales().map(Scale::name).collect();
                return Err(part("scale", format!("choose one of {}", names.join(", "))));
            }
            Some(scale) => match self.scale.get(&scale) {
                Some(layer) => layer,
                None => return Err(part("scale", format!("there is no scale {}", scale.name()))),
            },
        };
        let layers = [&self.base, scaled];
        let models = wanted.models.clone().or(scaled.models.clone()).or(self.base.models.clone());
        let models = models.unwrap_or_else(|| vec![ModelName::Mlp1x512]);
        let seeds = wanted.seeds.or(scaled.seeds).or(self.base.seeds).unwrap_or(1);
        if seeds == 0 {
            return Err(part("seeds", "0: expected 1 or more".into()));
        }
        let cases = scaled.case.as_ref().or(self.base.case.as_ref()).map_or(&[][..], Vec::as_slice);
        // Extra cases are of networks of their own, and go when others are asked for by name.
        let also: Vec<&Table> = layers.iter().flat_map(|layer| &layer.also).collect();
        let also = if wanted.models.is_some() { Vec::new() } else { also };
        if cases.is_empty() && also.is_empty() {
            return Err(part("case", "none: expected at least one [[case]]".into()));
        }
        let mut runs = Vec::new();
        for seed in 1..=u64::from(seeds) {
            for (number, (case, filtered)) in cases
                .iter()
                .map(|case| (case, true))
                .chain(also.iter().map(|case| (*case, false)))
                .enumerate()
            {
                let failed = |source| GridError::Options { origin: origin.into(), case: number + 1, source };
                for own in product(case).map_err(|reason| part(&format!("case {}", number + 1), reason))? {
                    let own = options(&own).map_err(failed)?;
                    let of_case = match own.model {
                        Some(model) if filtered && !models.contains(&model) => continue,
                        Some(model) => vec![model],
                        None => models.clone(),
                    };
                    for model in of_case {
                        let mut chosen = wanted.over.clone().over(own.clone());
                        for layer in layers.iter().rev() {
                            if let Some(table) = layer.model.get(&model.to_string()) {
                                chosen = chosen.over(options(table).map_err(failed)?);
                            }
                        }
                        for layer in layers.iter().rev() {
                            chosen = chosen.over(options(&layer.run).map_err(failed)?);
                        }
                        let last = Options { model: Some(model), seed: Some(seed), ..Options::default() };
                        let config = chosen.over(last).resolve().map_err(failed)?;
                        if !runs.contains(&config) {
                            runs.push(config);
                        }
                    }
                }
            }
        }
        if runs.is_empty() {
            let names: Vec<_> = models.iter().map(ToString::to_string).collect();
            return Err(part("models", format!("no case is of {}", names.join(", "))));
        }
        Ok(runs)
    }
}

/// Every combination of the values of the lists in `case`; the last list varies fastest.
fn product(case: &Table) -> Result<Vec<Table>, String> {
    let mut all = vec![Table::new()];
    for (key, value) in case {
        let values = match value {
            Value::Array(values) if values.is_empty() => return Err(format!("{key}: an empty list")),
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        all = all
            .into_iter()
            .flat_map(|table| {
                values.iter().map(move |value| {
                    let mut table = table.clone();
                    table.insert(key.clone(), value.clone());
                    table
                })
            })
            .collect();
    }
    Ok(all)
}

fn options(table: &Table) -> Result<Options, ConfigError> {
    Options::from_toml(&table.to_string(), "options")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Experiment;

    fn wanted(scale: Option<Scale>) -> Wanted {
        let over = Options { data: Some("d".into()), threads: Some(1), ..Options::default() };
        Wanted { scale, over, ..Wanted::default() }
    }

    #[test]
    fn every_shipped_grid_makes_runs_at_every_scale() {
        let count = |experiment: Experiment, scale| {
            let grid = experiment.grid().unwrap().unwrap();
            grid.runs(&wanted(Some(scale)), "x").unwrap().len()
        };
        use Experiment::*;
        for (experiment, quick, medium, full) in [
            (Fig1a, 7, 5, 15),
            (Fig1b, 11, 11, 99),
            (Table1, 3, 6, 57),
            (Table2, 8, 8, 24),
            (Table4, 1, 2, 18),
            (Fig2b, 2, 2, 6),
            (Rademacher, 3, 6, 12),
        ] {
            let counts = [Scale::Quick, Scale::Medium, Scale::Full].map(|scale| count(experiment, scale));
            assert_eq!(counts, [quick, medium, full], "{experiment:?}");
        }
    }

    #[test]
    fn table_2_has_the_papers_rows_where_there_is_an_imagenet() {
        let grid = crate::reproduce::table2_of_imagenet().unwrap();
        for scale in [Scale::Quick, Scale::Medium, Scale::Full] {
            let runs = grid.runs(&wanted(Some(scale)), "x").unwrap();
            assert_eq!(runs.len(), 8 + 3);
            assert!(runs.iter().all(|run| run.model == ModelName::InceptionV3 && run.lr == 0.045));
            let decayed = runs.iter().filter(|run| run.weight_decay == 4e-5).count();
            assert_eq!(decayed, 4 + 2);
        }
    }

    #[test]
    fn grids_beyond_the_paper_make_runs() {
        for (text, runs) in [
            (include_str!("../../grids/redraw.toml"), 5),
            (include_str!("../../grids/interpolation.toml"), 13),
            (include_str!("../../grids/architectures.toml"), 15),
        ] {
            let grid = Grid::from_toml(text, "g.toml").unwrap();
            assert_eq!(grid.runs(&wanted(None), "g.toml").unwrap().len(), runs, "{}", grid.title);
        }
    }

    #[test]
    fn lists_are_multiplied_and_the_nearest_word_counts() {
        let text = "
            title = 'mine'
            models = ['mlp-1x512', 'alexnet']
            seeds = 2
            run = { lr = 0.5, batch = 64 }
            model.alexnet = { lr = 0.25 }
            [[case]]
            corruption = ['true-labels', 'random-labels']
            [[case]]
            model = 'alexnet'
            lr = 0.125
            weight-decay = ['default', 0]
        ";
        let grid = Grid::from_toml(text, "mine.toml").unwrap();
        let runs = grid.runs(&wanted(None), "mine.toml").unwrap();
        assert_eq!(runs.len(), 2 * (2 * 2 + 2));
        let rates = |model| {
            let of = runs.iter().filter(|run| run.model == model && run.seed == 1);
            of.map(|run| run.lr).collect::<Vec<_>>()
        };
        assert_eq!(rates(ModelName::Mlp1x512), [0.5, 0.5]);
        assert_eq!(rates(ModelName::AlexNet), [0.25, 0.25, 0.125, 0.125]);
        assert!(runs[..6].iter().all(|run| run.seed == 1 && run.batch == 64));
        // Networks and options asked for on the command line.
        let one = Wanted { models: Some(vec![ModelName::Mlp1x512]), seeds: Some(1), ..wanted(None) };
        assert_eq!(grid.runs(&one, "mine.toml").unwrap().len(), 2);
        let over = Options { lr: Some(1.0), ..one.over.clone() };
        let runs = grid.runs(&Wanted { over, ..one }, "mine.toml").unwrap();
        assert!(runs.iter().all(|run| run.lr == 1.0));
    }

    #[test]
    fn what_makes_no_grid_is_refused_with_its_place() {
        let refused = |text: &str, wanted: &Wanted| match Grid::from_toml(text, "g.toml") {
            Err(error) => error.to_string(),
            Ok(grid) => grid.runs(wanted, "g.toml").unwrap_err().to_string(),
        };
        let plain = wanted(None);
        for (text, expected) in [
            ("title = 1", "line 1"),
            ("title = 't'\ncases = 1", "unknown field `cases`"),
            ("title = 't'", "case: none"),
            ("title = 't'\n[[case]]\nlr = []", "case 1: lr: an empty list"),
            ("title = 't'\n[[case]]\nlr = ['fast']", "case 1"),
            ("title = 't'\n[[case]]\nmomentun = 0.9", "did you mean `momentum`"),
            ("title = 't'\n[[case]]\nlr = -1.0", "lr=-1: expected a number above 0"),
            ("title = 't'\nseeds = 0\n[[case]]", "seeds: 0"),
            ("title = 't'\nmodels = ['mlp']\n[[case]]", "model `mlp` is unknown"),
            ("title = 't'\n[[case]]\nmodel = 'alexnet'", "no case is of mlp-1x512"),
            ("title = 't'\n[[case]]\n[scale.quick]", "choose one of quick"),
        ] {
            let message = refused(text, &plain);
            assert!(message.contains("g.toml") && message.contains(expected), "{text}: {message}");
        }
        let message = refused("title = 't'\n[[case]]", &wanted(Some(Scale::Full)));
        assert!(message.contains("no scale full"), "{message}");
    }
}

//! A corrupted copy of a data set: what a [`Recipe`] makes of each sample, once, to be packed.
//!
//! Images are as they are after geometry and input corruption, labels as they are after label corruption; the labels before
//! it are the column `clean_label`. Corruption is drawn as ever, with the original's ids, tables and moments, so the copy,
//! read as it is, gives the batches that the original gives under the corruption. The copy's own moments are those of the
//! images in it: noise that is drawn on top of it, and scaling by channel, use those.

use std::sync::{Mutex, PoisonError};

use super::{Source, SourceFile, SourceSplit, error::SourceError};
use crate::{
    Dataset, Dtype, Error, ImageShape, Layout, LoaderSpec, Normalise, OrderKind, Recipe, Result, Subset,
    dataset::{Class, Parameter},
    recipe::Scratch,
};

/// The column of labels before corruption.
const CLEAN_LABEL: &str = "clean_label";

/// The column of the original's ids, where they are not what the copy's will be.
const ORIGINAL_ID: &str = "original_id";

/// A data set as a recipe makes it in one epoch.
pub struct Materialised {
    dataset: Dataset,
    epoch: u32,
    splits: Vec<SourceSplit>,
    recipes: Vec<Recipe>,
    files: Vec<SourceFile>,
    parameters: Vec<Parameter>,
    columns: Vec<String>,
    /// Of every image: geometry is the same for all splits.
    shape: ImageShape,
    /// What threads work in, when they need it; of each split, whose corruption decides what that is.
    scratch: Vec<Mutex<Vec<Scratch>>>,
}

impl std::fmt::Debug for Materialised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Materialised").field("dataset", &self.dataset).finish_non_exhaustive()
    }
}

impl Materialised {
    /// `dataset` as `spec` makes it in `epoch` under `seed`. Of the spec its corruption and geometry count, for every split;
    /// values stay bytes in the data set's layout.
    ///
    /// # Errors
    /// As [`Recipe::new`], for each split; [`SourceError::NotFound`] for a data set that is such a copy itself, as labels
    /// before its corruption would then be unknown.
    pub fn open(dataset: &Dataset, spec: &LoaderSpec, seed: u64, epoch: u32) -> Result<Materialised> {
        let index = dataset.index();
        if dataset.column_names().any(|name| [CLEAN_LABEL, ORIGINAL_ID].contains(&name)) {
            return Err(Error::Source(SourceError::NotFound {
                path: dataset.path().to_path_buf(),
                expected: "an original data set".into(),
                found: "a materialised copy".into(),
                hint: "materialise its original with the whole corruption".into(),
            }));
        }
        let spec_of = |split: &str| LoaderSpec {
            split: split.into(),
            normalise: Normalise::None,
            dtype: Dtype::U8,
            layout: dataset.layout(),
            batch: 1,
            drop_last: false,
            order: OrderKind::Sequential,
            subset: Subset::All,
            label_column: None,
            ..spec.clone()
        };
        let recipe = |split: &str| Recipe::new(dataset, &spec_of(split), seed);
        let recipes = dataset.split_names().map(recipe).collect::<Result<Vec<_>>>()?;
        // A data set has at least one split.
        let shape = recipes.first().map_or_else(|| dataset.shape(), |r| Ok(r.sample_shape()))?;
        let mut columns = vec![CLEAN_LABEL.to_owned()];
        columns.extend(dataset.column_names().map(str::to_owned));
        // A pack numbers its samples from 0, split after split: so did the original's, unless it was written by another writer.
        if !recipes.iter().flat_map(|r| r.split().ids()).zip(0..).all(|(&id, expected)| id == expected) {
            columns.push(ORIGINAL_ID.into());
        }
        let split = |s: &crate::dataset::IndexSplit| SourceSplit { name: s.name.clone(), samples: s.samples };
        let file = |f: &crate::dataset::IndexSourceFile| SourceFile {
            name: f.name.clone(),
            bytes: f.bytes,
            digest: f.blake3,
        };
        Ok(Materialised {
            epoch,
            splits: index.splits.iter().map(split).collect(),
            files: index.source.files.iter().map(file).collect(),
            parameters: provenance(dataset, &recipes, epoch),
            scratch: recipes.iter().map(|_| Mutex::default()).collect(),
            recipes,
            columns,
            shape,
            dataset: dataset.clone(),
        })
    }

    fn recipe(&self, split: usize, index: usize) -> Result<&Recipe, SourceError> {
        let there = self.splits.get(split).is_some_and(|s| index < s.samples);
        let missing = || SourceError::NoSample { kind: self.kind().into(), split, index };
        self.recipes.get(split).filter(|_| there).ok_or_else(missing)
    }
}

/// What a copy must say of where it is from: all that is needed to make it again from the original.
fn provenance(dataset: &Dataset, recipes: &[Recipe], epoch: u32) -> Vec<Parameter> {
    let index = dataset.index();
    let mut parameters = vec![
        Parameter::new("original", index.content),
        Parameter::new("original-kind", &index.source.kind),
        Parameter::new("epoch", epoch),
    ];
    if let Some(first) = recipes.first() {
        let spec = serde_json::to_string(first.spec()).expect("a spec has text keys and finite numbers");
        parameters.extend([
            Parameter::new("corruption", &first.spec().corruption),
            Parameter::new("seed", first.seed()),
            Parameter::new("corruption-seed", first.corruption_seed()),
            Parameter::new("spec", spec),
        ]);
    }
    for recipe in recipes {
        let name = format!("spec-digest/{}", recipe.spec().split);
        parameters.push(Parameter::new(name, recipe.digest()));
    }
    parameters
}

impl Source for Materialised {
    fn kind(&self) -> &str {
        "materialised"
    }

    fn generator(&self) -> &str {
        &self.dataset.index().source.generator
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn layout(&self) -> Layout {
        self.dataset.layout()
    }

    fn classes(&self) -> &[Class] {
        &self.dataset.index().classes
    }

    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }

    fn files(&self) -> &[SourceFile] {
        &self.files
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(self.recipe(split, index)?.label(index, self.epoch).new)
    }

    fn column(&self, column: usize, split: usize, index: usize) -> Result<i64, SourceError> {
        let recipe = self.recipe(split, index)?;
        let row = recipe.label(index, self.epoch);
        match self.columns.get(column).map(String::as_str) {
            Some(CLEAN_LABEL) => Ok(row.old),
            Some(ORIGINAL_ID) => Ok(row.id),
            Some(name) => Ok(recipe.split().column(name).map_err(Error::from)?[index]),
            None => Err(SourceError::NoSample { kind: self.kind().into(), split, index }),
        }
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let recipe = self.recipe(split, index)?;
        // `recipe` found one of this split, and there are as many of these.
        let pool = || self.scratch[split].lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pool().pop();
        let mut scratch = kept.unwrap_or_else(|| recipe.scratch());
        let made = recipe.image(index, self.epoch, &mut scratch, out);
        pool().push(scratch);
        Ok(made?)
    }

    fn unchanged(&self) -> Result<(), SourceError> {
        Ok(self.recipes.iter().try_for_each(Recipe::intact)?)
    }
}

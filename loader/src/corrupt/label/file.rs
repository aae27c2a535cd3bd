//! Labels from a file: which column they are in, whose they are, and whether the file is about these samples at all.

use std::collections::HashMap;

use super::{
    super::{SpecError, named_file::NamedFile, options::shortened},
    Samples,
    columns::Columns,
};
use crate::{digest::Hasher, rng::Threshold};

/// Columns that number samples, and that hold clean labels.
const ID: &str = "id";
const CLEAN: [&str; 2] = ["clean_label", "old"];
/// Columns that hold no labels one could want.
const OTHER: [&str; 1] = ["rule"];
/// Columns that are meant where none is named.
const USUAL: [&str; 2] = ["label", "new"];

/// A label for every sample of a split.
pub(super) struct FileLabels {
    pub amount: Threshold,
    /// In id order.
    pub labels: Vec<u32>,
}

impl FileLabels {
    /// Reads the labels, and says what is to be known about the file.
    ///
    /// # Errors
    /// [`SpecError::File`] where the file has no such column, does not have each sample of the split once, has a label
    /// that is no class, or has clean labels that are not the data set's.
    pub fn read(
        path: &str,
        column: Option<&str>,
        amount: Threshold,
        samples: &Samples<'_>,
    ) -> Result<(Self, Vec<String>), SpecError> {
        // Six columns of 64-bit integers and some text; or a generous line of CSV.
        let file = NamedFile::read(path, samples.ids.len() as u64 * 512 + (1 << 20))?;
        let columns = Columns::read(&file)?;
        let name = choose(&file, &columns, column)?;
        let rows = rows(&file, &columns, samples)?;
        let find = |values: &[i64], what: &str| -> Result<Vec<u32>, SpecError> {
            let classes = samples.classes.len();
            rows.iter()
                .map(|&row| {
                    u32::try_from(values[row]).ok().filter(|&v| (v as usize) < classes).ok_or_else(|| {
                        let place = format!("{what}[{row}]");
                        let expected = format!("a class, 0 to {}", classes - 1);
                        file.error(place, expected, values[row].to_string(), "is it the right column?")
                    })
                })
                .collect()
        };
        let labels = find(columns.get(name).unwrap_or_default(), name)?;
        let mut notes = vec![format!("labels are column `{name}` of {path} (BLAKE3 {})", file.digest())];
        // A column is checked against clean labels of its own kind: coarse classes are others than fine ones.
        let clean = CLEAN.into_iter().find(|&c| c != name && columns.get(c).is_some());
        match clean.filter(|_| !name.contains("coarse")) {
            Some(clean) => {
                let theirs = find(columns.get(clean).unwrap_or_default(), clean)?;
                compare(&file, clean, &theirs, samples)?;
                notes.push(format!("its `{clean}` was compared: all {} are the data set's", theirs.len()));
            }
            None => notes.push(
                "it has no clean labels to compare, so that its order is that of this split's ids is taken on trust"
                    .into(),
            ),
        }
        Ok((FileLabels { amount, labels }, notes))
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        hasher.u32(3).u64(self.amount.raw()).u64(self.labels.len() as u64);
        for &label in &self.labels {
            hasher.u32(label);
        }
    }
}

/// The column with the labels: the one named, or a usual one, or the only one there is.
fn choose<'a>(file: &NamedFile, columns: &'a Columns, asked: Option<&'a str>) -> Result<&'a str, SpecError> {
    let shown = || columns.names.iter().map(|n| shortened(n)).take(20).collect::<Vec<_>>().join(", ");
    if let Some(asked) = asked {
        return match columns.get(asked) {
            Some(_) => Ok(asked),
            None => Err(file.error("columns", format!("`{asked}`"), shown(), "name one of these as column=")),
        };
    }
    if let Some(usual) = USUAL.into_iter().find(|name| columns.get(name).is_some()) {
        return Ok(usual);
    }
    let is_label = |name: &&String| {
        let name = name.as_str();
        name != ID && !CLEAN.contains(&name) && !OTHER.contains(&name)
    };
    let mut labels = columns.names.iter().filter(is_label);
    match (labels.next(), labels.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(file.error("columns", "one with labels", shown(), "name the one you mean as column=")),
    }
}

/// The file's row of each sample, in id order.
fn rows(file: &NamedFile, columns: &Columns, samples: &Samples<'_>) -> Result<Vec<usize>, SpecError> {
    let n = samples.ids.len();
    let help = "the file has to have every sample of the split once, and nothing else";
    if columns.rows() != n {
        let expected = format!("{n}, one for each sample of the split");
        return Err(file.error("number of labels", expected, columns.rows().to_string(), help));
    }
    let Some(ids) = columns.get(ID) else { return Ok((0..n).collect()) };
    let row_of: HashMap<i64, usize> = ids.iter().enumerate().map(|(row, &id)| (id, row)).collect();
    samples
        .ids
        .iter()
        .map(|id| {
            row_of.get(id).copied().ok_or_else(|| {
                file.error("column id", format!("every id of the split, {id} among them"), "none such", help)
            })
        })
        .collect()
}

/// Whether the file's clean labels are the data set's.
fn compare(file: &NamedFile, column: &str, theirs: &[u32], samples: &Samples<'_>) -> Result<(), SpecError> {
    let differs = |(rank, &theirs): (usize, &u32)| i64::from(theirs) != samples.labels[rank];
    let mut wrong = theirs.iter().enumerate().filter(|&pair| differs(pair));
    let Some((rank, &first)) = wrong.next() else { return Ok(()) };
    let id = samples.ids[rank];
    Err(file.error(
        format!("column {column}"),
        format!("the data set's clean labels (id {id} has {})", samples.labels[rank]),
        format!("{} that differ, first at id {id}: {first}", wrong.count() + 1),
        "the file is of other samples or in another order (TensorFlow's copies of CIFAR number images otherwise than \
         the original files); put it in the order of ids, or give it a column `id`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{corrupt::label::no_images, dataset::Class};

    fn read(text: &str, column: Option<&str>) -> Result<(Vec<u32>, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels, of \"mine\".csv");
        std::fs::write(&path, text).unwrap();
        let classes = ["a", "b", "c"].map(Class::named);
        let samples =
            Samples { ids: &[10, 11, 15], labels: &[0, 1, 2], classes: &classes, images: no_images() };
        let read = FileLabels::read(path.to_str().unwrap(), column, Threshold::ALWAYS, &samples);
        read.map(|(file, notes)| (file.labels, notes)).map_err(|e| e.to_string())
    }

    #[test]
    fn labels_are_found_by_order_or_by_id_in_the_column_that_is_meant() {
        for (text, column) in [
            ("2\n0\n1\n", None),
            ("id,label\n15,1\n10,2\n11,0\n", None),
            ("15,1\n11,0\n10,2\n", None),
            ("id,old,new,rule\n10,0,2,1\n11,1,0,1\n15,2,1,1\n", None),
            ("worse_label,aggre_label\n0,2\n0,0\n0,1\n", Some("aggre_label")),
            ("clean_label,noisy\n0,2\n1,0\n2,1\n", None),
        ] {
            assert_eq!(read(text, column).unwrap().0, [2, 0, 1], "{text}");
        }
        let checked = |text| read(text, None).unwrap().1.join("\n").contains("all 3 are the data set's");
        assert!(checked("clean_label,noisy\n0,2\n1,0\n2,1\n") && !checked("2\n0\n1\n"));
    }

    #[test]
    fn a_file_of_other_samples_is_refused() {
        for (text, column, parts) in [
            ("1\n2\n", None, &["expected 3, one for each sample of the split, found 2"][..]),
            ("id,label\n10,0\n11,0\n12,0\n", None, &["every id of the split, 15 among them"]),
            ("id,label\n10,0\n11,0\n11,0\n", None, &["15 among them"]),
            ("1\n2\n3\n", None, &["label[2]: expected a class, 0 to 2, found 3"]),
            ("1\n2\n-1\n", None, &["found -1"]),
            ("a,b\n1,1\n1,1\n1,1\n", None, &["one with labels, found a, b", "column="]),
            ("a,b\n1,1\n1,1\n1,1\n", Some("c"), &["expected `c`, found a, b"]),
            (
                "clean_label,noisy\n0,0\n2,0\n1,0\n",
                None,
                &["id 11 has 1", "2 that differ, first at id 11: 2", "TensorFlow"],
            ),
        ] {
            let error = read(text, column).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}

//! What each class is mistaken for: maps of well-known sets, found by the names of their classes, and the next class
//! of the superclass. Never by number alone, so that a set whose classes are in another order is refused and not
//! quietly mixed up.

use std::collections::HashMap;

use super::super::SpecError;
use crate::dataset::Class;

/// CIFAR-10's classes, and who becomes whom: truck automobile, bird airplane, deer horse, cat dog, dog cat.
const CIFAR10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const CIFAR10_FLIPS: [(u32, u32); 5] = [(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)];

/// MNIST's.
const MNIST: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const MNIST_FLIPS: [(u32, u32); 5] = [(7, 1), (2, 7), (5, 6), (6, 5), (3, 8)];

/// The target of each class, or none.
///
/// # Errors
/// [`SpecError::Contradiction`] for a set that has neither superclasses nor the classes of CIFAR-10 or MNIST.
pub(super) fn targets(classes: &[Class]) -> Result<Vec<Option<u32>>, SpecError> {
    let named = |names: &[&str]| {
        classes.len() == names.len() && classes.iter().zip(names).all(|(class, name)| class.name == *name)
    };
    let by_number = |flips: &[(u32, u32)]| {
        let target = |y| flips.iter().find(|(from, _)| *from == y).map(|(_, to)| *to);
        (0..classes.len() as u32).map(target).collect()
    };
    if classes.iter().all(|c| c.superclass.is_some()) {
        return Ok(next_in_superclass(classes));
    }
    if named(&CIFAR10) {
        return Ok(by_number(&CIFAR10_FLIPS));
    }
    if named(&MNIST) {
        return Ok(by_number(&MNIST_FLIPS));
    }
    let some: Vec<&str> = classes.iter().take(3).map(|c| c.name.as_str()).collect();
    Err(SpecError::Contradiction {
        reason: format!(
            "asymmetric noise is defined for the classes of CIFAR-10 and MNIST and for sets whose classes all have a \
             superclass, and this set has {} classes, {}, ...",
            classes.len(),
            some.join(", ")
        ),
        help: "write the flips you mean as a matrix: labels=matrix:file=T.csv".into(),
    })
}

/// The next class, in the order of classes, of the same superclass, and the first one for the last. A superclass of
/// one class has no next one.
fn next_in_superclass(classes: &[Class]) -> Vec<Option<u32>> {
    let mut members: HashMap<&str, Vec<u32>> = HashMap::new();
    for (class, number) in classes.iter().zip(0..) {
        members.entry(class.superclass.as_deref().unwrap_or_default()).or_default().push(number);
    }
    let mut target = vec![None; classes.len()];
    for group in members.values().filter(|g| g.len() > 1) {
        for (i, &class) in group.iter().enumerate() {
            target[class as usize] = Some(group[(i + 1) % group.len()]);
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> Vec<Class> {
        names.iter().map(|name| Class::named(*name)).collect()
    }

    #[test]
    fn the_maps_are_those_of_the_literature_and_go_by_name() {
        let flips = |names: &[&str]| -> Vec<String> {
            let target = targets(&classes(names)).unwrap();
            let text =
                |(y, t): (usize, &Option<u32>)| t.map(|t| format!("{}>{}", names[y], names[t as usize]));
            target.iter().enumerate().filter_map(text).collect()
        };
        assert_eq!(
            flips(&CIFAR10),
            ["bird>airplane", "cat>dog", "deer>horse", "dog>cat", "truck>automobile"]
        );
        assert_eq!(flips(&MNIST), ["2>7", "3>8", "5>6", "6>5", "7>1"]);
        let mut other = CIFAR10;
        other.swap(3, 5); // the same classes in another order
        assert!(targets(&classes(&other)).is_err());
        assert!(targets(&classes(&["a", "b"])).unwrap_err().to_string().contains("2 classes, a, b, ..."));
    }

    #[test]
    fn superclasses_are_walked_in_the_order_of_classes_and_cyclically() {
        let mut set = classes(&["apple", "bear", "pear", "wolf", "plum", "sun"]);
        for (class, superclass) in set.iter_mut().zip(["fruit", "beast", "fruit", "beast", "fruit", "star"]) {
            class.superclass = Some(superclass.into());
        }
        assert_eq!(targets(&set).unwrap(), [Some(2), Some(3), Some(4), Some(1), Some(0), None]);
        set[5].superclass = None; // half a taxonomy is none
        assert!(targets(&set).is_err());
    }

    /// The coarse label of each class of CIFAR-100, as in its files.
    #[rustfmt::skip]
    const COARSE: [u8; 100] = [
        4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1,
        10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12,
        12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0,
        17, 8, 14, 13,
    ];

    #[test]
    fn cifar100_has_twenty_circles_of_five_that_are_no_neighbours() {
        let class = |(i, coarse): (usize, &u8)| Class {
            superclass: Some(coarse.to_string()),
            ..Class::named(i.to_string())
        };
        let set: Vec<Class> = COARSE.iter().enumerate().map(class).collect();
        let target: Vec<usize> = targets(&set).unwrap().iter().map(|t| t.unwrap() as usize).collect();
        // Apple, mushroom, orange, pear, sweet pepper; beaver, dolphin, otter, seal, whale.
        for circle in [[0, 51, 53, 57, 83], [4, 30, 55, 72, 95]] {
            assert!((0..5).all(|i| target[circle[i]] == circle[(i + 1) % 5]));
        }
        for (y, coarse) in COARSE.iter().enumerate() {
            let walk: Vec<usize> = std::iter::successors(Some(y), |&y| Some(target[y])).take(6).collect();
            assert!(walk[5] == y && walk[1..5].iter().all(|&k| k != y && COARSE[k] == *coarse));
        }
    }
}

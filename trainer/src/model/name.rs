//! The networks that `rfx-train` can build, by name.

use std::{fmt, str::FromStr};

use rfx_loader::ImageShape;
use serde::{Deserialize, Serialize};

use super::{ResNet, inception_v3};

/// A network that `rfx-train` can build by name. Parameters are counted at 3x28x28 and 10 classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ModelName {
    /// One hidden layer of 512 (1,209,866 parameters).
    Mlp1x512,
    /// Three hidden layers of 512 (1,735,178).
    Mlp3x512,
    /// The small AlexNet (1,387,786).
    AlexNet,
    /// The small Inception with batch normalisation (1,649,402).
    Inception,
    /// The same without (1,649,402).
    InceptionNoBn,
    /// The small Inception at quarter width (104,534): not the paper's network.
    InceptionW4,
    /// That without batch normalisation (104,534): not the paper's network either.
    InceptionW4NoBn,
    /// Inception v3 without its auxiliary classifier (21,806,058), which the paper trains on ImageNet.
    InceptionV3,
    /// ResNet-18 (11,173,962).
    ResNet18,
    /// ResNet-50 (23,520,842).
    ResNet50,
    /// Wide ResNet 28-k (36,479,194 for k = 10).
    WideResNet28(WideningFactor),
}

/// How many times as wide as a ResNet a Wide ResNet is, 1 to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WideningFactor(u8);

impl WideningFactor {
    /// No widening.
    pub const ONE: WideningFactor = WideningFactor(1);
    /// The largest: 373 million parameters.
    const MAX: u8 = 32;

    /// The factor `k`, if it is one.
    pub fn new(k: u8) -> Option<WideningFactor> {
        (1..=Self::MAX).contains(&k).then_some(WideningFactor(k))
    }

    /// The factor.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl ModelName {
    /// Every network; of the Wide ResNets the narrowest.
    pub const ALL: [ModelName; 11] = [
        ModelName::Mlp1x512,
        ModelName::Mlp3x512,
        ModelName::AlexNet,
        ModelName::Inception,
        ModelName::InceptionNoBn,
        ModelName::InceptionW4,
        ModelName::InceptionW4NoBn,
        ModelName::InceptionV3,
        ModelName::ResNet18,
        ModelName::ResNet50,
        ModelName::WideResNet28(WideningFactor::ONE),
    ];

    /// The initial learning rate where none is given. For the networks of the paper, its appendix A: 0.1 for the
    /// Inceptions, 0.01 for AlexNet and MLPs. For the others, which it does not have: 0.1, as He et al. 2016 and Zagoruyko
    /// and Komodakis 2016, and as the Inceptions whose quarters `inception-w4` and
    /// `inception-w4-no-bn` are; for Inception v3, of whose settings the paper says that they are those of the TensorFlow
    /// package, 0.045, as there (by RMSProp).
    pub const fn default_lr(self) -> f64 {
        match self {
            ModelName::Mlp1x512 | ModelName::Mlp3x512 | ModelName::AlexNet => 0.01,
            ModelName::InceptionV3 => 0.045,
            _ => 0.1,
        }
    }

    /// What `--weight-decay default` means. The paper says "the default coefficient for each model" and gives none: 5e-4
    /// is our choice for its networks on CIFAR-10, Zagoruyko and Komodakis's for theirs; 1e-4 is He et al.'s; 4e-5 is the
    /// TensorFlow package's for Inception v3.
    pub const fn default_weight_decay(self) -> f64 {
        match self {
            ModelName::ResNet18 | ModelName::ResNet50 => 1e-4,
            ModelName::InceptionV3 => 4e-5,
            _ => 5e-4,
        }
    }

    /// The smallest side of an image, after the crop, that it can be built for.
    pub const fn least_side(self) -> usize {
        match self {
            ModelName::InceptionV3 => inception_v3::LEAST_SIDE,
            _ => 1,
        }
    }

    /// Whether it is one of the paper's networks for CIFAR-10, as it has them.
    pub const fn is_the_papers(self) -> bool {
        matches!(
            self,
            ModelName::Mlp1x512
                | ModelName::Mlp3x512
                | ModelName::AlexNet
                | ModelName::Inception
                | ModelName::InceptionNoBn
        )
    }

    /// Whether it is a quarter of one of the paper's networks, which must not be taken for it.
    pub const fn is_a_quarter(self) -> bool {
        matches!(self, ModelName::InceptionW4 | ModelName::InceptionW4NoBn)
    }

    /// How people write it in prose and tables.
    pub fn title(self) -> String {
        match self {
            ModelName::Mlp1x512 => "MLP 1x512".into(),
            ModelName::Mlp3x512 => "MLP 3x512".into(),
            ModelName::AlexNet => "AlexNet".into(),
            ModelName::Inception => "Inception".into(),
            ModelName::InceptionNoBn => "Inception w/o BatchNorm".into(),
            ModelName::InceptionW4 => "Inception w4 (not the paper's network)".into(),
            ModelName::InceptionW4NoBn => "Inception w4 w/o BatchNorm (not the paper's network)".into(),
            ModelName::InceptionV3 => "Inception v3".into(),
            ModelName::ResNet18 => "ResNet-18".into(),
            ModelName::ResNet50 => "ResNet-50".into(),
            ModelName::WideResNet28(k) => format!("WRN-28-{}", k.get()),
        }
    }

    /// [`ModelName::title`], and what is built for images of `shape` where that depends on them.
    pub fn describe(self, shape: ImageShape) -> String {
        match self {
            ModelName::ResNet18 | ModelName::ResNet50 if ResNet::has_small_stem(shape) => {
                format!("{}, stem for small images", self.title())
            }
            _ => self.title(),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ModelName::Mlp1x512 => "mlp-1x512",
            ModelName::Mlp3x512 => "mlp-3x512",
            ModelName::AlexNet => "alexnet",
            ModelName::Inception => "inception",
            ModelName::InceptionNoBn => "inception-no-bn",
            ModelName::InceptionW4 => "inception-w4",
            ModelName::InceptionW4NoBn => "inception-w4-no-bn",
            ModelName::InceptionV3 => "inception-v3",
            ModelName::ResNet18 => "resnet-18",
            ModelName::ResNet50 => "resnet-50",
            ModelName::WideResNet28(k) => return f.pad(&format!("wrn-28-{}", k.get())),
        })
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> String {
        name.to_string()
    }
}

/// A model name that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "model `{found}` is unknown: expected one of mlp-1x512, mlp-3x512, alexnet, inception, inception-no-bn, \
     inception-w4, inception-w4-no-bn, inception-v3, resnet-18, resnet-50, wrn-28-K (K from 1 to 32)"
)]
pub struct UnknownModel {
    /// What was found.
    pub found: String,
}

impl FromStr for ModelName {
    type Err = UnknownModel;
    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let unknown = || UnknownModel { found: text.into() };
        if let Some(factor) = text.strip_prefix("wrn-28-") {
            let k = factor.parse().ok().and_then(WideningFactor::new).ok_or_else(unknown)?;
            // `+7` and `07` would be other names of the same network.
            return Some(ModelName::WideResNet28(k))
                .filter(|name| name.to_string() == text)
                .ok_or_else(unknown);
        }
        Self::ALL.into_iter().find(|name| name.to_string() == text).ok_or_else(unknown)
    }
}

impl TryFrom<String> for ModelName {
    type Error = UnknownModel;
    fn try_from(text: String) -> Result<Self, UnknownModel> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_refused() {
        let wide = (1..=32).map(|k| ModelName::WideResNet28(WideningFactor::new(k).unwrap()));
        for name in ModelName::ALL.into_iter().chain(wide) {
            assert_eq!(name.to_string().parse(), Ok(name));
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<ModelName>(&json).unwrap(), name);
            let message = UnknownModel { found: "x".into() }.to_string();
            assert!(message.contains(&name.to_string()) || name.to_string().starts_with("wrn-28-"), "{name}");
        }
        for text in
            ["", "wrn-28-", "wrn-28-0", "wrn-28-33", "wrn-28-+7", "wrn-28-07", "wrn-40-2", "ResNet-18"]
        {
            assert!(text.parse::<ModelName>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_quarters_are_never_called_the_papers() {
        for name in ModelName::ALL {
            let says = name.title().contains("not the paper's network");
            assert_eq!(says, name.is_a_quarter());
            assert_eq!(says, name.to_string().contains("-w4"));
            assert!(!(says && name.is_the_papers()));
        }
        let small = ImageShape::new(3, 63, 64).unwrap();
        let large = ImageShape::new(3, 64, 64).unwrap();
        assert_eq!(ModelName::ResNet18.describe(small), "ResNet-18, stem for small images");
        assert_eq!(ModelName::ResNet18.describe(large), "ResNet-18");
    }
}

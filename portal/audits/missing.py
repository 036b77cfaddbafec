"""What a check lacks before an audit is started, in words."""

# what is missing -> why a check cannot run, and what would help
MISSING = {
    "labels": "The cohort has no reference labels. A column “label” in cases.csv adds them.",
    "prediction": "Only readers are audited here. Choose a model or predictions.",
    "probabilities": "Only readers are audited here. Choose a model or predictions.",
    "covariates": "The cohort has no covariates. Columns such as sex, age, site or scanner in "
    "cases.csv add them.",
    "readings": "The cohort has no readings. A table readings.csv adds them.",
    "identified-readers": "Readers are only numbered within a case. Give them ids to say who read "
    "what.",
    "predicted-masks": "Only readers are audited here. Choose a model that segments, or "
    "predictions with masks.",
    "reference-masks": "The cohort has no reference masks. A column “mask” in cases.csv adds them.",
    "samples": "There is one answer to each case, and several are needed.",
    "sampled-masks": "There is one mask of each case by the model, and several are needed.",
    "reader-masks": "No case has the masks of two readers.",
    "described": "The cohort has no images. A column “image” in cases.csv names them.",
    "features": "Only a model that can be looked into has features. Choose one; its page says so.",
    "attributions": "Only a model whose gradients can be had can be explained. Choose one.",
    "perturbations": "Only a model whose gradients can be had can be explained. Choose one.",
    "corruptions": "Only a model can be run on corrupted images. Choose one.",
    "moves": "Only a model can be run on moved images. Choose one.",
    "corrupted-masks": "Only a model that segments can mark corrupted images. Choose one.",
    "moved-masks": "Only a model that segments can mark moved images. Choose one.",
    "localisations": "Only a model whose gradients can be had can be explained. Choose one.",
    "finding-masks": "The cohort has no masks of the finding. A column “mask” in cases.csv names "
    "them, beside the labels.",
    "randomisations": "Only a model whose gradients can be had can be explained. Choose one.",
    "gradients": "Only a model that can be looked into has gradients. Choose one.",
    "blots": "Only a model of pictures can be run on images of which a place was changed. Choose "
    "one.",
    "attacks": "Only a model of pictures that can be looked into is attacked. Choose one.",
    "normalisations": "Only a model that can be looked into shows its layers. Choose one.",
    "corrupted-samples": "There is one answer to each corrupted image, and several are needed.",
    "gradient-scores": "Only a model that can be looked into has gradients. Choose one.",
    "intake": "There is no model that intake has kept a record of.",
    "reference": "No training cohort with labels is chosen as reference.",
    "reference-cohort": "No reference cohort is chosen. Choose one under “Foreign images”.",
    "foreign": "No foreign cohort is chosen. Choose one under “Foreign images”.",
}

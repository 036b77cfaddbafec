"""The words of a report that need saying, shown where the report uses them."""

from dataclasses import dataclass

from portal.reports.frozen import Frozen


@dataclass(frozen=True)
class Term:
    word: str
    meaning: str


_ALWAYS = (
    Term("Case", "What is judged as one: here one row of the cohort with its images."),
    Term("Cluster", "Cases that belong together, of one patient or one group of near-duplicates. "
         "Intervals resample clusters, because their cases are not independent."),
    Term("Interval", "The range that would hold the true value in 95 of 100 repetitions, at the "
         "level written in the table’s head."),
    Term("Limit", "The line a measure must not cross, with its origin: pre-registered, regulator, "
         "literature, or platform default. Each is counted once; of several findings about it "
         "the worst stands."),
    Term("Pass, caution, fail", "The whole interval is on the right side; the limit lies inside "
         "it, or there is no interval, so that it is not decided; the whole interval is beyond."),
    Term("Not assessed", "Evidence is missing; the reason stands beside it. It is not a pass."),
    Term("Look", "One audit of the same cohort version. Every look uses the test set up a little."),
)  # fmt: skip

_BY_MEASURE = {
    "auroc": Term("AUROC", "The probability that the score ranks a case with the finding above "
                  "one without it. 0.5 is chance, 1 is perfect; limits and differences are in "
                  "the same unit."),
    "sensitivity_gap": Term("Gap", "The largest difference between two groups. Its interval is "
                            "that of the true gap, from all pairs of groups at once; the value "
                            "alone lies too high, the more so with many and small groups."),
    "slice_effect": Term("Worst slice", "The cases, found by a search, with the most errors beyond "
                         "what their share of cases with the finding gives: compared with others "
                         "weighted to the same share."),
    "net_benefit": Term("Net benefit", "True positives per case, less false positives at the odds "
                        "of the threshold probability: what acting on the score is worth. It does "
                        "not say that enough is found."),
    "sensitivity": Term("Sensitivity", "Of the cases with the finding, the share called present."),
    "specificity": Term("Specificity", "Of the cases without it, the share called absent."),
    "ppv": Term("Positive predictive value", "Of the cases called present, the share that has the "
                "finding, at the stated prevalence."),
    "npv": Term("Negative predictive value", "Of the cases called absent, the share that does not "
                "have it, at the stated prevalence."),
    "ece": Term("ECE", "Expected calibration error: how far scores and observed rates are apart "
                "on average, over bins of equal width."),
    "ece_top_label": Term("ECE, top label", "The same for the answer given: confidence against "
                          "how often it is right."),
    "ece_debiased": Term("ECE, debiased", "ECE less what chance alone puts into the bins."),
    "intercept": Term("Calibration intercept", "0 when scores are neither too high nor too low "
                      "on the whole."),
    "slope": Term("Calibration slope", "1 when scores are as spread as they should be; below 1 "
                  "they are too extreme."),
    "brier": Term("Brier score", "Mean squared distance of the score from what was true; 0 is "
                  "perfect."),
    "alpha": Term("Krippendorff’s alpha", "Agreement of readers beyond chance: 1 is perfect, 0 is "
                  "chance. It bears missing readings and ordered scales."),
    "kappa_fleiss": Term("Fleiss’ kappa", "Agreement beyond chance where readers are "
                         "interchangeable."),
    "kappa_conger": Term("Conger’s kappa", "Agreement beyond chance of the same readers on all "
                         "cases."),
    "kappa_weighted": Term("Mean kappa of pairs", "Cohen’s kappa of every two readers, averaged; "
                           "each pair counts alike. Its convention says whether near misses of "
                           "ordered answers count less."),
    "reader_bias": Term("Deviation of a reader", "Its answers less the mean of the other "
                        "readers’ on the same cases. It says who differs, not who is right."),
    "mean_uncertainty": Term(
        "Aleatoric, epistemic", "Two kinds of doubt in several answers of a model to one case: "
        "aleatoric where every answer is unsure, epistemic where the answers contradict each "
        "other. Together they are the total, in bits: 1 is a coin."),
    "auroc_failure": Term("AUROC of wrong answers", "The probability that of a wrong and a right "
                          "answer the wrong one is the more uncertain. 0.5 is chance."),
    "aurc": Term("Area under risk and coverage", "The share called wrongly among the cases kept, "
                 "averaged while the most uncertain are handed over first; lower is better."),
    "mask_doubt": Term("Doubt about a mask", "How far several masks of one case by the same model "
                       "are apart: one minus the Dice of every two (disagreement), how much their "
                       "volumes vary, or the entropy of their mean inside the structure and about "
                       "its boundary."),
    "loss_aurc": Term("Area under 1 − Dice and coverage", "What is lost of Dice on the masks that "
                      "are kept, averaged while the most doubtful are handed over; lower is "
                      "better."),
    "augrc": Term(
        "Area under generalised risk and coverage", "As the area under risk and coverage, but of "
        "wrong answers kept among all cases: no single case among the surest weighs much. Lower is "
        "better."),
    "deferred_at_target": Term("Cases for a reader", "How many of the least certain cases a reader "
                               "must see, so that of the rest no more are wrong than is aimed at."),
    "conformal_coverage": Term("Prediction set", "The answers that fit a case, cut by other "
                               "patients’ cases so that the truth is among them as often as "
                               "promised: over all cases, not in every group."),
    "dice": Term("Dice", "Overlap of two masks: twice what both mark, over what each marks. 1 is "
                 "the same mask, 0 nothing in common."),
    "reader_dice": Term("Dice of two readers", "The overlap of the masks of every two readers of a "
                        "case. It is no ceiling: a model that draws the middle of all readers may "
                        "overlap each of them more than they overlap each other."),
    "model_reader_difference": Term(
        "Model beside readers", "The model’s Dice with a reader less that of two readers, on the "
        "same cases. Who draws the middle of all readers may lie above 0."),
    "volume_similarity": Term("Volume similarity", "How alike two masks are in size, wherever they "
                              "lie: 1 is the same size."),
    "surface_dice": Term("Surface Dice", "The share of both borders that lies within the tolerance "
                         "of the other border."),
    "hd95": Term("95 % Hausdorff distance", "How far the borders are apart at most, leaving out "
                 "the farthest 5 % of each."),
    "assd": Term("Average surface distance", "How far the borders are apart on average."),
    "reader_consensus_dice": Term("Majority", "What more than half of the readers mark; a reader "
                                  "is compared with that of the others."),
    "zero_gradient": Term("Attack", "A small change of an image, made on purpose with the help of "
                          "the network’s gradients so that it answers otherwise. Where gradients "
                          "lead nowhere (gradient masking), it is weak and shows little."),
    "reliance": Term("Reliance", "How far P(finding) moves where something at one place of an "
                     "image is taken away, and where it is put in: the smaller of both, beyond "
                     "what the same change does elsewhere."),
    "dependence": Term("Dependence", "The difference in P(finding) between images with and without "
                       "something that is written beside them, among images of one label."),
    "eps_median": Term("Eps", "The most by which each intensity of an image is changed, in grey "
                       "levels of 255."),
    "icc": Term("Intraclass correlation", "The share of the spread in scores that lies between "
                "cases and not between readers."),
}  # fmt: skip


def used(frozen: Frozen) -> list[Term]:
    """In the order of the alphabet, only what this report says."""
    ids = {row["id"].partition(":")[0] for check in frozen.checks for row in check["measures"]}
    found = [*_ALWAYS, *(term for key, term in _BY_MEASURE.items() if key in ids)]
    return sorted(found, key=lambda term: term.word.lower())

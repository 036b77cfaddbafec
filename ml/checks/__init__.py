"""The built-in checks. Importing a module registers its check; this list is the report's order."""

# isort: off
from ml.checks import cohort_fitness as cohort_fitness
from ml.checks import duplicates as duplicates
from ml.checks import leakage as leakage
from ml.checks import discrimination as discrimination
from ml.checks import operating_point as operating_point
from ml.checks import calibration as calibration
from ml.checks import subgroups as subgroups
from ml.checks import worst_slice as worst_slice
from ml.checks import clinical_utility as clinical_utility
from ml.checks import uncertainty as uncertainty
from ml.checks import selective_prediction as selective_prediction
from ml.checks import ood_detection as ood_detection
from ml.checks import stress as stress
from ml.checks import shift_consistency as shift_consistency
from ml.checks import adversarial_lite as adversarial_lite
from ml.checks import normalisation as normalisation
from ml.checks import gradient_flow as gradient_flow
from ml.checks import explanation_faithfulness as explanation_faithfulness
from ml.checks import explanation_sanity as explanation_sanity
from ml.checks import explanation_plausibility as explanation_plausibility
from ml.checks import shortcut as shortcut
from ml.checks import handcrafted_baseline as handcrafted_baseline
from ml.checks import memorisation as memorisation
from ml.checks import agreement as agreement
from ml.checks import ai_vs_readers as ai_vs_readers
from ml.checks import mrmc as mrmc
from ml.checks import segmentation as segmentation
from ml.checks import segmentation_panel as segmentation_panel
from ml.checks import segmentation_uncertainty as segmentation_uncertainty
from ml.checks import intake as intake
from ml.checks import determinism as determinism
from ml.checks.registry import all_checks as all_checks
# isort: on

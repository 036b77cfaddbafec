"""A cohort folder becomes one catalogue: cases, labels, images and readings, joined by case."""

from pathlib import Path

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import canonical, sha256_of
from ml.imaging.picture import ImageError
from ml.intake.cohort_manifest import CohortManifest, QuestionSpec
from ml.intake.deidentified import AT_HOME, Kept
from ml.intake.dicom_rows import DicomRows
from ml.intake.folder import Folder, open_folder
from ml.intake.images import MOST_PER_CASE, ImageStore, find_images
from ml.intake.manifest import read_yaml, validated
from ml.intake.masks import MaskStore, check_on_pictures, reader_masks
from ml.intake.readings import TABLE as READINGS
from ml.intake.readings import read_readings
from ml.intake.refusal import Problems, refuse
from ml.intake.tables import Csv, Row, bad_id, read_csv
from ml.sandbox.messages import Reporter

MANIFEST = "cohort.yaml"
CASES = "cases.csv"
CATALOGUE = "catalogue.json"
SCHEMA = 1
MOST_COVARIATES = 100
_KNOWN = ("case_id", "patient_id", "group", "image", "label", "mask")
_REPORT_EVERY = 100  # cases


def read_cohort(path: Path, out_dir: Path, reporter: Reporter, key: bytes = AT_HOME) -> JsonObject:
    """Read and check a cohort folder or a zip of it.

    Images go to ``out_dir/files/<sha256>``, DICOM without what says whose it is, the catalogue to
    ``out_dir/catalogue.json``.

    Args:
        path: of the folder or zip.
        out_dir: where everything goes.
        reporter: told how far it is.
        key: under which DICOM files are de-identified.

    Returns:
        catalogue (file name), sha256, n_cases, n_patients, n_clusters, n_images, n_readings,
        n_labelled; deidentified (file name) and deidentified_sha256 where images are DICOM, and
        dicom (file name), see ``ml.intake.dicom_rows``.

    Raises:
        Refused: see docs/intake-codes.md; every bad row is named, and no file is kept.
    """
    problems = Problems()
    files = out_dir / "files"
    with open_folder(path, out_dir, MANIFEST) as folder:
        manifest = validated(CohortManifest, read_yaml(folder, MANIFEST), MANIFEST)
        if CASES not in folder:
            raise refuse("file_missing", f"The folder has no {CASES} at its top.", file=CASES)
        table = read_csv(folder, CASES, required=["case_id"], problems=problems)
        covariates = _covariates(manifest, table)
        rows = _rows(table, manifest, problems)
        questions: dict[str, QuestionSpec] = dict(manifest.questions)
        readings: list[JsonObject] = []
        if READINGS in folder:
            readings, questions = read_readings(folder, manifest, set(rows), problems)
        files.mkdir(exist_ok=True)
        store = ImageStore(folder, files, Kept(key))
        try:
            images = _images(rows, store, problems, reporter)
            masks = _masks(rows, manifest, folder, files, images, problems, reporter)
            if manifest.task == "classification":
                check_on_pictures(masks, images, {one: row.number for one, row in rows.items()},
                                  problems)  # fmt: skip
            problems.raise_if_any()
        except BaseException:
            store.discard()
            raise
    kind = _cluster_kind(table)
    cases: list[JsonObject] = [
        {**_case(case_id, row, images[case_id], covariates, kind), **masks.get(case_id, {})}
        for case_id, row in rows.items()
    ]
    covariates += store.deidentified.covariates(cases, covariates)
    catalogue = _catalogue(manifest, questions, cases, readings, covariates, kind)
    (out_dir / CATALOGUE).write_bytes(canonical(catalogue))
    reporter.log(f"{len(cases)} cases, {len(readings)} readings")
    if store.noted:
        counted = ", ".join(f"{code} {n}" for code, n in sorted(store.noted.items()))
        reporter.log(f"images taken with a note: {counted}")
    beside = store.deidentified.write(out_dir) | _offered(store.dicom, out_dir, reporter)
    return {"catalogue": CATALOGUE, "sha256": catalogue["sha256"], **counts(catalogue), **beside}


def _offered(dicom: DicomRows, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Leave the index of DICOM files, and say how many cannot be in it."""
    if dicom.left_out:
        why = next(iter(dicom.left_out.values()))
        reporter.log(f"{len(dicom.left_out)} DICOM files are not offered by DICOMweb: {why}")
    return dicom.write(out_dir)


def counts(catalogue: JsonObject) -> JsonObject:
    """The numbers a page or report opens with. n_patients is null where nobody said."""
    cases, readings = catalogue["cases"], catalogue["readings"]
    assert isinstance(cases, list)
    assert isinstance(readings, list)
    rows = [case for case in cases if isinstance(case, dict)]
    patients = {row["patient_id"] for row in rows if row["patient_id"] is not None}
    of_masks: JsonObject = {}
    if any("mask" in row for row in rows):
        by_reader = [row["reader_masks"] for row in rows if isinstance(row["reader_masks"], dict)]
        of_masks = {
            "n_masks": sum(row["mask"] is not None for row in rows),
            "n_reader_masks": sum(map(len, by_reader)),
        }
    return {
        **of_masks,
        "n_cases": len(rows),
        "n_patients": len(patients) if patients else None,
        "n_clusters": len({row["cluster"] for row in rows}),
        "n_images": sum(len(row["images"]) for row in rows if isinstance(row["images"], list)),
        "n_labelled": sum(row["label"] is not None for row in rows),
        "n_readings": len(readings),
        "n_readers": len({r["reader_id"] for r in readings if isinstance(r, dict)}),
    }


def _covariates(manifest: CohortManifest, table: Csv) -> list[str]:
    if manifest.task == "segmentation" and "label" in table.columns:
        raise refuse(
            "task_unsupported",
            "A segmentation cohort is judged by its masks: leave the column of labels out.",
            file=CASES,
            row=1,
        )
    names = [name for name in table.columns if name not in _KNOWN]
    if len(names) > MOST_COVARIATES:
        raise refuse(
            "csv_columns",
            f"{len(names)} further columns are too many; at most {MOST_COVARIATES} are kept.",
            file=CASES,
            row=1,
        )
    return names


def _rows(table: Csv, manifest: CohortManifest, problems: Problems) -> dict[str, Row]:
    """The rows by case id; bad ones go to ``problems``."""
    rows: dict[str, Row] = {}
    for row in table.rows:
        case_id, label = row.get("case_id"), row.get("label")
        wrong = bad_id(case_id) or next(
            (why for name in ("patient_id", "group") if (cell := row.get(name)) and
             (why := bad_id(cell, in_address=name != "group"))), None
        )  # fmt: skip
        if wrong:
            problems.add("case_id", wrong, file=CASES, row=row.number)
            continue
        assert case_id is not None
        if case_id in rows:
            problems.add(
                "label_duplicate_case",
                f"The case {case_id} is there already, in row {rows[case_id].number}.",
                file=CASES,
                row=row.number,
            )
            continue
        if label is not None and label not in manifest.classes:
            named = ", ".join(manifest.classes[:12]) or "none"
            problems.add(
                "label_class",
                f"The label {label[:80]} is no class of {MANIFEST} ({named}).",
                file=CASES,
                row=row.number,
            )
        rows[case_id] = row
    return rows


def _images(
    rows: dict[str, Row], store: ImageStore, problems: Problems, reporter: Reporter
) -> dict[str, list[JsonValue]]:
    """Case id -> catalogue entries of its images."""
    images: dict[str, list[JsonValue]] = {}
    for done, (case_id, row) in enumerate(rows.items(), 1):
        images[case_id] = []
        text = row.get("image")
        if text is not None and not problems.full:
            images[case_id] = _images_of_case(text, row.number, store, problems)
        if done % _REPORT_EVERY == 0 or done == len(rows):
            reporter.progress(done, len(rows))
    return images


def _images_of_case(text: str, row: int, store: ImageStore, problems: Problems) -> list[JsonValue]:
    names = find_images(store.folder, text)
    if not names:
        problems.add("image_missing", f"The folder has no image {text[:200]}.", file=CASES, row=row)
    if len(names) > MOST_PER_CASE:
        problems.add(
            "image_limit",
            f"The pattern fits {len(names):,} files; at most {MOST_PER_CASE:,} are one case.",
            file=CASES,
            row=row,
        )
        return []
    added = []
    for name in names:
        try:
            store.add(name)
            added.append(name)
        except ImageError as error:
            problems.add(error.code, f"{error.message} ({name[:200]})", file=CASES, row=row)
    return list(store.add_case(added))


def _masks(
    rows: dict[str, Row],
    manifest: CohortManifest,
    folder: Folder,
    files: Path,
    images: dict[str, list[JsonValue]],
    problems: Problems,
    reporter: Reporter,
) -> dict[str, JsonObject]:
    """Case id -> its reference mask and its readers' masks; {} where there are none.

    A segmentation is judged by them. Of a classification they show where the finding is, as one
    structure, and cohorts without them keep their catalogue to the last byte.
    """
    of_finding = manifest.task == "classification"
    store = MaskStore(folder, files, 1 if of_finding else len(manifest.classes), images)
    before = len(problems.refusals)
    of_readers = reader_masks(store, rows, problems)
    if of_finding and not of_readers and not any(row.get("mask") for row in rows.values()):
        return {}
    masks: dict[str, JsonObject] = {}
    for done, (case_id, row) in enumerate(rows.items(), 1):
        text = row.get("mask")
        name = None if text is None else text.replace("\\", "/").removeprefix("./")
        reference = None
        if name is not None and name not in folder:
            problems.add(
                "mask_missing", f"The folder has no mask {name[:200]}.", file=CASES, row=row.number
            )
        elif name is not None and not problems.full:
            try:
                reference = store.add(name, case_id)
            except ImageError as error:
                problems.add(
                    error.code, f"{error.message} ({name[:200]})", file=CASES, row=row.number
                )
        masks[case_id] = {
            "mask": reference,
            "reader_masks": dict(sorted(of_readers.get(case_id, {}).items())),
        }
        if done % _REPORT_EVERY == 0 or done == len(rows):
            reporter.progress(done, len(rows))
    none = not any(found["mask"] or found["reader_masks"] for found in masks.values())
    if none and len(problems.refusals) == before:  # else there are some, each with its problem
        problems.add(
            "mask_missing",
            "There is no mask: name reference masks in the column 'mask' of cases.csv, or put "
            "those of readers under masks/<reader_id>/<case_id>.nii.gz.",
        )
    return masks


def _cluster_kind(table: Csv) -> str:
    """What the independent units are. `group` overrides `patient_id`."""
    for column, kind in (("group", "group"), ("patient_id", "patient")):
        if any(row.get(column) for row in table.rows):
            return kind
    return "case"


def _case(
    case_id: str, row: Row, images: list[JsonValue], covariates: list[str], kind: str
) -> JsonObject:
    patient, group = row.get("patient_id"), row.get("group")
    cluster = f"case:{case_id}"
    if kind == "group" and group:
        cluster = f"group:{group}"
    elif kind != "case" and patient:
        cluster = f"patient:{patient}"
    return {
        "case_id": case_id,
        "patient_id": patient,
        "group": group,
        "cluster": cluster,
        "label": row.get("label"),
        "covariates": {name: row.get(name) for name in covariates},
        "images": images,
    }


def _catalogue(
    manifest: CohortManifest,
    questions: dict[str, QuestionSpec],
    cases: list[JsonObject],
    readings: list[JsonObject],
    covariates: list[str],
    kind: str,
) -> JsonObject:
    content: JsonObject = {
        "schema": SCHEMA,
        "task": manifest.task,
        "classes": list(manifest.classes),
        "positive": list(manifest.positive),
        "modality": manifest.modality,
        "readers": manifest.readers,
        # The first declared is the primary one, and neither canonical JSON nor every database
        # keeps the order of keys: so each question says its place.
        "questions": {
            name: {"position": at, "scale": question.scale, "values": list(question.values)}
            for at, (name, question) in enumerate(questions.items())
        },
        "simulated": manifest.simulated,
        "cluster_kind": kind,
        "covariates": list(covariates),
        "cases": list[JsonValue](cases),
        "readings": list(readings),
    }
    # Title and notes may be reworded without the cohort becoming another one.
    words: JsonObject = {"title": manifest.title, "notes": manifest.notes}
    return {**content, **words, "sha256": sha256_of(content)}

"""A series and its masks in DICOM, from folders to the measures of an audit."""

import json

import numpy as np

from ml.cli.main import main
from tests.ml.imaging.enhanced import enhanced, saved, segmentation, series

LESION = "title: T\ntask: segmentation\nclasses: [lesion]\n"


def ball(shift):
    """(slices, rows, columns), within a margin of empty slices."""
    z, y, x = np.ogrid[:9, :24, :20]
    return ((z - 4) ** 2 * 4 + (y - 12 - shift) ** 2 + (x - 9) ** 2 < 30).astype(np.uint8)


def write(path, files, marked, *, every):
    """A SEG as writers make it: without empty slices, or with all of them."""
    frames = [(at, 1, plane) for at, plane in enumerate(marked) if every or plane.any()]
    path.write_bytes(saved(segmentation(files, frames)))


def test_predictions_and_references_in_dicom_overlap_as_they_were_drawn(tmp_path, capsys):
    cohort, given = tmp_path / "cohort", tmp_path / "given"
    for folder in (cohort / "images", cohort / "masks", given / "masks"):
        folder.mkdir(parents=True)
    rows, expected = ["case_id,image,mask"], []
    for number in range(4):
        slices = np.arange(9)[:, None, None] * np.ones((9, 24, 20)) + 10 * number
        files = series(slices, uid=f"1.7.{number}")
        drawn, predicted = ball(0), ball(number)
        # Of every second case the series is one enhanced file.
        if number % 2:
            (cohort / "images" / f"c{number}-0.dcm").write_bytes(saved(enhanced(files)))
        else:
            for at, data in enumerate(files):
                (cohort / "images" / f"c{number}-{at}.dcm").write_bytes(data)
        write(cohort / "masks" / f"c{number}.dcm", files, drawn, every=False)
        write(given / "masks" / f"c{number}.dcm", files, predicted, every=True)
        rows.append(f"c{number},images/c{number}-*.dcm,masks/c{number}.dcm")
        expected.append(2 * (drawn & predicted).sum() / (drawn.sum() + predicted.sum()))
    (cohort / "cohort.yaml").write_text(LESION)
    (cohort / "cases.csv").write_text("\n".join(rows) + "\n")
    (given / "predictions.yaml").write_text(
        "kind: masks\nclasses: [lesion]\nmodel: {name: M, version: '1'}\n"
    )

    code = main(
        ["audit", "--predictions", str(given), "--cohort", str(cohort), "--out",
         str(tmp_path / "out")]
    )  # fmt: skip

    assert code in (0, 1), capsys.readouterr()
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    (check,) = [one for one in document["checks"] if one["id"] == "segmentation"]
    dice = next(one for one in check["measures"] if one["id"] == "dice")
    assert dice["n"] == 4
    assert abs(dice["value"] - np.mean(expected)) < 1e-9

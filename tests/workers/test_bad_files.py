"""Bad files handed in: the page names each, nothing stays on disk, and the worker goes on."""

import struct
import zlib
from pathlib import Path

import pytest
from django.urls import reverse

from portal.cohorts.models import CohortVersion
from portal.intake.models import UploadKind
from tests.ml.intake.bad_files import ACCEPTED, REFUSED, fixture
from tests.ml.intake.test_bad_files import cohort
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, team  # noqa: F401

pytestmark = pytest.mark.reads_anew


def deflate_bomb() -> bytes:
    honest = fixture("image_dfl.dcm")
    end_of_meta = 144 + struct.unpack("<I", honest[140:144])[0]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(struct.pack("<HH2sHI", 0x11, 0x1001, b"OB", 0, 1 << 29))
    for _ in range(512):
        bomb += squeeze.compress(bytes(1 << 20))
    return honest[:end_of_meta] + bomb + squeeze.flush()


def endless() -> bytes:
    """Compressed pixels that have no end."""
    data = fixture("MR_small_jp2klossless.dcm")
    return data[: data.rindex(b"\xfe\xff\xdd\xe0")]


def test_a_handful_of_bad_files_and_then_good_ones(team, read_in, tmp_path, settings):  # noqa: F811
    made = {row: make for row, _, make in REFUSED if row in ("B20-long", "B33", "B23-size")}
    files = {"B6": deflate_bomb(), "B17": endless()}
    files |= {row: make(tmp_path) for row, make in made.items()}

    refused = read_in(UploadKind.COHORT, cohort(tmp_path / "bad", files))

    assert [one["code"] for one in refused.refusals] == [
        "decompression_limit", "truncated", "bad_uid", "decode_failed", "dicomdir_refused",
    ]  # fmt: skip
    page = text(signed_in(team.owner).get(refused.get_absolute_url()))
    assert "images/B6.dcm" in page
    assert "decompression_limit" in page
    assert not CohortVersion.objects.exists()
    scratch = Path(settings.SCRATCH_DIR)
    assert not scratch.exists() or [p for p in scratch.rglob("*") if p.is_file()] == []

    odd = {row: make(tmp_path) for row, _, make in ACCEPTED if row in ("B5-html", "B29")}
    accepted = read_in(UploadKind.COHORT, cohort(tmp_path / "good", odd))

    assert accepted.refusals == []
    version = CohortVersion.objects.get()
    case = version.cases.get(case_id="B29")
    shown = text(signed_in(team.owner).get(reverse("cohorts:case", args=[team.slug, case.pk])))
    assert "Odd about it" in shown
    assert "A date in its header cannot be right." in shown
    assert "<script>" not in shown

"""The same network as ONNX and as an archive of torch.export: two ways in, one result."""

import warnings

import numpy as np
import onnx
import pytest
import torch
import yaml
from django.test import Client

from ml.zoo.shades import SIZE, model_folder
from portal.audits.planning import start_audit
from portal.intake.models import UploadKind
from tests.workers.test_run import cohort, document_of, read_in, run_all, team  # noqa: F401


class Shade(torch.nn.Module):
    """The network of ``ml.zoo.shades``, with the weights of its ONNX file."""

    def __init__(self, file):
        super().__init__()
        arrays = {
            one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy())
            for one in onnx.load(file).graph.initializer
        }
        for name, array in arrays.items():
            self.register_buffer(name, array)

    def forward(self, image):
        seen = image
        for kernel in (self.kernel0, self.kernel1):
            seen = torch.nn.functional.conv2d(seen, kernel, padding=1)
        head = seen.mean((2, 3)) @ self.head
        return torch.softmax(head + image.mean((2, 3)) @ self.shade + self.bias, 1)


@pytest.fixture
def folders(tmp_path):
    """The ONNX folder, and the same with an archive in place of the ONNX file."""
    folder = model_folder(tmp_path / "as-onnx", channels=4)
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    other = tmp_path / "as-pt2"
    other.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        module = Shade(folder / manifest["file"]).eval()
        free = ({0: torch.export.Dim("batch")},)
        cases = torch.zeros((2, 1, SIZE, SIZE))
        torch.export.save(
            torch.export.export(module, (cases,), dynamic_shapes=free), other / "model.pt2"
        )
    changed = manifest | {"format": "pt2", "file": "model.pt2", "version": "as pt2"}
    (other / "model.yaml").write_text(yaml.safe_dump(changed))
    return folder, other


def test_both_ways_give_the_same_measures(team, read_in, cohort, folders):  # noqa: F811
    values = []
    for folder in folders:
        upload = read_in(UploadKind.MODEL, folder)
        assert upload.model_version is not None, upload.refusals
        audit = start_audit(
            actor=team.owner, team=team, cohort_version=cohort, model_version=upload.model_version
        )
        run_all(audit)
        assert audit.state == "sealed"
        document = document_of(audit)
        values.append({
            (check["id"], row["id"]): row["value"]
            for check in document["checks"] for row in check["measures"]
        })  # fmt: skip
        if folder is folders[1]:
            assert document["engine"]["packages"]["torch"] == torch.__version__

    one, other = values
    # Only ONNX is run in two ways by itself.
    of_onnx = one if ("determinism", "program_difference") in one else other
    assert of_onnx.pop(("determinism", "program_difference")) < 1e-5
    assert one.keys() == other.keys()
    defined = [key for key, value in one.items() if value is not None]
    assert len(defined) > 20
    found = np.array([other[key] for key in defined], dtype=float)
    assert found == pytest.approx(np.array([one[key] for key in defined], dtype=float), abs=1e-4)


def test_the_page_of_the_version_says_what_was_read(team, read_in, folders):  # noqa: F811
    version = read_in(UploadKind.MODEL, folders[1]).model_version
    client = Client()
    client.force_login(team.owner)

    html = client.get(version.get_absolute_url()).content.decode()

    assert "PT2" in html
    assert "torch 2." in html
    assert "conv2d × 2" in html

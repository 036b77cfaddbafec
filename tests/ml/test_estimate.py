import json
import pickle

import pytest

from ml.estimate import Estimate, undefined


@pytest.mark.parametrize("field", ["value", "low", "high", "level"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_refuses_what_is_no_number(field, number):
    with pytest.raises(ValueError, match=field):
        Estimate("auroc", **({"value": 0.5} | {field: number}))


def test_refuses_nan_in_extra():
    with pytest.raises(ValueError, match="no place in a result"):
        Estimate("auroc", 0.5, extra={"bins": [{"mean": float("nan")}]})


def test_undefined_needs_a_reason():
    with pytest.raises(ValueError, match="needs a reason"):
        Estimate("auroc", None)


def test_undefined_has_no_interval():
    with pytest.raises(ValueError, match="no interval"):
        Estimate("auroc", None, low=0.1, reason="Not estimated.")


def test_without_interval_there_is_no_level():
    assert Estimate("auroc", 0.5).level is None
    assert Estimate("auroc", 0.5, low=0.4).level == 0.95


def test_survives_a_file_and_another_process():
    estimate = Estimate("auroc", 0.5, 0.4, 0.6, n=3, extra={"n_clusters": 2})

    assert pickle.loads(pickle.dumps(estimate)) == estimate
    assert json.loads(json.dumps(estimate.to_json()))["extra"] == {"n_clusters": 2}
    assert undefined("auroc", "Not estimated.").to_json()["value"] is None


def test_a_unit_is_that_of_a_dimension():
    apart = Estimate("hd95", 3.5, extra={"n_clusters": 3}).in_unit("mm")

    assert apart.unit == "mm"
    assert apart.extra == {"n_clusters": 3, "unit": "mm"}
    assert apart.renamed("hd95:liver").unit == "mm"
    assert Estimate("dice", 0.9).in_unit("").extra == {}
    assert Estimate("sensitivity", 0.9, extra={"unit": "fraction"}).unit == ""

"""A walk over cases one at a time, for what depends on the size of each image."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ml.engine.cases import Case, Prepared, prepared
from ml.engine.predict import Outputs
from ml.imaging.declared import Input
from ml.imaging.picture import ImageError
from ml.sandbox.messages import Reporter

Row = TypeVar("Row")


def one_by_one(
    cases: Sequence[Case],
    declared: Input,
    compute: Callable[[Case, Prepared], Row],
    reporter: Reporter,
) -> Outputs[Row]:
    """Compute something of every case, whose images may differ in size.

    Args:
        declared: the ``input`` part of the model's manifest.
        compute: what a case gives, from it and its prepared image; an ``ImageError`` costs this
            case alone.
        reporter: told after every case.
    """
    outputs: Outputs[Row] = Outputs()
    for done, case in enumerate(cases, 1):
        began = time.perf_counter()
        try:
            outputs.rows[case.case_id] = compute(case, prepared(case, declared))
        except ImageError as broken:
            outputs.errors[case.case_id] = broken.code
        took = time.perf_counter() - began
        outputs.seconds[case.case_id] = took
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {took:.3f} s")
    return outputs

"""Maps by occlusion that compute again what a box reaches, against a whole forward for each box."""

import time
from typing import Any

from benchmarks.engine import chosen
from benchmarks.measuring import Result, alternated

GOAL = 3.0
LEAST = {"VGG16": GOAL, "ResNet18": GOAL}  # of the others it is whether it is ever the slower
RUNS = 3
CLOSE = 1e-5


def occlusion(name: str) -> Result:
    """One picture, all boxes; whole forwards at the fastest runtime, as many at once as suit it."""
    import torch

    from ml.engine.occlusion import Occlusion
    from ml.program.places import logits_of

    quickest = chosen(name)
    net = quickest.net
    case, weights = net.cases[:1], torch.eye(3)[1:2]
    output = logits_of(net.program, net.program.outputs[0])
    ours = Occlusion(net.program, tuple(case.shape[1:]), (2, 3), output)
    boxes = ours.grid.boxes
    fill = case.mean((2, 3), keepdim=True)

    def whole() -> Any:
        copies = [case.clone() for _ in boxes]
        for copy, (rows, columns) in zip(copies, boxes, strict=True):
            place = (..., slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1))
            copy[place] = fill
        return quickest.of(torch.cat([case, *copies]))

    logits = whole().double()
    answers = logits[:, 1]
    covers = torch.from_numpy(ours.grid.covers).double()
    expected = torch.tensordot(answers[0] - answers[1:], covers / covers.sum(0), dims=1)
    # Of all logits: weights by chance make differences small, and may make one logit so.
    apart = (ours.maps(case, weights)[0] - expected).abs().max()
    agree = bool(apart <= CLOSE * logits.abs().max())
    own, theirs = alternated(lambda: ours.maps(case, weights), whole, RUNS, time.process_time)
    saved = 0.0 if ours.touched is None else ours.touched.plan.saved
    return Result(
        name=f"explain: occlusion with {name}",
        ours=own,
        peer=theirs,
        peer_name="a whole forward for each box at the fastest runtime",
        ratio=theirs / own,
        goal=LEAST.get(name, 0.95),
        unit="s",
        n=f"{len(boxes)} boxes of one picture of {case.shape[-1]} x {case.shape[-1]}, one thread; "
        f"{saved:.0%} of the arithmetic left out, so at most {1 / (1 - saved):.2f}x",
        agree=agree,
    )

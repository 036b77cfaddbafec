"""Maps tried by what happens without parts of pictures: against Quantus, and against ourselves.

In seconds of the processor, of one thread, both sides in turn.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, cast

import numpy as np

from benchmarks.engine import Exported, exported, first_of
from benchmarks.measuring import Result, Skipped, alternated
from ml.engine.session import Session

CASES, STEPS, RUNS, SIZE = 16, 8, 3, 5_000
SHARES = (10, 50, 90)
CLOCK = time.process_time


def tried_maps(only: str = "") -> Iterator[Result | Skipped]:
    """Of DenseNet121 where the text is in its name, and of no network where there is no text."""
    name = "DenseNet121"
    of_no_network = (partial(linear_filling, 224, 1), partial(linear_filling, 224, 3),
                     passes_shared, the_battery)  # fmt: skip
    of_one = (partial(pixel_flipping, name), partial(faithfulness_correlation, name))
    for lines in (
        *(of_one if only.lower() in name.lower() else ()),
        *(of_no_network if not only else ()),
    ):
        try:
            yield from lines()
        except ModuleNotFoundError as error:
            inner = lines.func if isinstance(lines, partial) else lines
            reason = f"its peer {error.name} is not installed: `make bench` does that"
            yield Skipped(f"faithful.{inner.__name__}", reason)


@cache
def _net(name: str) -> Exported:
    return exported(name, CASES)


def _settled(name: str) -> tuple[Any, Any, Any, Any]:
    """The network, the way outputs are computed quickest, pictures and maps as coarse as a CAM."""
    from scipy.ndimage import zoom

    from ml.engine.fused import prepared

    net = _net(name)
    run = prepared(net.program, [tuple(net.cases.shape[1:])]).run
    source = np.random.default_rng(1)
    side = net.cases.shape[-1]
    maps = np.stack([zoom(source.random((7, 7)), side / 7, order=1) for _ in range(CASES)])
    return net, run, net.cases[:, :1].numpy(), maps


def _scores(net: Any, run: Any, pictures: Any) -> Any:
    """Of grey pictures, which the network is given in each of its channels."""
    import torch

    given = torch.from_numpy(pictures).expand(-1, net.cases.shape[1], -1, -1).contiguous()
    return np.asarray(run([given])[net.program.outputs[0]])[:, 1]


def _grey(net: Any) -> Any:
    """The module of such pictures, for the peer, whose features are numbers and no positions."""
    import torch

    class Grey(torch.nn.Module):
        def forward(self, pictures: Any) -> Any:
            return first_of(inner(pictures.expand(-1, channels, -1, -1).contiguous()))

    inner, channels = net.module, net.cases.shape[1]
    return Grey().eval()


def pixel_flipping(name: str) -> Iterator[Result]:
    """The deletion curve in some steps; then what of it is more than its forwards."""
    import quantus

    from ml.engine.baselines import taken_away
    from ml.engine.rankings import Ranked
    from ml.evidence.orders import MORF

    net, run, pictures, maps = _settled(name)
    side, module = pictures.shape[-1], _grey(net)
    peer = quantus.PixelFlipping(
        features_in_step=side**2 // STEPS, perturb_baseline=0.0, normalise=False,
        disable_warnings=True,
    )  # fmt: skip

    def own() -> Any:
        ranked = [Ranked.of(one, (side, side)) for one in maps]
        curves = []
        for step in range(1, STEPS + 1):
            copies = [
                taken_away(
                    picture.transpose(1, 2, 0), np.zeros((side, side, 1), np.float32),
                    one.gone(MORF, step / STEPS).reshape(side, side),
                ).transpose(2, 0, 1)
                for picture, one in zip(pictures, ranked, strict=True)
                if one is not None
            ]  # fmt: skip
            curves.append(_scores(net, run, np.ascontiguousarray(np.stack(copies))))
        return np.stack(curves, axis=1)

    def theirs() -> Any:
        return np.array(
            peer(module, pictures, np.ones(CASES, int), a_batch=maps[:, None], softmax=False)
        )

    def bare() -> None:
        for _ in range(STEPS):
            _scores(net, run, pictures)

    agree = bool(np.abs(own() - theirs()).max() <= 1e-4 * max(1.0, np.abs(theirs()).max()))
    ours, peers = alternated(own, theirs, RUNS, CLOCK)
    yield Result(
        f"explain: pixel flipping of {name}", ours, peers, "Quantus", peers / ours, 1.5, "s",
        f"{CASES} cases, {STEPS} steps, one thread", agree,
    )  # fmt: skip
    yield _beside_forwards(f"explain: pixel flipping of {name}", own, bare)


def faithfulness_correlation(name: str) -> Iterator[Result]:
    """Correlations over random subsets, by the peer's own draws."""
    import quantus

    from ml.stats.explanation.faithfulness import faithfulness

    net, run, pictures, maps = _settled(name)
    flat = pictures.reshape(CASES, -1)
    spread, module = maps.reshape(CASES, -1), _grey(net)
    peer = quantus.FaithfulnessCorrelation(
        nr_runs=STEPS, subset_size=SIZE, perturb_baseline=0.0, normalise=False,
        return_aggregate=False, disable_warnings=True,
    )  # fmt: skip

    def own() -> Any:
        np.random.seed(7)  # as the peer draws
        whole, drops, sums = _scores(net, run, pictures), [], []
        for _ in range(STEPS):
            gone = np.stack(
                [np.random.choice(flat.shape[1], SIZE, replace=False) for _ in range(CASES)]
            )
            copies = flat.copy()
            np.put_along_axis(copies, gone, 0.0, axis=1)
            drops.append(whole - _scores(net, run, copies.reshape(pictures.shape)))
            sums.append(np.take_along_axis(spread, gone, axis=1).sum(axis=1))
        return np.array(
            [faithfulness(a, b).value for a, b in zip(np.transpose(sums), np.transpose(drops),
                                                      strict=True)]
        )  # fmt: skip

    def theirs() -> Any:
        np.random.seed(7)
        return np.array(
            peer(
                module, pictures, np.ones(CASES, int), a_batch=maps[:, None], softmax=False,
            )
        )  # fmt: skip

    def bare() -> None:
        for _ in range(STEPS + 1):
            _scores(net, run, pictures)

    agree = bool(np.abs(own() - theirs()).max() <= 1e-3)  # of falls that are small themselves
    ours, peers = alternated(own, theirs, RUNS, CLOCK)
    yield Result(
        f"explain: faithfulness correlation of {name}", ours, peers, "Quantus", peers / ours, 1.5,
        "s", f"{CASES} cases, {STEPS} draws of {SIZE:,} numbers, one thread", agree,
    )  # fmt: skip
    yield _beside_forwards(f"explain: faithfulness correlation of {name}", own, bare)


def _beside_forwards(name: str, own: Callable[[], Any], bare: Callable[[], Any]) -> Result:
    ours, forwards = alternated(own, bare, RUNS, CLOCK)
    return Result(
        f"{name}, beside its bare forwards", ours, forwards, "the forwards alone",
        forwards / ours, 1 / 1.1, "s", f"{CASES} cases, one thread", True,
    )  # fmt: skip


def linear_filling(side: int, channels: int) -> Iterator[Result]:
    """What ROAD puts in the place of parts, without its noise."""
    from quantus.functions.perturb_func import noisy_linear_imputation
    from scipy.ndimage import zoom

    from ml.imaging.linear_fill import halved, linear_fill

    halved(side, side)  # once for all pictures of a size
    source = np.random.default_rng(0)
    for percent in SHARES:
        given = []
        for _ in range(4):
            picture = source.random((channels, side, side))
            order = np.argsort(-zoom(source.random((7, 7)), side / 7, order=1), axis=None)
            given.append((picture, order[: side**2 * percent // 100]))

        def own(given: Any = given) -> Any:
            found = []
            for picture, gone in given:
                mask = np.zeros(side**2, bool)
                mask[gone] = True
                filled = linear_fill(picture.transpose(1, 2, 0), mask.reshape(side, side))
                found.append(filled.transpose(2, 0, 1))
            return np.stack(found)

        def theirs(given: Any = given) -> Any:
            return np.stack([noisy_linear_imputation(a, gone, noise=0.0) for a, gone in given])

        agree = bool(np.abs(own() - theirs()).max() < 1e-10)
        ours, peers = alternated(own, theirs, RUNS + 2, CLOCK)
        yield Result(
            f"explain: linear filling of {percent} % of {side} x {side}, {channels} channels",
            ours / 4, peers / 4, "Quantus", peers / ours, 3, "s",
            "mean of 4 pictures, one thread; before noise alike to 1e-10", agree,
        )  # fmt: skip


class _Counted:
    """A network of no cost that counts the pictures it is given."""

    fixed_batch, n_classes = None, 1

    def __init__(self) -> None:
        self.pictures = 0

    def run(self, batch: Any) -> Any:
        self.pictures += len(batch)
        return batch.reshape(len(batch), -1).mean(axis=1)[:, None].astype(float)


def passes_shared() -> Iterator[Result]:
    """Both curves of both orders from one set of pictures."""
    steps = 10
    once = _pictures({"baselines": ["mean"], "rankings": ["map"], "steps": steps})
    alone = 2 * 2 * (steps + 1)
    yield Result(
        "explain: deletion, insertion, MoRF and LeRF from one set of pictures", once, alone,
        "each curve by itself", alone / once, 2, "pictures", f"{steps} steps, one replacement",
        True,
    )  # fmt: skip


def the_battery() -> Iterator[Result]:
    """What a protocol asks for by default, against every metric run for itself.

    In pictures that are run: what a metric takes beside its forwards is in the lines above. By
    itself a metric runs the whole picture anew, each curve anew, and the subsets anew for each map.
    """
    from ml.engine.explain_form import PERTURB
    from ml.engine.passes import PASSES

    params: dict[str, Any] = dict(PASSES[PERTURB].params)
    once = _pictures(params)
    steps, orders = int(params["steps"]), len(params["rankings"])
    sizes = len(params["subset_percents"])
    subsets = 2 * sizes * (1 + int(params["draws"]))  # of the map, a random map
    a_curve = orders * steps + 1
    gap, between = 2 * orders * steps + 1, 2 * (steps - 1) + 1
    curves = len(params["baselines"]) * (2 * a_curve + gap + 2 * between)
    alone = curves + 2 * subsets
    yield Result(
        "explain: all measures of a map in one pass", once, alone, "each metric by itself",
        alone / once, 1 / 0.35, "pictures",
        "of one case: deletion, insertion, LeRF minus MoRF, comprehensiveness, sufficiency by 3 "
        "replacements, faithfulness correlation, sensitivity-n", True,
    )  # fmt: skip


def _pictures(params: dict[str, Any]) -> int:
    """That the perturb pass runs of one case."""
    import tempfile
    from pathlib import Path

    from PIL import Image

    from ml.engine.cases import Case
    from ml.engine.perturb import perturb
    from ml.imaging.declared import Input
    from ml.sandbox.messages import Reporter

    network, declared = _Counted(), Input.model_validate({"size": [32, 32], "colour": "gray"})
    source = np.random.default_rng(2)
    maps = source.random((1, 7, 7)).astype(np.float32)
    quiet = Reporter(log=lambda _: None, progress=lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        Image.fromarray(source.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
        case = Case("a", (path,))
        perturb(cast(Session, network), lambda _: maps, declared, [case], params, reporter=quiet)
    return network.pictures

"""Does this machine give the answers that the model gave where it was made? Only then is a bundle sealed or served."""

from dataclasses import replace

import numpy as np

from tapetum import bundle as bundles
from tapetum import image
from tapetum.bundle import Bundle, Golden, Precision
from tapetum.errors import BundleError
from tapetum.inference.engine import Engine, open_engine
from tapetum.scores import softmax

MEAN_GREY_LEVELS = 0.1
MOST_GREY_LEVELS = 2
PROBABILITY: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.03}


def check(bundle: Bundle, engine: Engine) -> None:
    """Decode and answer the golden pictures. Raises BundleError beyond the bounds above, in int8 beyond the bundle's.

    Decoders differ by a grey level between versions; engines by rounding.
    """
    golden = bundle.golden()
    spec = bundle.facts.preprocess
    arrays = np.stack([image.read(content, spec)[0] for content in golden.pictures.values()])
    gap = np.abs(arrays.astype(int) - golden.arrays)
    if gap.mean() > MEAN_GREY_LEVELS or gap.max() > MOST_GREY_LEVELS:
        raise BundleError(
            f"{bundle.path}: golden pictures decode differently here, by {gap.mean():.2f} grey levels on average and "
            f"{gap.max()} at most, with {image.decoder_version()}: install the locked version of Pillow"
        )
    found = shift(replace(golden, arrays=arrays), engine)
    bound = _bound(bundle, engine.precision)
    if not found <= bound:
        raise BundleError(
            f"{bundle.path}: golden pictures get other answers from {engine.name} in {engine.precision}: a probability "
            f"is off by {found:.4f}, the bound is {bound}; try precision fp32, or make the bundle anew"
        )


def shift(golden: Golden, engine: Engine) -> float:
    """The largest distance of a probability from its record."""
    return float(np.abs(softmax(engine.infer(golden.arrays).logits) - golden.probabilities).max())


def _bound(bundle: Bundle, precision: Precision) -> float:
    if precision != "int8":
        return PROBABILITY[precision]
    assert bundle.facts.quantised is not None, "an engine in int8 has opened its graph"
    return bundle.facts.quantised.golden_bound


def seal(evaluated: Bundle) -> Bundle:
    """Seal a draft that was evaluated and answers its golden pictures as recorded. Raises BundleError."""
    if not evaluated.facts.scores:
        raise BundleError(f"{evaluated.path} was not evaluated: run `tapetum evaluate {evaluated.path}` first")
    return _seal(evaluated, tuple(evaluated.facts.scores))


def seal_unmeasured(imported: Bundle) -> Bundle:
    """Seal a draft that was imported without pictures, for fp32 only: nobody evaluated it. Raises BundleError."""
    return _seal(imported, ("fp32",))


def _seal(draft: Bundle, precisions: tuple[Precision, ...]) -> Bundle:
    for precision in precisions:
        check(draft, open_engine("openvino", draft, precision))
    return bundles.seal(draft)

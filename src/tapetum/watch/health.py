"""A judgement of the model by what its window holds."""

from tapetum.watch.figures import Health

FAILING, FAILED = 0.01, 0.5
UNSURE = 0.5
ENOUGH = 20


def judge(failures: int, predictions: int, low_confidence: int, obstacle: str | None) -> Health:
    """A verdict with its reasons; `obstacle` is why no picture can be answered now, None where they can.

    From FAILING on a share of failures degrades, from FAILED on it means
    unhealthy. UNSURE is the share of low confidence that degrades, among ENOUGH
    predictions: of few, half may be unsure by chance.
    """
    pictures = failures + predictions
    if obstacle is not None:
        return Health(verdict="unhealthy", reasons=[f"no picture can be answered: {obstacle}"])
    if not pictures:
        return Health(verdict="idle", reasons=["no picture came that could be judged"])
    reasons = []
    if failures >= FAILING * pictures:
        reasons.append(f"{failures:,} of {pictures:,} pictures failed")
    if predictions >= ENOUGH and low_confidence >= UNSURE * predictions:
        reasons.append(f"{low_confidence:,} of {predictions:,} predictions are of low confidence")
    if failures >= FAILED * pictures:
        return Health(verdict="unhealthy", reasons=reasons)
    return Health(verdict="degraded" if reasons else "healthy", reasons=reasons)

"""How much a share of agreeing labels shows: its exact one-sided bounds, and how many inputs would show more."""

from __future__ import annotations

from pytest_envrobust.core.errors import DeclarationError

CONFIDENCE = 0.95


def clopper_pearson_lower(agreeing: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided lower bound of a share of which ``agreeing`` of ``n`` were seen.

    The smallest share that would still give so many or more agreeing inputs with probability ``1 - confidence``
    (C. J. Clopper and E. S. Pearson, 'The use of confidence or fiducial limits illustrated in the case of the
    binomial', Biometrika 26, 1934). 20 of 20 gives 0.861.

    Raises `DeclarationError` where ``n`` is not positive, ``agreeing`` not in 0..n or ``confidence`` not in (0, 1).
    """
    if n < 1 or not 0 <= agreeing <= n:
        raise DeclarationError(f"{agreeing} of {n} is not a share", cause="0 <= agreeing <= n and n >= 1 are needed")
    if not 0 < confidence < 1:
        raise DeclarationError(f"confidence {confidence!r} cannot be used", cause="it lies between 0 and 1")
    risk = 1.0 - confidence
    if agreeing == 0:
        return 0.0
    if agreeing == n:
        return float(risk ** (1.0 / n))
    if agreeing == 1:
        return float(1.0 - confidence ** (1.0 / n))
    from scipy.special import betaincinv  # late: most comparisons agree wholly and never need it

    return float(betaincinv(agreeing, n - agreeing + 1, risk))


def clopper_pearson_upper(agreeing: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided upper bound of that share: 1 less the lower bound of those that do not agree.

    Raises `DeclarationError` as `clopper_pearson_lower` does.
    """
    return 1.0 - clopper_pearson_lower(n - agreeing, n, confidence)


def clopper_pearson_interval(agreeing: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval of that share: both one-sided bounds, each at half the risk.

    Raises `DeclarationError` as `clopper_pearson_lower` does.
    """
    each = 1.0 - (1.0 - confidence) / 2
    return clopper_pearson_lower(agreeing, n, each), clopper_pearson_upper(agreeing, n, each)


def inputs_to_show(share: float, differing: int = 0, confidence: float = CONFIDENCE) -> int:
    """The fewest inputs, ``differing`` of them with another label, whose lower bound is at least ``share``.

    299 agreeing inputs show 0.99, 20 show 0.861. Raises `DeclarationError` where ``share`` is not in [0, 1): no number
    of inputs shows that all agree.
    """
    if not 0 <= share < 1 or differing < 0:
        raise DeclarationError(
            f"no number of inputs shows an agreement of {share:g}", cause="a share of at least 0 and below 1 can be"
        )
    few, many = differing, differing + 1  # too few, perhaps enough
    while clopper_pearson_lower(many - differing, many, confidence) < share:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if clopper_pearson_lower(middle - differing, middle, confidence) < share:
            few = middle
        else:
            many = middle
    return many

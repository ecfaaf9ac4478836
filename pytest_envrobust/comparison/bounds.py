"""How much a share of agreeing labels shows: its exact one-sided bound."""

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

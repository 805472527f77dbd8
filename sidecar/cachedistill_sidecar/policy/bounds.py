"""Upper bounds of a share, out of how often it was seen."""

from __future__ import annotations

import math

_STEPS = 60


def clopper_pearson_upper(wrong: float, of: float, level: float) -> float:
    """The exact upper bound of a binomial share: the share under which so few would be seen with probability `level`.

    `wrong` and `of` may be fractions (effective counts). Clopper and Pearson, Biometrika 26 (1934): the 1 - level
    quantile of Beta(wrong + 1, of - wrong).
    """
    if of <= 0 or wrong >= of:
        return 1.0
    low, high = wrong / of, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if beta_cdf(middle, wrong + 1, of - wrong) < 1 - level:
            low = middle
        else:
            high = middle
        if high - low < 1e-9:
            break
    return high


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (modified Lentz; DLMF 8.17.22)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _off_zero(1.0 + term * d)
            c = _off_zero(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return front * value


def _off_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300

"""Write log10 Bayes factors computed with 60 digits. Run it by hand with mpmath; the tests only read.

python make_reference.py > factors.csv
"""

from __future__ import annotations

import random

import mpmath

mpmath.mp.dps = 60
EPSILON = mpmath.mpf(10) ** -55


def log10_factors(n: mpmath.mpf, mu: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """log10 B_peak, log10 B_eclipse: the smaller of the two directly, the other as 1 / pmf minus it."""
    log_inverse_pmf = mpmath.loggamma(n + 1) + mu - n * mpmath.log(mu)
    smaller = eclipse_series(n, mu) if mu < n + 1 else peak_integral(n, mu)
    larger = log_inverse_pmf + mpmath.log1p(-smaller * mpmath.exp(-log_inverse_pmf))
    pair = (larger, mpmath.log(smaller)) if mu < n + 1 else (mpmath.log(smaller), larger)
    return pair[0] / mpmath.log(10), pair[1] / mpmath.log(10)


def eclipse_series(n: mpmath.mpf, mu: mpmath.mpf) -> mpmath.mpf:
    """Sum of mu^k n! / (n + k)! over k >= 1."""
    term = total = mu / (n + 1)
    k = 1
    while term > EPSILON * total:
        k += 1
        term *= mu / (n + k)
        total += term
    return total


def peak_integral(n: mpmath.mpf, mu: mpmath.mpf) -> mpmath.mpf:
    """Integral of (1 + s / mu)^n exp(-s), as sum of its derivatives for whole n, else by quadrature."""
    if n == int(n):
        term = total = mpmath.mpf(1)
        for k in range(int(n), 0, -1):
            term *= k / mu
            total += term
            if term < EPSILON * total:
                break
        return total
    width = mpmath.sqrt(mu) + 10
    points = [0, width, 5 * width, 25 * width, 125 * width]
    return mpmath.quad(lambda s: mpmath.exp(n * mpmath.log1p(s / mu) - s), points)


def pairs() -> list[tuple[float, float]]:
    """Corners of the domain, both sides of mu = n + 1, and a random sample."""
    rng = random.Random(5)
    chosen: list[tuple[float, float]] = [
        (1e6, 1e6), (1e6, 1e6 + 1), (1e6, 990000.0), (990000.0, 1e6), (1e6, 1e-12), (0.0, 1e-12), (0.0, 1e6),
        (1e6, 1.0), (3.0, 1e6), (20.0, 20.999), (20.0, 21.0), (15.0, 16.0), (16.0, 16.0), (17.0, 12.0),
    ]  # fmt: skip
    for _ in range(60):
        mu = 10 ** rng.uniform(-12, 4)
        chosen.append((float(rng.randint(0, 30)), mu))
        chosen.append((float(int(10 ** rng.uniform(0, 4))), mu))
    for _ in range(60):
        mu = 10 ** rng.uniform(-2, 4.5)
        chosen.append((float(max(0, round(mu + rng.gauss(0, 8) * mu**0.5))), mu))
    for _ in range(30):
        mu = 10 ** rng.uniform(-2, 3.2)
        chosen.append((abs(mu + rng.gauss(0, 6) * mu**0.5), mu))
    return chosen


if __name__ == "__main__":
    print("n,mu,log10_peak,log10_eclipse")  # noqa: T201
    for n, mu in pairs():
        peak, eclipse = log10_factors(mpmath.mpf(n), mpmath.mpf(mu))
        print(f"{n!r},{mu!r},{mpmath.nstr(peak, 20)},{mpmath.nstr(eclipse, 20)}")  # noqa: T201

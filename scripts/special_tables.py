"""Prints native/cpu/special_tables.h: Chebyshev series of the special functions, found with mpmath at 40 digits.

    python scripts/special_tables.py > native/cpu/special_tables.h
"""

import mpmath as mp

mp.mp.dps = 40
NODES = 72
PI = mp.pi


def chebyshev(f, low, high):
    """Coefficients of f on [low, high] from its values at the roots of T_n, cut where they no longer count in double."""
    angles = [(mp.mpf(k) + mp.mpf(1) / 2) * PI / NODES for k in range(NODES)]
    values = [f(low + (high - low) * (mp.cos(a) + 1) / 2) for a in angles]
    found = [mp.mpf(2) / NODES * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles)) for j in range(NODES)]
    found[0] /= 2
    small = max(abs(v) for v in values) * mp.mpf(2) ** -57
    while len(found) > 1 and abs(found[-1]) < small:
        found.pop()
    assert len(found) < NODES - 4, "does not converge"
    return found


def modulus(order):
    """What is left of J and Y of large x when their waves are taken out: (P, Q x), as functions of (8 / x)^2."""
    def at(s):
        x = 8 / mp.sqrt(s)
        angle = x - order * PI / 2 - PI / 4
        c, s, scale = mp.cos(angle), mp.sin(angle), mp.sqrt(PI * x / 2)
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        return scale * (j * c + y * s), scale * (y * c - j * s) * x

    return lambda s: at(s)[0], lambda s: at(s)[1]


def airy_waves():
    """The same of Ai and Bi of large negative numbers, as functions of (zeta0 / zeta)^2."""
    def at(s):
        zeta = ZETA / mp.sqrt(s)
        z = (mp.mpf(3) / 2 * zeta) ** (mp.mpf(2) / 3)
        c, s, scale = mp.cos(zeta - PI / 4), mp.sin(zeta - PI / 4), mp.sqrt(PI) * mp.root(z, 4)
        a, b = mp.airyai(-z), mp.airybi(-z)
        return scale * (a * c - b * s), scale * (a * s + b * c) * zeta

    return lambda s: at(s)[0], lambda s: at(s)[1]


def airy_tail(u):
    zeta = ZETA_TAIL / u
    z = (mp.mpf(3) / 2 * zeta) ** (mp.mpf(2) / 3)
    return 2 * mp.sqrt(PI) * mp.root(z, 4) * mp.exp(zeta) * mp.airyai(z)


def scaled_erfc(t):
    x = mp.mpf(15) / 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * (mp.exp(x * x) * mp.erfc(x) if x < 100 else mp.hyperu(0.5, 0.5, x * x) / mp.sqrt(PI))


def normal_quantile_near(s):
    """ndtri(1/2 + y) / y as a function of y^2."""
    y = mp.sqrt(s)
    return mp.sqrt(2) * mp.erfinv(2 * y) / y


def normal_quantile_far(r):
    """-ndtri(exp(-r^2)), found by Newton's steps on log(erfc)."""
    target = -r * r + mp.log(2)
    x = mp.sqrt(2) * r if r > 2 else mp.mpf(1)
    for _ in range(60):
        tail = mp.erfc(x / mp.sqrt(2))
        step = (mp.log(tail) - target) * tail / (mp.sqrt(2 / PI) * mp.exp(-x * x / 2))
        x += step
        if abs(step) < mp.mpf(10) ** -36:
            return x
    raise ArithmeticError("no quantile")


def incomplete_gamma(orders, terms):
    """Temme's c_k(eta) of DLMF 8.12.10 as power series of eta: rows of the table for k = 0, 1, ..."""
    count = terms + 2 * orders + 2
    # lambda - 1 = mu(eta) with mu - log(1 + mu) = eta^2 / 2, so mu mu' = eta (1 + mu).
    mu = [mp.mpf(0), mp.mpf(1)]
    for n in range(2, count + 2):
        inner = mp.fsum((j + 1) * mu[j + 1] * mu[n - j] for j in range(1, n - 1))
        mu.append((mu[n - 1] - inner) / (n + 1))
    inverse = [mp.mpf(1)]  # eta / mu
    for n in range(1, count):
        inverse.append(-mp.fsum(mu[j + 1] * inverse[n - j] for j in range(1, n + 1)))
    # g_k: the coefficients of Gamma*(a) = exp(sum B_2j / (2j (2j-1) a^(2j-1))).
    logarithm = [mp.mpf(0)] + [mp.bernoulli(n + 1) / (n * (n + 1)) if n % 2 else mp.mpf(0) for n in range(1, orders + 1)]
    stirling = [mp.mpf(1)]
    for n in range(1, orders + 1):
        stirling.append(mp.fsum(j * logarithm[j] * stirling[n - j] for j in range(1, n + 1)) / n)
    rows = [inverse[1:]]  # 1 / mu - 1 / eta
    for k in range(1, orders):
        sign = -1 if k % 2 else 1
        last = rows[-1]
        # c_k = c_{k-1}' / eta + (-1)^k g_k / mu; the pole at 0 cancels.
        rows.append([(n + 2) * last[n + 2] + sign * stirling[k] * inverse[n + 1] for n in range(min(len(last) - 2, len(inverse) - 1))])
    return [row[:terms] for row in rows]


MIDDLE, TAIL = mp.mpf(4), mp.mpf(1)
ZETA, ZETA_TAIL = mp.mpf(2) / 3 * MIDDLE**1.5, mp.mpf(2) / 3 * TAIL**1.5
ROOT2 = mp.sqrt(2)
j0_wave, j1_wave = modulus(0), modulus(1)
ai_wave = airy_waves()


def safe(f, at_zero):
    """f with its limit at 0, whose formula is 0 / 0 there; nodes are never exactly 0, only near it."""
    return lambda s: at_zero if s == 0 else f(s)


SERIES = {
    "j0": (lambda s: mp.besselj(0, mp.sqrt(s)), 0, 64),
    "j0_p": (j0_wave[0], 0, 1), "j0_q": (j0_wave[1], 0, 1),
    "j1": (lambda s: mp.besselj(1, mp.sqrt(s)) / mp.sqrt(s), 0, 64),
    "j1_p": (j1_wave[0], 0, 1), "j1_q": (j1_wave[1], 0, 1),
    "y0": (lambda s: mp.bessely(0, mp.sqrt(s)) - mp.log(s) / PI * mp.besselj(0, mp.sqrt(s)), 0, 64),
    "y1": (lambda s: (mp.bessely(1, mp.sqrt(s)) - mp.log(s) / PI * mp.besselj(1, mp.sqrt(s)) + 2 / PI / mp.sqrt(s)) / mp.sqrt(s), 0, 64),
    "i0": (lambda x: mp.exp(-x) * mp.besseli(0, x), 0, 8),
    "i0_far": (lambda u: mp.sqrt(8 / u) * mp.exp(-8 / u) * mp.besseli(0, 8 / u), 0, 1),
    "i1": (lambda x: mp.exp(-x) * mp.besseli(1, x) / x, 0, 8),
    "i1_far": (lambda u: mp.sqrt(8 / u) * mp.exp(-8 / u) * mp.besseli(1, 8 / u), 0, 1),
    "k0": (lambda s: mp.besselk(0, mp.sqrt(s)) + mp.log(mp.sqrt(s) / 2) * mp.besseli(0, mp.sqrt(s)), 0, 4),
    "k0_far": (lambda u: mp.sqrt(2 / u) * mp.exp(2 / u) * mp.besselk(0, 2 / u), 0, 1),
    "k1": (lambda s: mp.sqrt(s) * (mp.besselk(1, mp.sqrt(s)) - mp.log(mp.sqrt(s) / 2) * mp.besseli(1, mp.sqrt(s))), 0, 4),
    "k1_far": (lambda u: mp.sqrt(2 / u) * mp.exp(2 / u) * mp.besselk(1, 2 / u), 0, 1),
    "erfcx": (scaled_erfc, -1, 1),
    "airy": (mp.airyai, -MIDDLE, TAIL), "airy_far": (airy_tail, 0, 1), "airy_p": (ai_wave[0], 0, 1), "airy_q": (ai_wave[1], 0, 1),
    "ndtri": (normal_quantile_near, 0, mp.mpf("0.18")),
    "ndtri_tail": (normal_quantile_far, mp.mpf("1.6"), 5),
    "ndtri_far": (normal_quantile_far, 5, 28),
}


def numbers(values):
    lines, line = [], "   "
    for v in values:
        word = f" {mp.nstr(v, 18, min_fixed=0, max_fixed=0)},"
        if len(line) + len(word) > 140:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


if __name__ == "__main__":
    print("// Printed by scripts/special_tables.py; not to be edited.")
    print("#pragma once\n\nnamespace facula::m::table {\n")
    print("// Chebyshev coefficients on the interval named behind each.")
    for name, (f, low, high) in SERIES.items():
        print(f"inline constexpr double {name}[] = {{  // [{mp.nstr(mp.mpf(low), 5)}, {mp.nstr(mp.mpf(high), 5)}]\n{numbers(chebyshev(f, mp.mpf(low), mp.mpf(high)))}\n}};")
    rows = incomplete_gamma(12, 18)
    print("\n// Power series of Temme's c_k(eta), a row for each k (DLMF 8.12).")
    print(f"inline constexpr double temme[{len(rows)}][{len(rows[0])}] = {{")
    for row in rows:
        print(f"  {{\n{numbers(row)}\n  }},")
    print("};\n\n}  // namespace facula::m::table")

"""exp, log, erfc and the normal distribution's quantile, to the very bits of the functions that RANDOM.md names.

NumPy's own functions differ from machine to machine in the last bit. These are the algorithms of FreeBSD's msun (which
musl and the Rust crate libm carry on), for the arguments that are needed: finite, and neither huge nor subnormal.
`exp` and `log` work on arrays.
"""

import math
import struct

import numpy as np

LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def horner(x, coefficients):
    """c_0 + x (c_1 + x (c_2 + ...))."""
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = c + x * value
    return value


def log(x):
    x = np.asarray(x, np.float64)
    bits = x.view(np.uint64)
    high = (bits >> np.uint64(32)).astype(np.int64) + (0x3FF00000 - 0x3FE6A09E)
    k = (high >> 20) - 0x3FF
    high = (high & 0x000FFFFF) + 0x3FE6A09E
    m = ((high.astype(np.uint64) << np.uint64(32)) | (bits & np.uint64(0xFFFFFFFF))).view(np.float64)
    f = m - 1.0
    hfsq = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    t1 = w * horner(w, (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01))
    t2 = z * horner(w, (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01,
                        1.479819860511658591e-01))
    r = t2 + t1
    result = s * (hfsq + r) + k * LN2_LO - hfsq + f + k * LN2_HI
    return np.where(x == 1.0, 0.0, result)


def exp(x):
    x = np.asarray(x, np.float64)
    size = np.abs(x)
    negative = x < 0
    k = np.trunc(1.44269504088896338700 * x + np.where(negative, -0.5, 0.5))
    k = np.where(_high(size) >= 0x3FF0A2B2, k, np.where(negative, -1.0, 1.0))
    k = np.where(_high(size) > 0x3FD62E42, k, 0.0)
    hi = x - k * LN2_HI
    lo = k * LN2_LO
    r = hi - lo
    rr = r * r
    c = r - rr * horner(rr, (1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05,
                             -1.65339022054652515390e-06, 4.13813679705723846039e-08))
    y = 1.0 + (r * c / (2.0 - c) - lo + hi)
    with np.errstate(under="ignore"):
        y = np.ldexp(y, k.astype(np.int64))
    return np.where(_high(size) > 0x3E300000, y, 1.0 + x)


def _high(x):
    """The upper 32 bits."""
    return (np.asarray(x, np.float64).view(np.uint64) >> np.uint64(32)).astype(np.int64)


def erfc(x):
    """Of one number below 28 in size."""
    size = abs(x)
    high = struct.unpack("<Q", struct.pack("<d", size))[0] >> 32
    if high < 0x3FEB0000:  # |x| < 0.84375
        if high < 0x3C700000:
            return 1.0 - x
        z = x * x
        r = horner(z, (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
                       -5.77027029648944159157e-03, -2.37630166566501626084e-05))
        s = horner(z, (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
                       1.32494738004321644526e-04, -3.96022827877536812320e-06))
        y = r / s
        return 1.0 - (x + x * y) if x < 0 or high < 0x3FD00000 else 0.5 - (x - 0.5 + x * y)
    if size >= 28.0:
        return 0.0 if x > 0 else 2.0
    tail = _erfc_tail(size, high)
    return 2.0 - tail if x < 0 else tail


def _erfc_tail(x, high):
    if high < 0x3FF40000:  # x < 1.25
        s = x - 1.0
        p = horner(s, (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
                       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
                       -2.16637559486879084300e-03))
        q = horner(s, (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
                       1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02))
        return 1.0 - 8.45062911510467529297e-01 - p / q
    s = 1.0 / (x * x)
    if high < 0x4006DB6D:  # x < 1 / 0.35
        r = horner(s, (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
                       -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
                       -8.12874355063065934246e+01, -9.81432934416914548592e+00))
        t = horner(s, (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
                       6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
                       6.57024977031928170135e+00, -6.04244152148580987438e-02))
    else:
        r = horner(s, (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
                       -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
                       -4.83519191608651397019e+02))
        t = horner(s, (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
                       3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
                       -2.24409524465858183362e+01))
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    z = struct.unpack("<d", struct.pack("<Q", bits & 0xFFFFFFFF00000000))[0]
    return float(exp(-z * z - 0.5625) * exp((z - x) * (z + x) + r / t)) / x


def upper(z):
    """The normal distribution above z."""
    return 0.5 * erfc(z * 0.7071067811865476)


CENTRE = (
    (3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)
MIDDLE = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)
TAIL = (
    (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)


def quantile(p):
    """The z below which a share p of the normal distribution lies: Wichura's PPND16 (AS 241)."""
    p = np.asarray(p, np.float64)
    q = p - 0.5
    r = np.sqrt(-log(np.where(q < 0, p, 1.0 - p)))
    near = np.where(r <= 5.0, r - 1.6, 0.0)
    far = np.where(r <= 5.0, 0.0, r - 5.0)
    tail = np.where(r <= 5.0, horner(near, MIDDLE[0]) / horner(near, MIDDLE[1]),
                    horner(far, TAIL[0]) / horner(far, TAIL[1]))
    tail = np.where(q < 0, -tail, tail)
    r = 0.180625 - q * q
    return np.where(np.abs(q) <= 0.425, q * (horner(r, CENTRE[0]) / horner(r, CENTRE[1])), tail)

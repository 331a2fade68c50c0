"""The table of all primitives that have a rule: ``docs/walk.md`` prints it, and the tests hold the rules to it."""

from __future__ import annotations

from eqprop.engine.walk.agreement import BITS, EXTREME, Agreement, Entry, Family, absolute, largest, rounded, terms, ulp


def _numpy(agreement: Agreement, names: dict[str, str], note: str = "") -> tuple[Entry, ...]:
    return tuple(Entry(name, f"`numpy.{by}`", agreement, note) for name, by in names.items())


def _scipy(agreement: Agreement, names: dict[str, str], note: str = "") -> tuple[Entry, ...]:
    return tuple(Entry(name, f"`scipy.special.{by}`", agreement, note) for name, by in names.items())


def _lapack(agreement: Agreement, names: dict[str, str], note: str = "") -> tuple[Entry, ...]:
    return tuple(Entry(name, by, agreement, note) for name, by in names.items())


NEAR = "XLA's log1p errs by 128 near −0.41; of complex numbers it is left to JAX"
GROWING = "for |x| ≤ 16: XLA's err by |x| eps/2, those of complex numbers near 0"
NUMBERS = "all floats, whole and complex numbers, with NaN, ±∞, −0"

ELEMENTWISE = Family(
    "elementwise",
    f"{NUMBERS}; rows that are the same for all beside rows that are not, negative strides",
    (
        *_numpy(BITS, {"add": "add", "add_any": "add", "sub": "subtract", "neg": "negative"}),
        *_numpy(rounded(3), {"mul": "multiply", "square": "square", "abs": "abs"}),
        *_numpy(rounded(3), {"sqrt": "sqrt", "sign": "sign` and `numpy.copysign"}),
        *_numpy(BITS, {"floor": "floor", "ceil": "ceil", "round": "rint` or `numpy.trunc", "nextafter": "nextafter"}),
        *_numpy(EXTREME, {"max": "maximum", "min": "minimum", "clamp": "maximum` and `numpy.minimum"}),
        Entry("integer_pow", "products in the order of JAX", rounded(8)),
        Entry("one_minus_square", "(1 + x)(1 − x)"),
        Entry("polynomial", "Horner's rule", terms(4), "XLA may fuse a product with a sum"),
        *_numpy(BITS, {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal"}),
        *_numpy(BITS, {"gt": "greater", "ge": "greater_equal", "is_finite": "isfinite"}),
        *_numpy(BITS, {"eq_to": "equal", "lt_to": "less", "le_to": "less_equal"}, "of the bits as whole numbers"),
        *_numpy(BITS, {"select_n": "where", "conj": "conjugate", "real": "real", "imag": "imag"}),
        Entry("complex", "parts of a new array"),
    ),
)

INTEGERS = Family(
    "integers",
    "whole numbers of 8 to 64 bits, least and greatest ones, zeros as divisors, shifts by more than the width",
    (
        Entry(
            "div",
            "`numpy.divide`; `numpy.floor_divide` of what `numpy.fmod` leaves",
            ulp(1, joint=3),
            "bits, but where one number of a row divides many: XLA multiplies by its reciprocal",
        ),
        *_numpy(BITS, {"rem": "fmod", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "not": "invert"}),
        *_numpy(BITS, {"shift_left": "left_shift"}),
        *_numpy(BITS, {"shift_right_logical": "right_shift", "shift_right_arithmetic": "right_shift"}),
        *_numpy(BITS, {"population_count": "bitwise_count", "clz": "bitwise_count"}),
        Entry("mulhi", "a product of twice the width", BITS, "64 bits are left to JAX"),
    ),
)

TRANSCENDENTAL = Family(
    "transcendental",
    "floats over the functions' domains, with NaN, ±∞, −0; negative strides",
    (
        *_numpy(ulp(3, joint=8), {"exp": "exp", "cbrt": "cbrt", "pow": "power", "atan2": "arctan2"}),
        *_numpy(ulp(3, joint=256), {"log": "log"}, "complex: |x| near 1 cancels"),
        *_numpy(ulp(3, joint=8), {"sin": "sin", "cos": "cos", "tan": "tan"}),
        *_numpy(ulp(5, 2, joint=8), {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh"}),
        *_numpy(ulp(5, 3, joint=8), {"acosh": "arccosh"}),
        *_numpy(ulp(7, 2, joint=8), {"expm1": "expm1", "tanh": "tanh"}, "XLA's err so much near saturation"),
        *_numpy(
            ulp(140, 2, joint=8),
            {"log1p": "log1p", "atanh": "arctanh"},
            NEAR,
        ),
        *_numpy(
            ulp(10, 2, joint=4096),
            {"sinh": "sinh", "cosh": "cosh"},
            GROWING,
        ),
        Entry("exp2", "`numpy.exp` of x ln 2", ulp(3, joint=8), "as JAX has it"),
        Entry("log2", "`numpy.log` over ln 2", ulp(4, joint=8), "as JAX has it"),
        Entry("logistic", "1 / (1 + `numpy.exp`(−x))", ulp(4, 2, joint=8), "as JAX has it"),
        Entry("rsqrt", "1 / `numpy.sqrt`", ulp(2, joint=8)),
    ),
)

SPECIAL = Family(
    "special",
    "float64, float32, float16 and bfloat16 over the functions' domains",
    (
        *_scipy(ulp(6, 2), {"erf": "erf"}),
        *_scipy(ulp(64, 2), {"erfc": "erfc", "erf_inv": "erfinv"}, "float64: 4 for erfc, more in the tails of erf_inv"),
        *_scipy(
            absolute(40, 2),
            {"lgamma": "gammaln", "digamma": "digamma"},
            "x > 0; whether digamma(0) is −∞ or NaN depends on the release of JAX",
        ),
        *_scipy(ulp(16, 2), {"bessel_i0e": "i0e", "bessel_i1e": "i1e"}),
        *_scipy(ulp(32, 2), {"zeta": "zeta"}, "x > 1, q > 0"),
        *_scipy(absolute(512, 2), {"igamma": "gammainc", "igammac": "gammaincc"}, "0 < a < ∞"),
        *_scipy(absolute(512, 2), {"regularized_incomplete_beta": "betainc"}, "0 < a, b < ∞"),
        Entry("polygamma", "m! ζ(m + 1, x) by `scipy.special`", ulp(512, 2), "x > 0"),
    ),
)

REDUCTIONS = Family(
    "reductions",
    "every choice of axes, empty ones and those longer than 32 among them; any layout",
    (
        Entry("reduce_sum", "`numpy.add` in a fixed order", terms(8, 8), "bits up to 32 entries on each axis"),
        Entry("reduce_prod", "`numpy.multiply` likewise", ulp(64, 64), "likewise"),
        *_numpy(EXTREME, {"reduce_max": "maximum", "reduce_min": "minimum"}),
        *_numpy(BITS, {"reduce_and": "bitwise_and", "reduce_or": "bitwise_or", "reduce_xor": "bitwise_xor"}),
        *_numpy(BITS, {"argmax": "argmax", "argmin": "argmin"}),
    ),
)

CUMULATIVE = Family(
    "cumulative",
    "every axis, from either end",
    (
        Entry("cumsum", "`numpy.add.accumulate`", terms(8, 8), "bits up to 16 entries"),
        Entry("cumprod", "`numpy.multiply.accumulate`", ulp(64, 64), "likewise"),
        *_numpy(EXTREME, {"cummax": "maximum.accumulate", "cummin": "minimum.accumulate"}),
        Entry("cumlogsumexp", "`numpy.logaddexp.accumulate`", absolute(16, 24)),
    ),
)

WINDOWS = Family(
    "windows",
    "windows, strides, paddings, dilations of both kinds, that overlap and that do not, with ties and NaN",
    (
        Entry("reduce_window_sum", "a view of all windows, summed like `reduce_sum`", terms(8, 8)),
        Entry("reduce_window_max", "likewise, `numpy.maximum`", EXTREME),
        Entry("reduce_window_min", "likewise, `numpy.minimum`", EXTREME),
        Entry("select_and_gather_add", "place by place of the window"),
        Entry("select_and_scatter_add", "likewise, and `numpy.add.at`", terms(4, 4)),
    ),
)

CONTRACTION = Family(
    "contraction",
    "free, shared and contracted axes of any number, empty ones too; floats, whole and complex numbers, truth values",
    (
        Entry(
            "dot_general",
            "`numpy.matmul` of each row on copies of one layout; products and sums of all rows up to 64 of them",
            terms(4, 4),
            "summed in float32 where the floats are small, operands of two types as the result's, as in XLA",
        ),
    ),
)

CONVOLUTION = Family(
    "convolution",
    "0 to 2 places, strides, paddings (negative ones too), both dilations, both kinds of groups, orders of axes",
    (Entry("conv_general_dilated", "`dot_general` of a view of all windows", terms(4, 4)),),
)

MATRICES = Family(
    "matrices",
    "matrices of up to 6 × 6, several to a row; singular and not positive ones",
    (
        *_lapack(BITS, {"cholesky": "`potrf`", "lu": "`getrf`", "triangular_solve": "`trsm`"}),
        *_lapack(BITS, {"lu_pivots_to_permutation": "interchanges in turn"}),
        *_lapack(BITS, {"geqrf": "`geqrf`", "householder_product": "`orgqr`, `ungqr`", "qr": "both of these"}),
        *_lapack(BITS, {"eigh": "`syevd`, `heevd`", "svd": "`gesdd`, `gesvd`"}),
        *_lapack(largest(16), {"eig": "`geev`"}),
    ),
)

FOURIER = Family(
    "fourier",
    "one to three axes, float32 and float64",
    (Entry("fft", "`scipy.fft`", largest(16)),),
)

_VIEWS = ("transpose", "reshape", "squeeze", "slice", "rev", "split", "unstack")
_COPIES = ("concatenate", "stack", "pad", "tile")
_SAME = ("copy", "copy_p", "name", "stage", "stop_gradient", "reduced_vary_cast", "pvary", "device_put")

MOVING = Family(
    "moving",
    "shapes of up to three axes, empty ones among them; typed keys",
    (
        *(Entry(name, "a view") for name in _VIEWS),
        Entry("broadcast_in_dim", "a view, or a copy where it is small"),
        *(Entry(name, "a copy") for name in _COPIES),
        *(Entry(name, "the operand") for name in (*_SAME, "optimization_barrier", "tie")),
        *(Entry(name, "a constant") for name in ("iota", "empty", "empty2")),
    ),
)

GATHERING = Family(
    "gathering",
    "the modes `clip`, `fill_or_drop` and `promise_in_bounds`, axes with places of their own, indices that differ from"
    " row to row and that do not",
    (
        Entry("gather", "one lookup by row-major number"),
        Entry("dynamic_slice", "a view, or one lookup where the corner differs from row to row"),
    ),
)

SCATTERING = Family(
    "scattering",
    "the same, with places that are met several times",
    (
        Entry("scatter", "one assignment by row-major number"),
        *_numpy(BITS, {"scatter-add": "add.at", "scatter-sub": "subtract.at", "scatter-mul": "multiply.at"}),
        *_numpy(EXTREME, {"scatter-min": "minimum.at", "scatter-max": "maximum.at"}),
        Entry("dynamic_update_slice", "one assignment"),
    ),
)

ORDERING = Family(
    "ordering",
    "one to three operands and keys, ties, zeros of both signs, NaN of both signs",
    (
        Entry("sort", "`numpy.argsort`, stable; `numpy.lexsort` of several keys"),
        Entry("top_k", "`numpy.argsort` of the bits as whole numbers"),
    ),
)

CONVERSION = Family(
    "conversion",
    "each type into each, at the edges of both",
    (
        Entry(
            "convert_element_type",
            "`numpy.ndarray.astype`, saturating",
            BITS,
            "to float16 and bfloat16 by way of float32, as XLA does",
        ),
        Entry("bitcast_convert_type", "`numpy.ndarray.view`"),
        Entry("reduce_precision", "whole numbers of the bits"),
    ),
)

KEYS = Family(
    "keys",
    "keys of one and more axes; widths of 8 to 64 bits",
    (
        Entry("threefry2x32", "twenty rounds in place"),
        Entry("iota_2x32_shape", "a constant"),
        *(Entry(f"random_{name}", "`threefry2x32`") for name in ("bits", "split", "fold_in")),
        Entry("random_seed", "words of the number"),
        *(Entry(f"random_{name}", "the operand") for name in ("wrap", "unwrap", "clone")),
    ),
)

FAMILIES = (
    ELEMENTWISE,
    INTEGERS,
    TRANSCENDENTAL,
    SPECIAL,
    REDUCTIONS,
    CUMULATIVE,
    WINDOWS,
    CONTRACTION,
    CONVOLUTION,
    MATRICES,
    FOURIER,
    MOVING,
    GATHERING,
    SCATTERING,
    ORDERING,
    CONVERSION,
    KEYS,
)
"""In the order of the page."""

AGREEMENT: dict[str, Agreement] = {entry.name: entry.agreement for family in FAMILIES for entry in family.entries}
"""How far each primitive's results may lie from those of XLA."""

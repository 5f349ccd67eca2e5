"""Resource quantities as the API writes them: `1024Mi` reads back `1Gi`, `0.5` reads back `500m`. Pure.

Canonical form: apimachinery's resource.Quantity: no precision lost, the exponent as large as possible.
"""

from __future__ import annotations

import re
from decimal import Decimal

_BINARY = {f"{p}i": 1024**i for i, p in enumerate(("K", "M", "G", "T", "P", "E"), start=1)}
_DECIMAL = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
}  # fmt: skip
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?))")


def parse(text: str | int | float) -> Decimal:
    """The amount. ValueError where the text is no quantity."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is no quantity")
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    factor = _BINARY.get(suffix) or _DECIMAL[suffix or ""]
    return Decimal(number) * factor


def canonical(text: str | int | float) -> str:
    """The same amount as the API reads it back. ValueError where the text is no quantity."""
    amount = parse(text)
    if amount == 0:
        return "0"
    suffix = (_FORM.fullmatch(str(text)) or [None] * 4)[3]
    if suffix in _BINARY and abs(amount) >= 1024 and amount == int(amount):
        whole = int(amount)
        name, factor = next(((n, f) for n, f in reversed(_BINARY.items()) if whole % f == 0), ("", 1))
        return f"{whole // factor}{name}"
    for name, size in reversed(_DECIMAL.items()):
        if amount % size == 0:
            return f"{int(amount / size)}{name}"
    return f"{-(-amount // Decimal('1e-9')):f}n"


def millicores(text: str | int | float) -> int:
    """CPU, rounded up to whole millicores."""
    return int(-(-parse(text) * 1000 // 1))


def whole_mib(text: str | int | float) -> int:
    """Memory in MiB, rounded up."""
    return int(-(-parse(text) // (1024 * 1024)))

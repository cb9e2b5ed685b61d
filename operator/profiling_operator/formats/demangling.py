"""Names of compiled functions as their authors wrote them: C++ and Rust.

    _ZN3foo3barEv                              foo::bar()
    _RNvNtCs1234_7mycrate3foo3bar              mycrate::foo::bar
    _ZN4core5write17h05af221e174051e9E         core::write

Names come from a profile and so from anywhere. The library is Python throughout, so that no name
can crash the process, and what one name may take is bounded: a few bytes can stand for a text
larger than memory, or be nested deeper than any stack.
"""

from __future__ import annotations

import functools

import demangle

MANGLED = ("_Z", "_R", "__Z", "___Z")  # ___Z: a block of Objective-C++
LANGUAGES = ("rust", "itanium")  # Rust's older names are Itanium's, with a hash at their end
# Measured: the longest of 40,000 names of LLVM has 8,219 characters as it was written; of 700,000
# names that were changed at random the slowest took 24 ms.
LIMITS = demangle.Limits(
    max_depth=200, max_output=1 << 14, max_substitutions=1 << 12, max_input=1 << 13
)
STYLE = demangle.style("llvm")  # given as an object, so that the library keeps no names itself
NAMES_KEPT = 1 << 12


def demangled(name: str) -> str:
    """The name as it was written; the name itself where it is not mangled, or cannot be read.

    Of Rust's names, the hash at the end is left out.
    """
    return _read(name) if name.startswith(MANGLED) else name


@functools.lru_cache(maxsize=NAMES_KEPT)  # readers know a file's names, but not the next file's
def _read(name: str) -> str:
    return demangle.demangle(name, language=LANGUAGES, style=STYLE, limits=LIMITS)

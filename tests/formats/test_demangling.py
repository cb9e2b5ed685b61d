"""Names of compiled functions: as they were written, whatever they are made of."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiling_operator.formats import demangling
from profiling_operator.formats.demangling import demangled

# LLVM's own demangler writes all but the older ones of Rust, which it takes for C++, like this.
WRITTEN = {
    "_Z3hotPdm": "hot(double*, unsigned long)",
    "_ZNSt6vectorIiSaIiEE9push_backERKi": (
        "std::vector<int, std::allocator<int>>::push_back(int const&)"
    ),
    "_Z9vectorAddPKfS0_Pfi": "vectorAdd(float const*, float const*, float*, int)",
    "_ZSt4cout@@GLIBCXX_3.4": "std::cout@@GLIBCXX_3.4",
    "_ZN3foo3barEv.cold": "foo::bar() (.cold)",
    "__ZN3foo3barEv": "foo::bar()",
    "_ZN4core3fmt5write17h05af221e174051e9E": "core::fmt::write",
    "_ZN69_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..iter..FromIterator$GT$4iter"
    "17h0123456789abcdefE": "<alloc::vec::Vec<T> as core::iter::FromIterator>::iter",
    "_RNvCs8K9WJNlS7Dz_5trace17multiply_matrices": "trace::multiply_matrices",
    "_RNCNvC1a1b0": "a::b::{closure#0}",
}


@pytest.mark.parametrize("name", WRITTEN, ids=lambda name: name[:24])
def test_a_mangled_name_becomes_what_was_written(name):
    """C++ as C++, Rust of both schemes as Rust and without its hash."""
    assert demangled(name) == WRITTEN[name]


@pytest.mark.parametrize(
    "name", ["", "main", "_start", "_Ready", "_Zend", "_ZN", "_R", "?f@@YAXH@Z"]
)
def test_what_is_not_mangled_stays(name):
    """Also what only begins like a mangled name, or belongs to no compiler of Linux."""
    assert demangled(name) == name


HOSTILE = {
    "doubles": "_Z1f1BI1AE" + "".join(f"S{n}_IS{n}_S{n}_E" for n in string.digits[1:]) * 9,
    "deep": "_Z1f" + "P" * 7_000 + "i",
    "nested": "_ZN" + "1aI" * 2_000 + "i" + "E" * 2_001,
    "long": "_Z" + "9" * 100_000,
    "pack": "_Z1f" + "DpT_" * 1_000,
    "rust": "_RINvC1a1b" + "T" * 4_000 + "E",
    "local": "_ZZ" * 1_000 + "1fvE" * 1_000 + "1x",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_stays_short(name):
    """What would take more than its bounds stays mangled."""
    assert len(demangled(name)) <= max(len(name), demangling.LIMITS.max_output)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(demangling.MANGLED),
    st.lists(
        st.sampled_from(["N", "I", "E", "J", "S_", "S0_", "T_", "Dp", "K", "P", "1a", "3foo", "v",
                         "C1a", "Nv", "B_", "X", "L_Z", "cv", "Ul", "17h0123456789abcdef", "9" * 9,
                         "\0", "\ud800", "é"]),
        max_size=60,
    ),
)  # fmt: skip
def test_no_name_raises(prefix, parts):
    """Whatever follows the sign of a mangled name, there is a bounded text."""
    name = prefix + "".join(parts)
    assert len(demangled(name)) <= max(len(name), demangling.LIMITS.max_output)

"""The size of a machine: names, weights and architectures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import ConfigError, Machine

NAMES = st.from_regex(r"[a-z][0-9][a-z]\.(large|[248]xlarge)", fullmatch=True)


@given(sizes=st.lists(NAMES, min_size=1, unique=True))
def test_names_keep_their_order(sizes):
    assert Machine(size=sizes).names == tuple(sizes)
    assert dict(Machine(size=sizes).weights) == {}


@given(sizes=st.dictionaries(NAMES, st.integers(1, 999), min_size=1))
def test_weights_keep_theirs(sizes):
    made = Machine(size=sizes)
    assert (made.names, dict(made.weights)) == (tuple(sizes), sizes)


@given(
    weight=st.one_of(
        st.integers(max_value=0), st.integers(1000), st.booleans(), st.floats(0, 999), st.text()
    )
)
def test_a_weight_is_a_whole_number_to_999(weight):
    with pytest.raises(ConfigError, match=r"the weight of m7i\.large is none[\s\S]*from 1 to 999"):
        Machine(size={"m7i.large": weight})


def test_weights_cannot_be_changed_afterwards():
    given = {"m7i.large": 1}
    made = Machine(size=given)
    given["m7i.large"] = 2
    assert dict(made.weights) == {"m7i.large": 1}


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ("m7i.large", r"Machine: size: is no list of names[\s\S]*with weights"),
        (7, "is no list of names"),
        ([7], "is no name of a size"),
        ([""], "is no name of a size"),
        (["m7i.large", "m7i.large"], "a size is named twice"),
    ],
)
def test_what_names_no_sizes_is_refused(size, says):
    with pytest.raises(ConfigError, match=says):
        Machine(size=size)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("arm64", ("arm64",)),
        (["arm64", "x86_64"], ("arm64", "x86_64")),
        (("x86_64", "arm64"), ("x86_64", "arm64")),
    ],
)
def test_architectures_keep_their_order(given, found):
    assert Machine(cpu=2, memory=4, architecture=given).architectures == found


@pytest.mark.parametrize("given", ["arm", [], ["arm64", "sparc"], None, 7])
def test_what_is_no_architecture_is_refused(given):
    with pytest.raises(ConfigError, match=r'is no architecture[\s\S]*"x86_64" or "arm64"'):
        Machine(cpu=2, memory=4, architecture=given)


def test_an_architecture_twice_is_refused():
    with pytest.raises(ConfigError, match="an architecture is named twice"):
        Machine(cpu=2, memory=4, architecture=["arm64", "arm64"])

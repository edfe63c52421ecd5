"""Finding the elements of a batch that the strict parser refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.collect.split import TooManyError, split_batch

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(values, max_size=5), st.text(), st.sampled_from([None, 1]), st.booleans())
def test_every_element_of_valid_json_is_found(items: list, sent_at: str, indent: int | None, plain: bool) -> None:
    body = json.dumps({"a": {"batch": [1]}, "batch": items, "sentAt": sent_at}, indent=indent, ensure_ascii=plain)
    found = split_batch(body.encode("utf-8", "surrogatepass"))
    assert found is not None
    assert [repr(json.loads(item.decode("utf-8", "surrogatepass"))) for item in found[0]] == [repr(i) for i in items]
    assert found[1]["sentAt"] == sent_at


@given(st.binary())
def test_any_bytes_are_survived(data: bytes) -> None:
    split_batch(data)
    split_batch(b'{"batch":[' + data + b"]}")


def test_a_batch_without_end_is_not_guessed() -> None:
    assert split_batch(b'{"batch":[{"a":1},{"b":NaN}') is None
    assert split_batch(b'{"batch":[{"a":1}]} trailing') is None
    assert split_batch(b'{"batch":"text"}') is None


def test_a_batch_with_too_many_elements_is_not_walked_to_its_end() -> None:
    assert split_batch(b'{"batch":[1,2,NaN]}', 3) == ([b"1", b"2", b"NaN"], {})
    with pytest.raises(TooManyError):
        split_batch(b'{"batch":[1,2,NaN,4]}', 3)

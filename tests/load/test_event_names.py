from __future__ import annotations

import pytest

from headwater.load.event_shape.names import MAX_LENGTH, column_name, snake_case, table_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order Completed", "order_completed"),
        ("camelCase", "camel_case"),
        ("CamelCase123Key", "camel_case123_key"),
        ("URLPath", "url_path"),
        ("omega v2", "omega_v2"),
        ("9mega", "_9mega"),
        ("9mega________-________90", "_9mega_90"),
        ("&4yasdfa(84224_fs9##_____*3q", "_4yasdfa_84224_fs9_3q"),
        ("path to $1,00,000", "path_to_1_00_000"),
        ("abc123def456", "abc123_def456"),
        ("__abc_123_def_456", "__abc_123_def_456"),
        ("Cízǔ", "c_z"),
        ("@#$%", ""),
    ],
)
def test_names_are_snake_case_as_rudderstack_writes_them(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_reserved_words_get_an_underscore_and_long_names_are_cut() -> None:
    assert column_name(["order"]) == "_order"
    assert column_name(["context", "order"]) == "context_order"
    assert table_name("Group") == "_group"
    assert len(column_name(["x" * 300])) == MAX_LENGTH

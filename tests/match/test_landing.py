"""The moment of landing, read from the names of objects."""

from __future__ import annotations

from headwater.match.landing import landed


def test_segments_and_extracts_sort_by_their_moment_whatever_their_folder() -> None:
    segment = "events/received_date=2026-01-01/0000000012-1767225600500.parquet"  # 2026-01-01 00:00:00.5
    before = "extracts/crm/contacts/20260101T000000400000Z-0123456789ab.parquet"
    after = "extracts/aaa/contacts/20260101T000000600000Z-0123456789ab.parquet"
    assert landed(before) < landed(segment) < landed(after)


def test_objects_of_one_moment_are_told_apart_by_their_names() -> None:
    one, other = (f"extracts/crm/t/20260101T000000000000Z-{digest}.parquet" for digest in ("aaa", "bbb"))
    assert landed(one) < landed(other)


def test_an_object_without_a_stamp_landed_before_all_others() -> None:
    assert landed("files/chats/a-0123456789ab.jsonl") < landed("x/00000001-0000000000001.parquet")
    assert landed("") < landed("x/00000001-0000000000001.parquet")

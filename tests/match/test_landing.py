"""The moment of landing, read from the names of objects."""

from __future__ import annotations

from datetime import datetime

from headwater.match.landing import landed, last_landing


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


def test_the_newest_landing_of_some_objects_is_a_time_and_none_where_no_object_tells_one() -> None:
    stamped = ["events/0000000002-1767225601500.parquet", "extracts/crm/deals/20260101T000000Z-ab.parquet"]
    assert last_landing([*stamped, "raw/old.parquet"]) == datetime(2026, 1, 1, 0, 0, 1, 500_000)
    assert last_landing(["raw/old.parquet"]) is None

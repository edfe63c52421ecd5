"""What a run says of dbt's build."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.errors import UsageError
from orchestration.defs.model import NODES, told_by


class Build:
    """A build of a project that has gained a model since Dagster read it: dagster-dbt looks each node up."""

    def stream(self) -> Iterator[str]:
        yield "told"
        yield NODES["model.headwater.written_a_minute_ago"]["name"]


def test_a_model_that_dagster_has_not_read_yet_is_named_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"dbt built 'model\.headwater\.written_a_minute_ago', which") as caught:
        told_by(Build())
    assert "Reload the code location" in str(caught.value.hint)

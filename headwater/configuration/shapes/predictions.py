"""`predictions/<name>.yaml`: what is predicted of whom.

Belongs here: label, population and audience of a prediction. Does not belong here: features or training (`ml`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Label(Struct, forbid_unknown_fields=True):
    """The churn rule: churned = cancelled (or no sale) in [T + gap, T + gap + horizon), whole UTC days."""

    kind: Literal["cancellation", "inactivity"]
    horizon_days: int
    gap_days: int = 0


class Prediction(Struct, forbid_unknown_fields=True):
    """`predictions/<name>.yaml`: who is predicted, what, how far ahead, and who becomes the audience."""

    label: Label
    population_has: list[str] = []
    first_observation: str | None = None
    last_observation: str | None = None
    audience_share: float = 0.2
    owner: str = ""
    description: str = ""

"""`survivorship.yaml`: whom to believe when sources differ on a trait of a person.

Belongs here: what the company sets otherwise than the project does, trait by trait. Does not belong here: which traits
there are and what is believed by default (the var `survivorship` of dbt_project.yml), who is one person (`identity`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class TraitRule(Struct, forbid_unknown_fields=True):
    """How sources are held against each other for one trait.

    Attributes:
        rule: most_trusted (the order of `sources`), most_recent, first or longest.
        sources: the sources that are asked, the most trusted first; also who wins where the rule leaves a tie.
    """

    rule: Literal["most_trusted", "most_recent", "first", "longest"]
    sources: list[str]

"""`plan check`: every fault of a plan is found, in its file and at its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from headwater.policy.plan_check import check_plan
from headwater.policy.plan_names import near_duplicates
from headwater.settings import CHECKOUT

SOUND = """\
event: Order Completed
owner: shop@example.com
description: An order was paid.
schema:
  type: object
  required: [order_id]
  additionalProperties: false
  properties:
    order_id: {type: string}
    email: {type: string, format: email}
    products: {type: array, items: {$ref: "#/$defs/product"}}
  $defs:
    product: {type: object, properties: {note: {type: string}}}
pii: {email: email, products.note: name}
examples:
  - {order_id: o1, products: [{note: x}]}
"""
PLAN = 'event_pattern: "[A-Z][a-z]*( [A-Z][a-z]*)*"\nproperty_pattern: "[a-z]+(_[a-z]+)*"\n'


def faults(folder: Path, **files: str) -> list[str]:
    """The faults of a plan of these files, as `file:line: message`."""
    plan = folder / "tracking_plan"
    plan.mkdir(exist_ok=True)
    for name, text in {"_plan": PLAN, **files}.items():
        (plan / f"{name}.yaml").write_text(dedent(text))
    return [str(fault).removeprefix(f"{plan}/") for fault in check_plan(plan).faults]


def test_a_sound_plan_has_no_fault(tmp_path):
    assert faults(tmp_path, order_completed=SOUND) == []


@pytest.mark.parametrize(
    ("change", "to", "line", "words"),
    [
        ("order_id: {type: string}", "order_id: {type: strng}", 9, "strng"),
        ("order_id: {type: string}", "order_id: {type: string, minimun: 1}", 9, "«minimun» is no keyword"),
        ("format: email}", "format: emial}", 10, "format «emial» is not known"),
        ('"#/$defs/product"', '"#/$defs/prodct"', 4, "/$defs/prodct"),
        ("order_id: {type: string}", "orderId: {type: string}", 9, "property «orderId» is not written"),
        ("required: [order_id]", "required: [order_id, total]", 6, "«total» is required, and at the same time"),
        ("event: Order Completed", "event: order_completed", 1, "«order_completed» is not written as the plan asks"),
        ("event: Order Completed", "event: ' '", 1, "event is missing"),
        ("pii: {email: email,", "pii: {mail: email,", 14, "pii names «mail»"),
        ("products.note: name", "products.notes: name", 14, "pii names «products.notes»"),
        ("{order_id: o1, products", "{order_id: 1, products", 16, "properties.order_id is a whole number, not text"),
        ("{order_id: o1, products", "{order_id: 2026-01-31, products", 16, "put dates in quotes"),
        ("owner: shop@example.com", "owner: ''", 2, "owner is missing"),
        ("owner: shop@example.com", "owner: somebody", 2, "neither an e-mail address nor team:name"),
        ("description: An order was paid.", "description: ' '", 3, "description is missing"),
        ("owner: shop@example.com", "ownr: shop@example.com", 2, "ownr"),
        ("owner: shop@example.com", "owner: [", 4, "not YAML"),
    ],
)
def test_each_fault_is_found_at_its_line(tmp_path, change, to, line, words):
    assert change in SOUND
    found = faults(tmp_path, order_completed=SOUND.replace(change, to))
    assert any(fault.startswith(f"order_completed.yaml:{line}: ") and words in fault for fault in found), found


def test_an_event_without_an_example_is_a_fault(tmp_path):
    found = faults(tmp_path, order_completed=SOUND[: SOUND.index("examples:")])
    assert found == ["order_completed.yaml:1: there is no example; give one that fits"]


def test_names_that_only_look_different_are_found(tmp_path):
    twin = SOUND.replace("event: Order Completed", "event: order_completed")
    found = faults(tmp_path, order_completed=SOUND, zz=twin, _plan="{}")
    assert found == ["zz.yaml:1: differs in capitals or separators only from «Order Completed» of order_completed.yaml"]


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        ("Order Completed", "order-completed", True),
        ("Order Completed", "OrderCompleted", True),
        ("Order Completed", "Order Complete", True),
        ("Order Completed", "Order Complated", True),
        ("Order Completed", "Order Completed", True),
        ("Order Completed", "Order Cancelled", False),
        ("Step 1 Viewed", "Step 2 Viewed", False),
        ("Step Viewed", "Step 2 Viewed", False),
        ("Open", "Opens", False),
    ],
)
def test_what_counts_as_alike(one, other, is_alike):
    for pair in ([("track", one), ("track", other)], [("track", other), ("track", one)]):
        assert [found[:2] for found in near_duplicates(pair)] == ([(0, 1)] if is_alike else [])
    assert not list(near_duplicates([("track", one), ("page", other)]))


def test_the_specs_own_names_may_stay_as_they_are(tmp_path):
    text = """\
    type: identify
    owner: team:data
    description: Who somebody is.
    schema: {properties: {firstName: {type: string}, lastname: {type: string}, fooBar: {type: string}}}
    examples: [{firstName: Ann}]
    """
    assert [fault.partition("«")[2][:6] for fault in faults(tmp_path, identify=text)] == ["fooBar"]


def test_a_pattern_that_is_none_and_a_name_that_identify_cannot_have(tmp_path):
    text = "type: identify\nevent: Signed Up\nowner: a@b.co\ndescription: d\nexamples: [{}]\n"
    found = faults(tmp_path, identify=text, _plan='event_pattern: ""\nproperty_pattern: "["\n')
    assert len(found) == 2
    assert found[0].startswith("_plan.yaml:2: [ is no regular expression")
    assert found[1] == "identify.yaml:2: identify calls have no name; remove event"


def test_one_broken_file_does_not_hide_the_faults_of_others(tmp_path):
    found = faults(tmp_path, a="event: [", b=SOUND.replace("owner: shop@example.com", "owner: ''"))
    assert [fault.split(":")[0] for fault in found] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize("folder", ["config", "config/examples/online_retail"])
def test_the_plans_that_we_ship_are_sound(folder):
    checked = check_plan(CHECKOUT / folder / "tracking_plan")
    assert checked.events
    assert [str(fault) for fault in checked.faults] == []

"""What the shop sells: two hundred products in eight categories, the same for every seed.

Belongs here: products and subscription plans. Does not belong here: who buys them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

CURRENCY = "USD"
PLANS = (("basic", 900), ("plus", 1900), ("premium", 3900))
_KINDS = {
    "jackets": (("Rain Shell", "Down Jacket", "Softshell", "Windbreaker", "Fleece"), 4900, 26000),
    "trousers": (("Hiking Trousers", "Zip-Off Trousers", "Climbing Pants", "Shorts", "Base Tights"), 2900, 13900),
    "shirts": (("Merino Tee", "Flannel Shirt", "Sun Hoody", "Polo", "Long Sleeve"), 1900, 8900),
    "footwear": (("Trail Runner", "Hiking Boot", "Approach Shoe", "Sandal", "Camp Slipper"), 3900, 21900),
    "backpacks": (("Daypack", "Trekking Pack", "Duffel", "Hip Pack", "Roll-Top Bag"), 2900, 24900),
    "shelter": (("Two-Person Tent", "Tarp", "Sleeping Bag", "Sleeping Mat", "Hammock"), 3900, 42900),
    "kitchen": (("Gas Stove", "Titanium Mug", "Cook Set", "Water Filter", "Food Jar"), 1200, 9900),
    "accessories": (("Headlamp", "Wool Socks", "Beanie", "Trekking Poles", "Dry Bag"), 900, 8900),
}
_LINES = ("Alder", "Birch", "Cedar", "Fjord", "Summit")
CATEGORIES = tuple(_KINDS)


@dataclass(frozen=True)
class Product:
    """One product; the price is in cents of the company's currency."""

    product_id: str
    sku: str
    name: str
    category: str
    price_cents: int
    slug: str


def _build() -> tuple[Product, ...]:
    rng = Random("catalogue")
    products: list[Product] = []
    for category, (kinds, low, high) in _KINDS.items():
        for kind in kinds:
            for line in _LINES:
                price = round(low * (high / low) ** (rng.random() ** 1.4) / 500) * 500 - 10
                number = len(products) + 1
                name = f"{line} {kind}"
                sku = f"{category[:3].upper()}-{line[:2].upper()}{number:03d}"
                slug = name.lower().replace(" ", "-")
                products.append(Product(f"p_{number:03d}", sku, name, category, max(490, price), slug))
    return tuple(products)


PRODUCTS = _build()
BY_CATEGORY = {category: tuple(p for p in PRODUCTS if p.category == category) for category in CATEGORIES}

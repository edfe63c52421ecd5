"""The shop platform's catalogue with cost and stock, and the payment tool's SKUs.

Belongs here: what a product costs the company, what is left of it. Does not belong here: what is sold (`catalogue`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.catalogue import CURRENCY, PRODUCTS, Product

if TYPE_CHECKING:
    from sandbox.company.book import Book
    from sandbox.company.calendar import World

_RETIRED = (
    ("Alder Poncho", "jackets"), ("Birch Gaiters", "accessories"), ("Cedar Lantern", "kitchen"),
    ("Fjord Bivouac", "shelter"), ("Summit Vest", "jackets"), ("Alder Belt", "accessories"),
)  # fmt: skip
_STOCK, _REORDER_BELOW = 60, 18


def write_catalogue(world: World, book: Book) -> None:
    """Products with their cost and stock, and their SKUs; a product's cost may rise once."""
    begun = world.opened * DAY - 20 * HOUR
    for product in PRODUCTS:
        rng = world.stream(f"product:{product.product_id}")
        cost, updated = round(product.price_cents * rng.uniform(0.36, 0.66)), begun
        rises_at = (world.opened + rng.randrange(60, 380)) * DAY + 7 * HOUR
        if rng.random() < 0.25 and rises_at < book.as_of:
            cost, updated = round(cost * rng.uniform(1.02, 1.12)), rises_at
        names = (product.product_id, product.sku, product.name, product.category, product.name.split(" ")[0])
        prices = (cost, product.price_cents, CURRENCY)
        book.row("shop_products", begun, *names, *prices, True, None, iso(begun), iso(updated))
        _stock(book, product, begun)
        sku_id = product.product_id.replace("p_", "sku_")
        sold_as = (sku_id, product.sku, product.product_id, product.name, product.price_cents, CURRENCY)
        book.row("payments_skus", begun, *sold_as, iso(begun))
    for number, (name, category) in enumerate(_RETIRED, 901):
        _retired(world, book, number, name, category, begun)


def _retired(world: World, book: Book, number: int, name: str, category: str, begun: int) -> None:
    """Of a season before: taken from sale, and some removed from the catalogue later."""
    rng = world.stream(f"retired:{number}")
    price = rng.randrange(20, 150) * 100 - 10
    ends = (world.opened + rng.randrange(20, 90)) * DAY + 9 * HOUR
    removed = ends + rng.randrange(20, 200) * DAY if number % 2 else None
    is_active, updated, deleted = True, begun, None
    if ends < book.as_of:
        is_active, updated = False, ends
    if removed and removed < book.as_of:
        updated, deleted = removed, iso(removed)
    sku = f"{category[:3].upper()}-{name[:2].upper()}{number}"
    names = (f"p_{number}", sku, name, category, name.split(" ")[0], price // 2, price, CURRENCY)
    book.row("shop_products", begun, *names, is_active, deleted, iso(begun), iso(updated))


def _stock(book: Book, product: Product, begun: int) -> None:
    """What is left on the shelf: each sale takes from it; the morning after it ran low it is filled up."""
    available, changed, filled_at = _STOCK, begun, 0
    for at, quantity in [*sorted(book.sold[product.product_id]), (book.as_of, 0)]:
        if filled_at and filled_at < min(at, book.as_of):
            available, changed, filled_at = _STOCK, filled_at, 0
        if quantity:
            available, changed = max(0, available - quantity), at
            if available < _REORDER_BELOW and not filled_at:
                filled_at = (at // DAY + 1) * DAY + 5 * HOUR
    inventory_id = product.product_id.replace("p_", "inv_")
    book.row("shop_inventory", begun, inventory_id, product.product_id, available, iso(changed))

"""What became of each event at each streaming destination: where verbs meet to know of deliveries.

Belongs here: the store that a delivery process writes and receipts, status and the lander read. Does not belong here:
delivering (`headwater.push`), the log.
"""

from __future__ import annotations

from headwater.storage.deliveries.rows import DeadLetter, Delivered, Filtered
from headwater.storage.deliveries.store import Deliveries, delivery_path, delivery_paths

__all__ = ["DeadLetter", "Delivered", "Deliveries", "Filtered", "delivery_path", "delivery_paths"]

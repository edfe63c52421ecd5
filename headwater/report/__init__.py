"""The report: one static HTML page for the people who lead the company, written from the warehouse's marts.

Belongs here: which numbers it shows (`numbers`), its charts (`charts`), its words and layout (`words`, `page`,
`page.html`). Does not belong here: how a number is worked out, which is dbt's (`models/marts`, `models/metrics`).
"""

from __future__ import annotations

from headwater.report.page import Checks, Report, write_report

__all__ = ["Checks", "Report", "write_report"]

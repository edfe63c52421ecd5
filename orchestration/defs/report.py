"""The report: a page of HTML for the people who lead the company."""

import dagster as dg

from headwater.storage.report_page import link
from orchestration.checks import ended_checks
from orchestration.platform import POOL, Platform, Warehouse

# What the page reads, and with it whatever those are made of.
READ = [
    ["intermediate", "int_as_of"],
    ["marts", "orders"],
    ["marts", "customer_360"],
    ["marts", "executive_scorecard"],
    ["marts", "metrics_monthly"],
    ["marts", "marketing_efficiency"],
    ["marts", "channel_performance"],
    ["marts", "funnel_steps"],
    ["marts", "retention_cohorts"],
    ["marts", "coupon_performance"],
    ["audiences", "audience_history"],
    ["marts", "customer_activation"],  # its columns name the audiences, and it comes after each
]


@dg.asset(
    key=["marts", "report"],
    deps=READ,
    group_name="model",
    kinds={"python", "html"},
    owners=["team:analytics-engineering"],
    pool=POOL,
    description="The numbers of the company as a page with charts. The profile API shows it at the link below; the file"
    " is report/index.html under the home.",
)
def report(context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
    """Reads marts, writes one file."""
    from headwater.report import Checks, write_report  # matplotlib costs every Dagster process a second

    platform_config = platform.config.platform
    with warehouse.get_connection() as connection:
        written = write_report(
            connection,
            platform.settings.report_dir,
            company=platform_config.company,
            currency=platform_config.currency,
            checks=Checks(**ended_checks(context)),
        )
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.url(link(platform.settings)),
            "path": dg.MetadataValue.path(written.path),
            "scorecard": dg.MetadataValue.md(written.summary),
            "sections": dg.MetadataValue.json(written.sections),
            "left_out": dg.MetadataValue.json(written.left_out),
        }
    )

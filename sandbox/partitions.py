"""Which accounts there are from the start, and which cloud a partition belongs to. Callers: accounts, app, network."""

ACCOUNTS: tuple[tuple[str, str, str], ...] = (
    ("aws", "aws", "111111111111"),
    ("aws", "aws-cn", "222222222222"),
    ("azure", "azure", "00000000-0000-0000-0000-000000000001"),
    ("azure", "azure-cn", "00000000-0000-0000-0000-000000000002"),
    ("alibaba", "alibaba-intl", "5000000000000001"),
    ("alibaba", "alibaba-cn", "5000000000000002"),
)
"""(cloud, partition, account id), as docs/sandbox-endpoints.md lists them."""
CLOUD_OF = {partition: cloud for cloud, partition, _ in ACCOUNTS}

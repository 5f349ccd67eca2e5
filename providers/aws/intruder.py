"""Somebody who changes a security group behind our back: the demo's and the drift tests' adversary.

Uses the SDK directly, as a person's script would; nothing of the adapter. Refuses anything but loopback.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from model.errors import UsageError
from providers.base import Account


def open_port(account: Account, region: str, group_id: str, port: int, cidr: str = "0.0.0.0/0") -> None:
    """Opens a TCP port of a security group to cidr. Raises UsageError for an account that is not on loopback."""
    import boto3

    host = urlsplit(account.endpoint).hostname or ""
    if not host.startswith("127."):
        raise UsageError(f"account {account.name} is a real one: nothing is opened there")
    client = boto3.client(
        "ec2",
        region_name=region,
        endpoint_url=account.endpoint,
        aws_access_key_id=account.secrets["key_id"],
        aws_secret_access_key=account.secrets["secret"],
    )
    client.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr)

"""Settings of which one decides what another means, as the providers document them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policy_loaders.conftest import UNKNOWN, LoadFiles, by_address


def _one(load_files: LoadFiles, kind: str, body: str) -> dict[str, Any]:
    return by_address(load_files(f'resource "{kind}" "x" {{\n{body}\n}}\n'))[f"{kind}.x"]


@pytest.mark.parametrize(
    ("details", "key"),
    [
        ('encryption_option = "CUSTOMER_MANAGED_CMK"\nkms_key_id = "k"', "k"),
        ('encryption_option = "AWS_OWNED_CMK"\nkms_key_id = "k"', ""),
        ('kms_key_id = "k"', ""),
        ('encryption_option = var.o\nkms_key_id = "k"', UNKNOWN),
    ],
)
def test_an_option_chooses_whose_key_it_is(load_files: LoadFiles, details: str, key: object) -> None:
    text = f'kms_key_details {{\n{details}\n}}\n}}\nvariable "o" {{'
    assert _one(load_files, "aws_codegurureviewer_repository_association", text)["key"] == key


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('environment {\nvariables = { A = "b" }\n}', ""),
        ("environment {}", ""),
        ('kms_key_arn = "k"\nenvironment {\nvariables = { A = "b" }\n}', "k"),
        ('kms_key_arn = ""', ""),
        ('kms_key_arn = "k"', None),
        ("", None),
    ],
)
def test_a_function_s_environment_has_a_key_of_its_own(load_files: LoadFiles, body: str, key: object) -> None:
    assert _one(load_files, "aws_lambda_function", body).get("environment_key") == key


@pytest.mark.parametrize(
    ("body", "true"),
    [
        ('identity { type = "SystemAssigned" }', True),
        ('identity { type = " " }', False),
        ('identity { type = "None" }', False),
        ("", False),
    ],
)
def test_an_identity_without_a_type_is_none(load_files: LoadFiles, body: str, true: bool) -> None:
    assert _one(load_files, "azurerm_automation_account", body)["managed_identity"] is true


@pytest.mark.parametrize(
    ("body", "true"),
    [
        ("https_only = true", True),
        ("https_only = true\nauth_settings_v2 { require_https = false }", False),
        ("https_only = true\nauth_settings_v2 { require_https = true }", True),
        ("auth_settings_v2 { require_https = true }", False),
    ],
)
def test_https_is_asked_of_the_site_and_of_its_sign_in(load_files: LoadFiles, body: str, true: bool) -> None:
    assert _one(load_files, "azurerm_linux_web_app", body)["https_only"] is true


@pytest.mark.parametrize(
    ("body", "true"),
    [
        ('network {\napp_subnet_id = "a"\nservice_runtime_subnet_id = "b"\n}', True),
        ('sku_name = "B0"\nnetwork {\napp_subnet_id = "a"\nservice_runtime_subnet_id = "b"\n}', False),
        ('network {\napp_subnet_id = "a"\n}', False),
        ("", False),
    ],
)
def test_the_app_platform_needs_both_its_subnets(load_files: LoadFiles, body: str, true: bool) -> None:
    assert _one(load_files, "azurerm_spring_cloud_service", body)["in_network"] is true


@pytest.mark.parametrize(("scans", "true"), [("enabled = true", True), ("enabled = false", False), ("", False)])
def test_scans_that_do_not_run_report_to_nobody(load_files: LoadFiles, scans: str, true: bool) -> None:
    text = f'recurring_scans {{\n{scans}\nemails = ["a@example.com"]\n}}'
    assert _one(load_files, "azurerm_mssql_server_vulnerability_assessment", text)["scan_reports"] is true


@pytest.mark.parametrize(
    ("value", "anybody"),
    [
        ("*", True),
        ("arn:aws:iam::*", True),
        ("arn:aws:iam::*:role/ours", True),
        ("arn:aws:iam::123456789012:role/ours", False),
    ],
)
def test_a_condition_that_takes_every_account_narrows_nothing(load_files: LoadFiles, value: str, anybody: bool) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:PrincipalArn": value}},
    }
    policy = json.dumps({"Statement": [statement]})
    assert _one(load_files, "aws_s3_bucket_policy", f"policy = <<P\n{policy}\nP")["any_principal"] is anybody


@pytest.mark.parametrize(
    ("body", "true"),
    [
        ('engine = "MySQL"', False),
        ('engine = "MySQL"\nsql_collector_status = "Enabled"', True),
        ('engine = "PostgreSQL"\nsql_collector_status = "Enabled"', False),
        ('engine = "PostgreSQL"\nparameters {\nname = "log_connections"\nvalue = "ON"\n}', True),
    ],
)
def test_connections_are_logged_by_a_parameter_or_by_the_audit(load_files: LoadFiles, body: str, true: bool) -> None:
    assert _one(load_files, "alicloud_db_instance", body)["log_connections"] is true


@pytest.mark.parametrize(("protocols", "true"), [(["HTTPS"], True), (["HTTPS", "HTTP"], False), ([], None)])
def test_targets_are_reached_by_tls_alone_if_every_listener_speaks_it(
    load_files: LoadFiles, protocols: list[str], true: bool | None
) -> None:
    group = 'resource "aws_lb_target_group" "x" {\n  protocol = "HTTP"\n}\n'
    listeners = [
        f'resource "aws_lb_listener" "l{i}" {{\n  protocol = "{p}"\n'
        "  default_action {\n    target_group_arn = aws_lb_target_group.x.arn\n  }\n}\n"
        for i, p in enumerate(protocols)
    ]
    found = by_address(load_files(group + "".join(listeners)))
    assert found["aws_lb_target_group.x"].get("front_tls") is true


def test_what_is_declared_twice_is_refused_and_yet_read_both_times(load_files: LoadFiles) -> None:
    text = "".join(f'resource "aws_ebs_volume" "v" {{\n  size = {n}\n}}\n' for n in (1, 2))
    loaded = load_files(text)
    assert [m.what for m in loaded.mistakes] == [
        "resource `aws_ebs_volume.v` is declared twice, first at main.tf:1",
    ]
    assert sorted(d["size_gib"] for d in loaded.documents) == [1, 2]

"""What the planner renders for a VM is understood by the sandbox: the two were written apart from each other."""

from __future__ import annotations

import yaml

from model.spec.app import Application
from model.spec.fleet import Fleet
from orchestrator.render.user_data import render_user_data
from sandbox.cloudinit import parse_user_data

APP = """
apiVersion: duoyun.dev/v1
kind: Application
metadata: {name: shop}
spec:
  services:
    - name: ledger
      image: registry.example.com/shop/ledger:1.2
      runtime: vm
      resources: {cpu: 500m, memory: 512Mi}
      ports: [{name: http, port: 8080}, {name: metrics, port: 9090}]
      env: {GREETING: 'say "hi" to $USER, 100%', LINES: "a\\nb\\tc", QUOTE: "it's"}
      data_class: internal
      zones: [any]
      annotations: {sandbox.duoyun.dev/behaviour: '{"latency_ms": 5, "error_rate": 0.5}'}
"""
FLEET = """
apiVersion: duoyun.dev/v1
kind: Fleet
metadata: {name: fleet}
spec:
  accounts: [{name: a, partition: azure-cn, account_id: "1"}]
  regions:
    - account: a
      region: chinanorth3
      country: CN
      zones: [{zone: chinanorth3-1}]
      network: {cidr: 10.0.0.0/16}
"""


def test_rendered_user_data_starts_the_container_that_was_meant() -> None:
    app = Application.model_validate(yaml.safe_load(APP))
    site = next(Fleet.model_validate(yaml.safe_load(FLEET)).sites())
    service = app.service("ledger")
    spec = parse_user_data(render_user_data(app, service, 0, site, image="registry.example.com/shop/ledger@sha256:aa"))
    assert spec is not None
    assert spec.image == "registry.example.com/shop/ledger@sha256:aa"
    assert spec.ports == (8080, 9090)
    assert {k: spec.env[k] for k in service.env} == service.env
    assert spec.behaviour == {"latency_ms": 5, "error_rate": 0.5}
    assert spec.identity["service"] == "ledger"

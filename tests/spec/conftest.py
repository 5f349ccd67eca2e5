"""Small valid documents, and a loader that returns the diagnostics."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model.errors import Diagnostic, InvalidInput
from model.spec.load import Spec, load_documents

APP = """\
apiVersion: duoyun.dev/v1
kind: Application
metadata: {name: shop}
spec:
  services:
    - name: web
      image: registry.example.com/shop/web:1.0.0
      replicas: 2
      resources: {cpu: 100m, memory: 64Mi}
      ports: [{name: http, port: 8080}]
      depends_on: [{name: api}, {name: db}]
      data_class: public
      zones: [SG]
    - name: api
      image: registry.example.com/shop/api:1.0.0
      resources: {cpu: 100m, memory: 64Mi}
      ports: [{name: http, port: 8080}]
      data_class: internal
      zones: [any]
  externals:
    - {name: db, sites: ["aws/*"], endpoints: ["db.example.com:3306"]}
"""

FLEET = """\
apiVersion: duoyun.dev/v1
kind: Fleet
metadata: {name: small}
spec:
  accounts:
    - {name: main, partition: aws, account_id: "111111111111", endpoint: sandbox}
  regions:
    - account: main
      region: ap-southeast-1
      country: SG
      zones:
        - {zone: ap-southeast-1a, subnet_cidr: 10.1.0.0/20}
        - {zone: ap-southeast-1b, subnet_cidr: 10.1.16.0/20}
      network: {ownership: own, cidr: 10.1.0.0/16}
      cluster: {ownership: own}
      gateway: {address: 10.1.255.10}
    - account: main
      region: ap-northeast-1
      country: JP
      zones:
        - {zone: ap-northeast-1a, subnet_cidr: 10.2.0.0/20}
      network: {ownership: own, cidr: 10.2.0.0/16}
      gateway: {address: 10.2.255.10}
  links:
    - {between: [aws/ap-southeast-1, aws/ap-northeast-1], rtt_ms: 70}
"""


@pytest.fixture
def app_text() -> str:
    return APP


@pytest.fixture
def fleet_text() -> str:
    return FLEET


@pytest.fixture
def read() -> Callable[..., Spec]:
    """Loads the two small documents, or others in their place."""

    def load(app: str = APP, fleet: str = FLEET, assumptions: str = "") -> Spec:
        extra = [("assumptions.yaml", assumptions)] if assumptions else []
        return load_documents([("app.yaml", app), ("fleet.yaml", fleet), *extra])

    return load


@pytest.fixture
def mistakes(read: Callable[..., Spec]) -> Callable[..., list[str]]:
    """The diagnostics as lines; [] where the documents hold. Each carries a place and a mend."""

    def load(app: str = APP, fleet: str = FLEET, assumptions: str = "") -> list[str]:
        try:
            read(app, fleet, assumptions)
        except InvalidInput as exc:
            for row in exc.diagnostics:
                assert isinstance(row, Diagnostic)
                assert row.severity == "error"
            return [str(row) for row in exc.diagnostics]
        return []

    return load

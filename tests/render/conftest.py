"""A small application over two regions, and the comparison with snapshots."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from model.spec.app import Application
from model.spec.fleet import Fleet

GOLDEN = Path(__file__).parent / "golden"

APPLICATION = """
apiVersion: duoyun.dev/v1
kind: Application
metadata:
  name: shop
  labels: {team: commerce}
spec:
  services:
    - name: web
      image: registry.example/shop/web:1.4.2
      replicas: 3
      resources: {cpu: 500m, memory: 256Mi, cpu_limit: 2}
      ports:
        - {name: http, port: 8080, public: true}
        - {name: metrics, port: 9100}
      env: {GREETING: "it's $(HOME), \\"100%\\" $HOME", EMPTY: ""}
      secretRefs: [{name: web-keys, key: session, env: SESSION_KEY}]
      depends_on:
        - {name: orders}
        - {name: legacy}
        - {name: mysql}
        - {name: bank}
        - {name: kafka}
      data_class: internal
      zones: [any]
      probes:
        readiness: {path: /ready, period: 2500ms}
        liveness: {path: /healthz, port: 9100, initial_delay: 15s}
      rollout: {max_surge: 1, max_unavailable: 0, progress_deadline: 5m, min_ready: 5s}
      annotations: {sandbox.duoyun.dev/behaviour: '{"latency_ms": 5}'}
    - name: orders
      image: registry.example/shop/orders@sha256:0000000000000000000000000000000000000000000000000000000000000000
      resources: {cpu: "1", memory: 1Gi}
      ports: [{port: 8081}]
      data_class: pii
      zones: [CN]
      depends_on: [{name: legacy}]
    - name: legacy
      image: registry.example/shop/legacy:9
      runtime: vm
      resources: {cpu: 250m, memory: 128Mi}
      ports: [{port: 7000}]
      env: {QUOTED: "a \\"b\\" %h $X; rm -rf / #"}
      data_class: internal
      zones: [any]
      depends_on: [{name: mysql}, {name: orders}]
      probes: {liveness: {period: 10s}}
      annotations: {sandbox.duoyun.dev/behaviour: '{"latency_ms": 5, "note": "50%"}'}
    - name: worker
      image: registry.example/shop/worker:2
      resources: {cpu: 100m, memory: 64Mi, gpu: 1}
      data_class: internal
      zones: [any]
  externals:
    - {name: mysql, sites: [aws-cn/cn-north-1a], endpoints: ["10.0.9.1:3306", "10.0.9.2:3306"]}
    - {name: bank, sites: [internet], endpoints: ["api.bank.example:443"]}
    - {name: kafka, sites: [internet], endpoints: ["k1.example:9092", "k2.example:9092"]}
"""

FLEET = """
apiVersion: duoyun.dev/v1
kind: Fleet
metadata: {name: prod}
spec:
  accounts:
    - {name: north, partition: aws-cn, account_id: "222222222222"}
    - {name: east, partition: alibaba-cn, account_id: "5000000000000002"}
  regions:
    - account: north
      region: cn-north-1
      zones: [{zone: cn-north-1a}, {zone: cn-north-1b}]
      country: CN
      network: {cidr: 10.0.0.0/16}
      cluster: {name: main}
      gateway: {address: 10.0.255.1}
    - account: east
      region: cn-hangzhou
      zones: [{zone: cn-hangzhou-h}]
      country: CN
      network: {cidr: 10.1.0.0/16}
      cluster: {name: main}
      gateway: {address: 10.1.255.1, port: 15444}
  links:
    - {between: [aws-cn/cn-north-1, alibaba-cn/cn-hangzhou], rtt_ms: 28}
"""


@pytest.fixture(scope="session")
def app() -> Application:
    return Application.model_validate(yaml.safe_load(APPLICATION))


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet.model_validate(yaml.safe_load(FLEET))


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares with the snapshot of that name. DUOYUN_UPDATE_GOLDEN=1 writes it instead, for a review as a diff."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("DUOYUN_UPDATE_GOLDEN") == "1":
            path.write_text(text)
        assert path.read_text() == text, f"differs from {path}; DUOYUN_UPDATE_GOLDEN=1 writes it anew"

    return check

"""cloud-config for a VM that runs one replica of a service: podman under systemd.

Callers: the planner (Instance.user_data). Nothing here is secret: user data can be read by whoever may describe the
instance, so a service with secretRefs is refused. Quoting: the unit file is one YAML scalar, and every word of its
command lines is quoted for systemd (systemd.service(5), "Command lines"), so no value can add a word or a line.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from model.errors import Diagnostic
from model.resources import LABEL_APP, LABEL_MANAGED, LABEL_SERVICE, LABEL_SITE
from model.spec.app import Application, HttpProbe, Port, Service
from model.spec.fleet import Site
from orchestrator.render.dependencies import address_variables, variable_name
from orchestrator.render.names import MANAGED_BY, annotation_mistakes, refuse, site_label
from orchestrator.render.pod import env_mistakes, probe_block, whole_seconds

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@:,./+=-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class _Dumper(yaml.SafeDumper):
    """Multi-line strings as literal blocks, so that a person can read the unit in the user data."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def render_user_data(app: Application, service: Service, replica_index: int, site: Site, *, image: str = "") -> str:
    """The cloud-config of one replica (`replica_index` from 0) in a site. Raises InvalidInput with every mistake."""
    mistakes = env_mistakes(service) + annotation_mistakes(service.annotations, f"service {service.name}, annotations")
    mistakes += [
        Diagnostic(
            "",
            f"service {service.name} runs on VMs and refers to secret {ref.name}",
            "secrets on VMs are not built yet: user data is not a safe place; run it on kubernetes, or fetch the "
            "secret in the container from the cloud's secret store",
        )
        for ref in service.secret_refs
    ]
    for which in ("readiness", "liveness"):
        mistakes += _probe_mistakes(service, which)
    refuse(mistakes)
    unit = f"{app.name}-{service.name}"
    files = [_file(f"/etc/systemd/system/{unit}.service", _service_unit(app, service, replica_index, site, image))]
    start = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", f"{unit}.service"]]
    health = _health_units(unit, service)
    if health:
        files += [_file(f"/etc/systemd/system/{name}", content) for name, content in health.items()]
        start.append(["systemctl", "enable", "--now", f"{unit}-health.timer"])
    document = {
        "package_update": True,
        "packages": ["podman", "curl"],
        "write_files": files,
        "runcmd": start,
    }
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=10_000)
    return f"#cloud-config\n{body}"


def systemd_word(word: str) -> str:
    """One word of an Exec line: specifiers (%) and variables ($) doubled, C escapes inside double quotes."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    inner = "".join(_ESCAPES.get(c, c if ord(c) >= 32 and ord(c) != 127 else f"\\x{ord(c):02x}") for c in word)
    return f'"{inner}"'


def _file(path: str, content: str) -> dict[str, Any]:
    return {"path": path, "owner": "root:root", "permissions": "0644", "content": content}


def _service_unit(app: Application, service: Service, replica_index: int, site: Site, image: str) -> str:
    run = " ".join(systemd_word(w) for w in _podman_run(app, service, replica_index, site, image or service.image))
    readiness = _probe(service, "readiness")
    wait = []
    if readiness is not None:
        seconds = whole_seconds(service.rollout.progress_deadline)
        url = f"http://127.0.0.1:{_port_number(service, readiness)}{readiness.path}"
        words = ["/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", str(whole_seconds(readiness.timeout))]
        words += ["--retry", str(seconds), "--retry-delay", "1", "--retry-max-time", str(seconds)]
        words += ["--retry-all-errors", url]
        wait = [
            f"ExecStartPost={' '.join(systemd_word(w) for w in words)}",
            f"TimeoutStartSec={seconds + 60}",
        ]
    lines = [
        "[Unit]",
        f"Description={service.name} of {app.name}",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStartPre=-/usr/bin/podman rm --force --ignore {service.name}",
        f"ExecStart={run}",
        *wait,
        f"ExecStop=/usr/bin/podman stop --ignore --time 30 {service.name}",
        "Restart=always",
        "RestartSec=2",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _podman_run(app: Application, service: Service, replica_index: int, site: Site, image: str) -> list[str]:
    words = ["/usr/bin/podman", "run", "--replace", "--name", service.name]
    words += ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
    words += [f"--memory={service.resources.memory}m"]
    if service.resources.cpu_limit is not None:
        words.append(f"--cpus={service.resources.cpu_limit / 1000:g}")
    for port in service.ports:
        suffix = "" if port.protocol == "tcp" else f"/{port.protocol}"
        words += ["-p", f"{port.port}:{port.port}{suffix}"]
    for name, value in _environment(app, service, replica_index, site).items():
        words += ["--env", f"{name}={value}"]
    labels = {
        LABEL_APP: app.name,
        LABEL_SERVICE: service.name,
        LABEL_MANAGED: MANAGED_BY,
        "duoyun.dev/service": service.name,
        LABEL_SITE: site_label(site.id),
    }
    for name, value in sorted(labels.items()):
        words += ["--label", f"{name}={value}"]
    for name, value in sorted(service.annotations.items()):
        words += ["--annotation", f"{name}={value}"]
    return [*words, image]


def _environment(app: Application, service: Service, replica_index: int, site: Site) -> dict[str, str]:
    """In-cluster names do not resolve on a VM: services are reached through the region's own gateway, where it has
    one; externals as the spec writes them."""
    gateway = site.region.gateway
    addresses: dict[str, str] = {}
    externals = {e.name: e for e in app.spec.externals}
    for dependency in service.depends_on:
        name = dependency.name
        if name in externals and externals[name].endpoints:
            addresses[variable_name(name)] = ",".join(externals[name].endpoints)
        elif gateway is not None and variable_name(name) in address_variables(app, service):
            addresses[variable_name(name)] = f"{gateway.address}:{gateway.port}"
    own = {"DUOYUN_SERVICE": service.name, "DUOYUN_SITE": site.id, "DUOYUN_REPLICA": str(replica_index)}
    return own | dict(sorted({**addresses, **service.env}.items()))


# -- health ----------------------------------------------------------------------------------------------------


def _probe(service: Service, which: str) -> HttpProbe | None:
    return getattr(service.probes, which) if probe_block(service, which) is not None else None


def _port_number(service: Service, probe: HttpProbe) -> int | None:
    if isinstance(probe.port, int):
        return probe.port
    named: list[Port] = [p for p in service.ports if p.name == probe.port]
    return named[0].port if named else None


def _probe_mistakes(service: Service, which: str) -> list[Diagnostic]:
    probe = _probe(service, which)
    if probe is None or _port_number(service, probe) is not None:
        return []
    return [
        Diagnostic(
            "",
            f"service {service.name}: the {which} probe asks port {probe.port!r}, which is none of its ports",
            f"name one of its ports, or set probes.{which} to null",
        )
    ]


def _health_units(unit: str, service: Service) -> dict[str, str]:
    """A timer that restarts the service when its liveness probe fails failure_threshold times; empty without one."""
    probe = _probe(service, "liveness")
    if probe is None:
        return {}
    period = whole_seconds(probe.period)
    words = ["/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", str(whole_seconds(probe.timeout))]
    words += ["--retry", str(probe.failure_threshold - 1), "--retry-delay", str(period), "--retry-all-errors"]
    words.append(f"http://127.0.0.1:{_port_number(service, probe)}{probe.path}")
    check = [
        "[Unit]",
        f"Description=Health of {unit}",
        f"OnFailure={unit}-restart.service",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(systemd_word(w) for w in words)}",
    ]
    restart = [
        "[Unit]",
        f"Description=Restart of {unit} after failed health checks",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart=/usr/bin/systemctl restart {unit}.service",
    ]
    timer = [
        "[Unit]",
        f"Description=Health checks of {unit}",
        "",
        "[Timer]",
        f"OnActiveSec={max(period, whole_seconds(probe.initial_delay, 0))}",
        f"OnUnitInactiveSec={period}",
        f"Unit={unit}-health.service",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {
        f"{unit}-health.service": "\n".join(check) + "\n",
        f"{unit}-restart.service": "\n".join(restart) + "\n",
        f"{unit}-health.timer": "\n".join(timer) + "\n",
    }

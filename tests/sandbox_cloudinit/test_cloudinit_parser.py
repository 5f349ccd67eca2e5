"""Which container user data starts: the forms that people and our own renderer write."""

from __future__ import annotations

import base64
import gzip
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloudinit import parse_user_data

UNIT = """#cloud-config
packages: [podman]
write_files:
  - path: /etc/systemd/system/app.service
    content: |
      [Unit]
      After=network-online.target
      [Service]
      ExecStartPre=-/usr/bin/podman rm -f app
      ExecStart=/usr/bin/podman run --rm --name app --replace \\
        -p 8080:8080 -p 127.0.0.1:9090:90/tcp --env GREETING="hello world" --env=RATE=50%% \\
        --label app.kubernetes.io/name=ledger --label duoyun.dev/site=azure-cn/chinanorth3-1 \\
        --annotation 'sandbox.duoyun.dev/behaviour={"error_rate": 0.5}' \\
        registry.local:5000/shop/ledger:1.2@sha256:aa serve --port 8080
      Restart=always
runcmd:
  - [systemctl, enable, --now, app.service]
"""


def test_a_systemd_unit_tells_image_ports_env_labels_and_behaviour() -> None:
    spec = parse_user_data(UNIT)
    assert spec is not None
    assert spec.image == "registry.local:5000/shop/ledger:1.2@sha256:aa"
    assert spec.ports == (8080, 9090)
    assert spec.env == {"GREETING": "hello world", "RATE": "50%"}
    assert spec.behaviour == {"error_rate": 0.5}
    assert spec.identity == {"version": "1.2", "service": "ledger", "site": "azure-cn/chinanorth3-1"}


@pytest.mark.parametrize(
    "wrap", [lambda b: base64.b64encode(b).decode(), lambda b: base64.b64encode(gzip.compress(b)).decode()]
)
def test_base64_and_gzip_are_undone(wrap: object) -> None:
    assert parse_user_data(wrap(UNIT.encode())) == parse_user_data(UNIT)  # type: ignore[operator]


def test_runcmd_and_scripts_count_too() -> None:
    listed = "#cloud-config\nruncmd:\n  - [podman, run, -d, -p, '80:80', nginx:1]\n"
    line = "#cloud-config\nruncmd:\n  - podman run -dit -p80:80 nginx:1\n"
    script = "#!/bin/sh\nset -e\ndocker run -d \\\n  -p 80:80 nginx:1\n"
    for text in (listed, line, script):
        spec = parse_user_data(text)
        assert spec is not None
        assert (spec.image, spec.ports) == ("nginx:1", (80,))


@pytest.mark.parametrize("text", ["", "#cloud-config\n", "#cloud-config\n: [", "just words", "- a\n- b", "AAAA"])
def test_what_starts_no_container_is_none(text: str) -> None:
    assert parse_user_data(text) is None


def test_a_behaviour_that_is_no_json_object_is_refused() -> None:
    with pytest.raises(ValueError, match="behaviour"):
        parse_user_data("#cloud-config\nruncmd:\n - podman run --annotation sandbox.duoyun.dev/behaviour=x img\n")
    with pytest.raises(ValueError, match="JSON object"):
        parse_user_data("#cloud-config\nruncmd:\n - podman run --annotation sandbox.duoyun.dev/behaviour=1 img\n")


def test_systemd_quoting_is_undone() -> None:
    line = r"""/usr/bin/podman run --env "A=say \"hi\"\n\x41" --env 'B=it\'s' --env C=a\ b --env "D=50%% \$$5" img:1"""
    content = f"[Service]\nExecStart={line}\n"
    spec = parse_user_data("#cloud-config\n" + json.dumps({"write_files": [{"path": "/x", "content": content}]}))
    assert spec is not None
    assert spec.env == {"A": 'say "hi"\nA', "B": "it's", "C": "a b", "D": "50% $5"}


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="%$"), max_size=20)


@given(
    env=st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), VALUES, max_size=4), port=st.integers(1, 65535)
)
def test_what_is_written_by_shell_rules_is_read_back(env: dict[str, str], port: int) -> None:
    args = ["podman", "run", "--rm", "-p", f"{port}:{port}"]
    for key, value in env.items():
        args += ["--env", f"{key}={value}"]
    text = "#cloud-config\n" + json.dumps({"runcmd": [shlex.join([*args, "img:1"])]})
    spec = parse_user_data(text)
    assert spec is not None
    assert (spec.image, dict(spec.env), spec.ports) == ("img:1", env, (port,))

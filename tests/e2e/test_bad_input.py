"""What is refused before anything is touched: a sentence, the way to mend it, the right exit code, nothing lost."""

from __future__ import annotations

import socket
import sqlite3
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


MISTAKES = {
    "broken YAML": (("  name: small\n", "  name: [small\n"), "app.yaml:6:5"),
    "a tab": (("  services:\n", "\tservices:\n"), "tab"),
    "wrong type": (("replicas: 2", "replicas: two"), "app.yaml:10:17"),
    "unknown key": (("replicas: 2", "replica: 2"), "did you mean"),
    "unknown service": (("- {name: ledger,", "- {name: leger,"), "ledger"),
    "impossible limit": (("replicas: 2", "replicas: 0"), "replicas"),
    "duplicate": (("- name: orders", "- name: ledger"), "ledger"),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_in_the_application_is_told_with_its_place(duoyun: Any, sandbox: Any, mistake: str) -> None:
    change, word = MISTAKES[mistake]
    duoyun.edit(duoyun.app, change)
    assert word in duoyun.on("validate").ended(3).err
    told = duoyun.on("deploy", "--yes", "-o", "json").ended(3).json
    assert told["reason"] == "invalid_input"
    assert all(d["position"].startswith(str(duoyun.app)) and d["what"] for d in told["diagnostics"])
    assert sandbox.empty


def test_every_mistake_of_both_files_is_told_at_once(duoyun: Any) -> None:
    duoyun.edit(duoyun.app, ("replicas: 2", "replicas: two"), ("cpu: 100m", "cpu: lots"))
    duoyun.edit(duoyun.fleet, ("region: cn-north-1\n", "region: cn-nroth-1\n"), ("country: CN", "country: China"))
    told = duoyun.on("validate", "-o", "json").ended(3).json["diagnostics"]
    assert len(told) == 1 + 3 + 3, "each wrong number, each wrong country"
    assert {d["position"].rsplit("/", 1)[-1].split(":")[0] for d in told} == {"app.yaml", "fleet.yaml"}


def test_a_circle_of_services(duoyun: Any) -> None:
    duoyun.edit(duoyun.app, ("      runtime: vm\n", "      runtime: vm\n      depends_on: [{name: web}]\n"))
    duoyun.on("validate").refused(3, "web", "orders", "ledger")


def test_an_unknown_region(duoyun: Any) -> None:
    duoyun.edit(duoyun.fleet, ("region: cn-north-1\n", "region: cn-nroth-1\n"))
    duoyun.on("plan").refused(3, "cn-nroth-1", "did you mean", "cn-north-1")


def test_files_that_are_not_there(duoyun: Any) -> None:
    duoyun("validate", str(duoyun.home / "nowhere.yaml")).refused(3, "nowhere.yaml", "no such file")
    duoyun.fleet.unlink()
    duoyun.on("validate").refused(3, "fleet.yaml", "no such file")


def test_a_wrong_command_line(duoyun: Any) -> None:
    duoyun.on("deploy", "--ye").refused(64, "--ye")
    duoyun("deplyo").refused(64, "deplyo")
    assert "--timeout" in duoyun.on("deploy", "--timeout", "soon", "--yes").ended(64).err
    duoyun.on("deploy").refused(64, "--yes")


def test_a_missing_and_a_wrong_credential(duoyun: Any, sandbox: Any) -> None:
    duoyun.edit(
        duoyun.fleet,
        (
            'account_id: "222222222222", endpoint: sandbox',
            'account_id: "222222222222", endpoint: sandbox, credential: {env_prefix: OURS}',
        ),
    )
    duoyun.on("plan").refused(77, "aws-cn", "OURS_ACCESS_KEY_ID", "OURS_SECRET_ACCESS_KEY")
    keys = sandbox.keys("aws-cn", "222222222222")
    wrong = {"OURS_ACCESS_KEY_ID": keys["key_id"], "OURS_SECRET_ACCESS_KEY": "not-the-secret"}
    told = duoyun.on("plan", env=wrong).refused(77, "aws-cn")
    assert "not-the-secret" not in told.out + told.err
    assert duoyun.on("deploy", "--yes", "-o", "json", env=wrong).ended(77).json["reason"] == "unauthenticated"
    right = wrong | {"OURS_SECRET_ACCESS_KEY": keys["secret"]}
    assert duoyun.on("plan", "-o", "json", env=right).ended(0).json["changes"] == {"create": 39}
    assert sandbox.empty


@pytest.mark.parametrize(
    ("partition", "account"),
    [("azure-cn", "00000000-0000-0000-0000-000000000002"), ("alibaba-cn", "5000000000000002")],
)
def test_a_wrong_secret_on_the_other_clouds(duoyun: Any, sandbox: Any, partition: str, account: str) -> None:
    text = duoyun.fleet.read_text()
    at = text.index(f"partition: {partition}")
    at = text.index("endpoint: sandbox", at)
    separator = "," if "{" in text[text.rindex("\n", 0, at) : at] else "\n     "
    duoyun.fleet.write_text(text[:at] + f"credential: {{env_prefix: OURS}}{separator} " + text[at:])
    wrong = {"OURS_ACCESS_KEY_ID": sandbox.keys(partition, account)["key_id"], "OURS_SECRET_ACCESS_KEY": "wrong"}
    duoyun.on("plan", env=wrong).refused(77, partition)


def test_an_endpoint_that_nobody_answers_at(duoyun: Any, sandbox: Any) -> None:
    """A private endpoint that is down: what lies behind it is unknown, and nothing is done as long as it is."""
    duoyun.edit(
        duoyun.fleet,
        (
            'account_id: "5000000000000002", endpoint: sandbox',
            f'account_id: "5000000000000002", endpoint: "http://127.0.0.1:{closed_port()}", '
            "credential: {env_prefix: OURS}",
        ),
    )
    keys = {
        "OURS_ACCESS_KEY_ID": "LTAIsomething",
        "OURS_ACCESS_KEY_SECRET": "some-secret",
        "OURS_SECRET_ACCESS_KEY": "x",
    }
    assert "SQLite" in duoyun.on("plan", env=keys).ended(3).err
    quick = ("--local-state", "--timeout", "8s")
    told = duoyun.on("plan", *quick, "-o", "json", env=keys).ended(75).json
    assert any("alibaba-cn" in row for row in told["unobserved"])
    duoyun.on("deploy", *quick, "--yes", env=keys).refused(75, "alibaba-cn")
    assert sandbox.empty


def test_no_sandbox(duoyun: Any) -> None:
    elsewhere = {"DUOYUN_SANDBOX": str(duoyun.home / "none.json")}
    for command in ("plan", "deploy"):
        duoyun.on(command, env=elsewhere).refused(75, "no sandbox is running", "duoyun sandbox up")
    duoyun.on("validate", env=elsewhere).ended(0)
    duoyun("sandbox", "status", env=elsewhere).refused(75, "sandbox up")


def test_a_firewall_of_the_fleets_own_that_policy_denies(duoyun: Any, sandbox: Any) -> None:
    """The article's example, on each of the three clouds."""
    own = "firewalls: [{name: web, ownership: own, rules: [{ports: '22', cidr: 0.0.0.0/0}]}]"
    networks = [f"network: {{ownership: own, name: main, cidr: 10.{n}.0.0/16}}" for n in (13, 14)]
    duoyun.edit(
        duoyun.fleet,
        ('rules: [{ports: "8080",', 'rules: [{ports: "22", cidr: 0.0.0.0/0}, {ports: "8080",'),
        *((network, f"{network}\n      {own}") for network in networks),
    )
    refused = [f["address"] for f in duoyun.plan(code=4)["gate"]["findings"] if f["rule_id"] == "DY-NET-001"]
    assert sorted(a.split("/")[0] for a in refused) == ["alibaba-cn", "aws-cn", "azure-cn"]
    told = duoyun.on("deploy", "--yes").refused(4, "DY-NET-001", "nothing was touched")
    assert all(f"{a}:" in told.err for a in refused)
    assert sandbox.empty
    assert duoyun.on("history", "-o", "json").ended(0).json["revisions"] == []


def test_no_feasible_placement(duoyun: Any, sandbox: Any) -> None:
    duoyun.edit(
        duoyun.app, ("sites: [aws-cn/cn-north-1a, alibaba-cn/cn-hangzhou-h]", "sites: [azure-cn/chinanorth3-1]")
    )
    told = duoyun.on("deploy", "--yes", "-o", "json").ended(6).json
    assert told["reason"] == "infeasible"
    assert "web" in told["detail"]
    assert told["mend"]
    assert sandbox.empty


def test_a_state_of_a_newer_version_is_left_untouched(duoyun: Any) -> None:
    duoyun.on("history").ended(0)
    state = duoyun.home / "state.db"
    db = sqlite3.connect(state)
    db.execute("UPDATE duoyun_schema_version SET version_num = '9999'")
    db.execute("UPDATE duoyun_meta SET value = '9.9.9' WHERE key = 'written_by'")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = state.read_bytes()
    for command in (("plan",), ("deploy", "--yes"), ("status",), ("destroy", "--confirm", "small")):
        duoyun.on(*command).refused(3, "9.9.9", "nothing was changed")
    assert state.read_bytes() == before


def test_a_state_that_is_no_state(duoyun: Any, tmp_path: Any) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, " * 1000)
    duoyun.on("status", env={"DUOYUN_STORE": f"sqlite:///{broken}"}).refused(1, "broken.db")
    assert broken.read_bytes() == b"this is no database, " * 1000
    duoyun.on("status", env={"DUOYUN_STORE": "mysql://somewhere/x"}).refused(3, "mysql")
    nobody = f"postgresql://u:secret-word@127.0.0.1:{closed_port()}/x"
    told = duoyun.on("status", env={"DUOYUN_STORE": nobody}).refused(75, "127.0.0.1")
    assert "secret-word" not in told.out + told.err


def test_nothing_to_compare_resume_or_roll_back(duoyun: Any) -> None:
    duoyun.on("drift scan").refused(3, "not deployed")
    duoyun.on("resume").refused(3, "nothing to resume")
    duoyun.on("rollback").refused(3, "no earlier revision")
    assert "no revision 7" in duoyun.on("rollback", "--to", "7").ended(3).err
    assert "never deployed" in duoyun.on("status").ended(0).out

"""What a survey draws: whose a thing is and its whole address stand there, however narrow the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from cli.survey import show
from model.resources import Address, Kind, KubernetesObject, Network, Observed, State
from orchestrator.survey import Manager, Survey, Surveyed

ACCOUNT = ("azure-cn", "00000000-0000-0000-0000-000000000002", "chinanorth3")


def seen(kind: Kind, name: str, provider_id: str) -> Observed:
    resource = Network(name=name, cidr="") if kind is Kind.NETWORK else KubernetesObject(name=name, manifest={})
    return Observed(
        address=Address(*ACCOUNT, kind, name), resource=resource, provider_id=provider_id, state=State.READY
    )


def drawn(survey: Survey, by: tuple[str, ...] = ()) -> list[str]:
    console = Console(file=io.StringIO(), width=60)
    show(console, survey, by)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_line_is_whole_in_a_narrow_terminal() -> None:
    network = seen(Kind.NETWORK, "main", "/subscriptions/x/virtualNetworks/main")
    pod = seen(Kind.KUBERNETES_OBJECT, "main/default/ConfigMap/legacy", "22192ab5-5ffa")
    rows = (
        Surveyed(network, (Manager("terraform", "azurerm_virtual_network.main", "net.json"),)),
        Surveyed(pod, (Manager("nobody"),)),
    )
    first, second, counts = drawn(Survey(rows))
    owner = "terraform azurerm_virtual_network.main (net.json)"
    assert first == f"{owner}  {network.address}  /subscriptions/x/virtualNetworks/main"
    assert second == f"{'nobody'.ljust(len(owner))}  {pod.address}"
    assert counts.startswith("2 resources in")
    assert drawn(Survey(rows), ("nobody",))[0] == f"nobody  {pod.address}"

"""Environment literals of what was adopted: compared by digest, restored from the cluster, shown to nobody."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from model.errors import Conflict
from model.resources import Address, FieldDiff, Kind, KubernetesObject, Observed
from providers.kubernetes.withheld import MARK, beside, holds_withheld, restored, unread, withhold

LIVE: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "web", "uid": "u-1"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "i:1",
                        "env": [
                            {"name": "PASSWORD", "value": "hunter2"},
                            {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        ],
                    }
                ]
            }
        }
    },
}


def env(manifest: Any) -> list[dict[str, Any]]:
    return list(manifest["spec"]["template"]["spec"]["containers"][0]["env"])


def changed(value: str) -> dict[str, Any]:
    other = copy.deepcopy(LIVE)
    env(other)[0]["value"] = value
    return other


def seen(live: dict[str, Any]) -> Observed:
    address = Address("aws-cn", "1", "r", Kind.KUBERNETES_OBJECT, "main/n/Deployment/web")
    return Observed(address=address, resource=kept(), provider_id="u-1", raw={"object": live})


def kept() -> KubernetesObject:
    return KubernetesObject(name="main/n/Deployment/web", manifest=withhold(LIVE, "u-1"))


def test_a_literal_is_withheld_and_a_reference_is_not() -> None:
    password, reference = env(kept().manifest)
    assert password["value"].startswith(MARK)
    assert reference == env(LIVE)[1]
    assert "hunter2" not in str(kept())
    assert holds_withheld(kept())
    assert not holds_withheld(KubernetesObject(name="x", manifest=LIVE))
    assert withhold(kept().manifest, "u-1") == kept().manifest, "what is withheld stays so"
    assert withhold(LIVE, "u-2") != withhold(LIVE, "u-1"), "equal passwords look different elsewhere"


def test_it_is_compared_without_being_read() -> None:
    assert env(beside(seen(LIVE), kept()).raw["object"]) == env(kept().manifest)
    other = env(beside(seen(changed("other")), kept()).raw["object"])[0]["value"]
    assert other.startswith(MARK)
    assert other != env(kept().manifest)[0]["value"]
    path = "spec.template.spec.containers[name=web].env[name=PASSWORD].value"
    (row,) = unread([FieldDiff(path, "hunter2", "ours")])
    assert (row.before, row.after) == ("withheld:(not shown)", "ours")
    container = path.partition(".env")[0]
    whole = LIVE["spec"]["template"]["spec"]["containers"][0]
    for at, before in (
        (path.removesuffix(".value"), env(LIVE)[0]),
        (f"{container}.env", env(LIVE)),
        (container, whole),
    ):
        (row,) = unread([FieldDiff(at, before, None)])
        assert "hunter2" not in str(row)
        assert "PASSWORD" in str(row.before)
    kept_as_they_are = [FieldDiff("spec.replicas", 1, 2), FieldDiff(f"{container}.image", "a", "b")]
    assert list(unread(kept_as_they_are)) == kept_as_they_are


def test_it_comes_back_from_whoever_has_it() -> None:
    asked: list[int] = []

    def older() -> list[dict[str, Any]]:
        asked.append(1)
        return [changed("older"), LIVE]

    assert restored(kept(), changed("ours"), older).manifest == LIVE
    assert asked == [1]
    with pytest.raises(Conflict, match="PASSWORD had is not kept") as caught:
        restored(kept(), changed("ours"), lambda: [])
    assert "kubectl set env" in caught.value.mend
    plain = KubernetesObject(name="x", manifest=LIVE)
    assert restored(plain, LIVE, older) is plain
    assert asked == [1], "nobody is asked where nothing is withheld"

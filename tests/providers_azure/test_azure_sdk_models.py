"""The SDK's model classes are set up by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network._utils import model_base

from providers.azure.sdk_models import guard_models


def test_a_second_thread_waits_until_the_first_has_set_a_class_up(monkeypatch: pytest.MonkeyPatch) -> None:
    guard_models(NetworkManagementClient)

    class Fresh(model_base.Model):  # type: ignore[misc]
        size: int = model_base.rest_field(name="size")

    inside, other_came_in = threading.Event(), threading.Event()
    original = model_base._RestField._get_deserialize_callable_from_annotation

    def slow(self: Any, annotation: Any) -> Any:
        if inside.is_set():
            other_came_in.set()
        else:
            inside.set()
            other_came_in.wait(0.3)
        return original(self, annotation)

    monkeypatch.setattr(model_base._RestField, "_get_deserialize_callable_from_annotation", slow)
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(Fresh({"size": 3}))) for _ in range(2)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert [m.size for m in made] == [3, 3]
    assert not other_came_in.is_set()


def test_guarding_twice_wraps_once() -> None:
    guard_models(NetworkManagementClient)
    first = model_base.Model.__new__
    guard_models(NetworkManagementClient)
    assert model_base.Model.__new__ is first

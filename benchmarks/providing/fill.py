"""Many resources in the sandbox at once: one that the adapter made is copied where the sandbox keeps it.

Callers: worlds.py, in the sandbox's own process. Making thousands one by one would take minutes and measure nothing;
a copy differs from its model in id, name and tags only, so answers have the fields that the adapter's own would have.
Disks, firewall groups and instances can be copied; an instance with what it is made of (root disk, interface).
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from model.resources import TAG_NAME, Kind
from sandbox.threaded import Running

_NAME = "Name"


def copies(running: Running, cloud: str, kind: Kind, account_id: str, region: str, model_id: str, count: int) -> None:
    """count copies of the resource with that provider id, named `<kind>-<number>`."""
    names = [f"{kind.replace('_', '-')}-{number}" for number in range(count)]
    server = running.sandbox.servers[cloud]
    _FILLERS[cloud](running, server, kind, account_id, region, model_id, names)


def _tags(before: dict[str, str], name: str) -> dict[str, str]:
    return {**before, TAG_NAME: name, **({_NAME: name} if _NAME in before else {})}


# -- AWS: moto's objects ---------------------------------------------------------------------------------------------


def _aws(
    _running: Running, server: Any, kind: Kind, account_id: str, region: str, model_id: str, names: list[str]
) -> None:
    with server.cloud.lock:
        backend = server.cloud.moto.ec2(account_id, region)
        make = {Kind.DISK: _volume, Kind.FIREWALL_GROUP: _group, Kind.INSTANCE: _instance}[kind]
        tags = dict(backend.tags[model_id])
        for name in names:
            made = make(backend, model_id, name)
            backend.tags[made] = _tags(tags, name)


def _volume(backend: Any, model_id: str, _name: str) -> str:
    from moto.ec2.utils import random_volume_id

    made = copy.copy(backend.volumes[model_id])
    made.id, made.modifications, made.attachment = random_volume_id(), [], None
    backend.volumes[made.id] = made
    return str(made.id)


def _group(backend: Any, model_id: str, name: str) -> str:
    from moto.ec2.utils import random_security_group_id

    model = next(groups[model_id] for groups in backend.groups.values() if model_id in groups)
    made = copy.copy(model)
    made.id = made.group_id = random_security_group_id()
    made.name = made.group_name = name
    backend.groups[made.vpc_id][made.id] = made
    return str(made.id)


def _instance(backend: Any, model_id: str, name: str) -> str:
    from moto.ec2.models.instances import Reservation
    from moto.ec2.utils import random_instance_id, random_reservation_id

    model = next(i for r in backend.reservations.values() for i in r.instances if i.id == model_id)
    made = copy.copy(model)
    made.id, made.block_device_mapping = random_instance_id(), copy.copy(model.block_device_mapping)
    for device, mapped in list(model.block_device_mapping.items()):
        root = _volume(backend, mapped.volume_id, name)
        backend.tags[root] = _tags(dict(backend.tags[mapped.volume_id]), name)
        there = made.block_device_mapping[device] = copy.copy(mapped)
        there.volume_id = root
        attachment = copy.copy(backend.volumes[mapped.volume_id].attachment)
        attachment.volume, attachment.instance = backend.volumes[root], made
        backend.volumes[root].attachment = attachment
    reservation = Reservation(reservation_id=random_reservation_id(), owner_id=model.owner_id)
    reservation.instances.append(made)
    backend.reservations[reservation.id] = reservation
    return str(made.id)


# -- Azure: records of the store -------------------------------------------------------------------------------------


def _azure(
    running: Running, server: Any, kind: Kind, _account_id: str, _region: str, model_id: str, names: list[str]
) -> None:
    store = server.engine.store
    model = store.get(model_id)
    parts = [model, *_interfaces(store, model)] if kind is Kind.INSTANCE else [model]

    def add() -> None:
        for name in names:
            for part in parts:
                text = json.dumps([part.id, part.properties, part.body])
                made_id, properties, body = json.loads(_renamed(text, model.name, name))
                store.put(
                    replace(
                        part, id=made_id, name=made_id.rpartition("/")[2], properties=properties, body=body,
                        tags=_tags(part.tags, name), hidden=copy.deepcopy(part.hidden), etag="", guid="",
                    )
                )  # fmt: skip

    _on_loop(running, add)


def _interfaces(store: Any, machine: Any) -> list[Any]:
    rows = machine.properties["networkProfile"]["networkInterfaces"]
    return [store.get(row["id"]) for row in rows]


def _renamed(text: str, before: str, after: str) -> str:
    """Where the name stands alone or before `-nic` and the like at the end of an id."""
    return text.replace(f"/{before}", f"/{after}")


# -- Alibaba Cloud: records of the estate ----------------------------------------------------------------------------


def _alibaba(
    running: Running, server: Any, kind: Kind, account_id: str, _region: str, model_id: str, names: list[str]
) -> None:
    cloud = server._cloud
    estate = cloud.estates[account_id]
    held, key = {
        Kind.DISK: (estate.things, f"disk/{model_id}"),
        Kind.FIREWALL_GROUP: (estate.groups, model_id),
        Kind.INSTANCE: (estate.machines, model_id),
    }[kind]
    model, prefix = held[key], model_id.partition("-")[0]

    def add() -> None:
        for name in names:
            made_id = cloud.new_id(f"{prefix}-", 20)
            more = {"disk_id": cloud.new_id("d-", 20)} if kind is Kind.INSTANCE else {}
            held[key.replace(model_id, made_id)] = replace(
                copy.deepcopy(model), id=made_id, name=name, tags=_tags(model.tags, name), **more
            )

    _on_loop(running, add)


def _on_loop(running: Running, work: Callable[[], None]) -> None:
    """In the sandbox's own thread, where its records live."""

    async def done() -> None:
        work()

    asyncio.run_coroutine_threadsafe(done(), running.loop).result(300)


_FILLERS: dict[str, Callable[..., None]] = {"aws": _aws, "azure": _azure, "alibaba": _alibaba}

"""The live view of a release: a lane per cloud, a bar per wave, and what waits for what. An EventSink.

On a terminal it redraws in place; elsewhere (CI, a pipe, TERM=dumb) it prints one line per thing that matters.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from model.plan import Action, Op
from model.ports import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERBS = {
    Op.CREATE: "create",
    Op.UPDATE: "update",
    Op.REPLACE: "replace",
    Op.DELETE: "delete",
    Op.ADOPT: "confirm",
}
_RUNNING_SHOWN = 5
_WAITING_SHOWN = 4


@dataclass(slots=True)
class _Row:
    action: Action
    state: str = "waiting"
    started_s: float = 0.0
    note: str = ""


@dataclass(slots=True)
class _Book:
    """What the view knows; written by engine threads, read by the drawing thread, under one lock."""

    rows: dict[str, _Row] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    title: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)


class LiveView:
    """Use as a context manager around a release; `plan(actions)` tells it what is to come."""

    def __init__(self, console: Console, titles: Mapping[str, str], *, interactive: bool | None = None) -> None:
        self._console = console
        self._titles = titles  # partition -> title for people
        self._interactive = console.is_terminal and not console.is_dumb_terminal if interactive is None else interactive
        self._book = _Book()
        self._live: Live | None = None
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        if self._interactive:
            self._live = Live(
                get_renderable=self._draw, console=self._console, refresh_per_second=8, transient=True, screen=False
            )
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def plan(self, title: str, actions: Sequence[Action]) -> None:
        """Begins a new phase (deploy, rollback) with these actions."""
        with self._book.lock:
            self._book.title = title
            self._book.rows = {a.id: _Row(a) for a in actions}
        self._began_s = time.monotonic()
        if not self._interactive:
            self._console.print(f"{escape(title)}: {len(actions)} actions")

    def emit(self, event: Event) -> None:
        data = event.data
        with self._book.lock:
            row = self._book.rows.get(str(data.get("action", "")))
            if event.kind == "action_started" and row:
                row.state, row.started_s, row.note = "running", time.monotonic(), ""
            elif event.kind == "action_progress" and row:
                row.note = str(data.get("line", ""))
            elif event.kind == "action_done" and row and row.state != "done":  # a stage tells what those before it did
                row.state = "done"
                self._tell(row, "done")
            elif event.kind == "action_failed" and row:
                row.state = "failed"
                error = data.get("error")
                text = error.get("summary", "") if isinstance(error, dict) else str(error or "")
                self._say(f"[red]failed[/] {_what(row.action)}: {escape(text)}")
            elif event.kind == "action_skipped" and row:
                row.state = "skipped"
            elif text := str(data.get("text", "")):
                self._say(escape(text))

    def say(self, markup: str) -> None:
        """A line that stays."""
        with self._book.lock:
            self._say(markup)

    def _tell(self, row: _Row, word: str) -> None:
        """Without redrawing, only what a reader of a CI log cares for: infrastructure and Deployments."""
        address = row.action.address
        notable = address.kind.value != "kubernetes_object" or "/Deployment/" in address.name
        if notable and not self._interactive:
            self._console.print(f"  {word} {_what(row.action)} ({time.monotonic() - row.started_s:.1f} s)")

    def _say(self, markup: str) -> None:
        if self._live:
            self._live.console.print(markup)
        else:
            self._console.print(markup)

    # -- drawing --------------------------------------------------------------------------------------------------

    def _draw(self) -> RenderableType:
        with self._book.lock:
            rows = list(self._book.rows.values())
            title = self._book.title
        if not rows:
            return Text("")
        elapsed = time.monotonic() - self._began_s
        done = sum(r.state == "done" for r in rows)
        head = Text.assemble((title, "bold"), f"   {done}/{len(rows)} actions   {elapsed:5.1f} s")
        return Group(head, self._lanes(rows), self._waves(rows), self._waiting(rows))

    def _lanes(self, rows: list[_Row]) -> RenderableType:
        grid = Table.grid(expand=True, padding=(0, 1))
        lanes: dict[str, list[_Row]] = {}
        for row in rows:
            lanes.setdefault(row.action.address.partition, []).append(row)
        panels = []
        for partition in sorted(lanes):
            grid.add_column(ratio=1)
            panels.append(self._lane(partition, lanes[partition]))
        grid.add_row(*panels)
        return grid

    def _lane(self, partition: str, rows: list[_Row]) -> Panel:
        states = Counter(r.state for r in rows)
        running = sorted((r for r in rows if r.state == "running"), key=lambda r: r.started_s)
        body = Table.grid(padding=(0, 1))
        body.add_column(no_wrap=True, overflow="ellipsis")
        body.add_column(justify="right", no_wrap=True)
        for row in running[:_RUNNING_SHOWN]:
            body.add_row(Text(_what(row.action)), f"{time.monotonic() - row.started_s:.1f} s")
        for _ in range(_RUNNING_SHOWN - min(len(running), _RUNNING_SHOWN)):
            body.add_row("", "")
        more = len(running) - _RUNNING_SHOWN
        body.add_row(Text(f"and {more} more" if more > 0 else "", style="dim"), "")
        failed = states["failed"]
        colour = "red" if failed else ("green" if states["done"] == len(rows) else "cyan")
        foot = f"{states['done']}/{len(rows)}" + (f", {failed} failed" if failed else "")
        return Panel(body, title=self._titles.get(partition, partition), subtitle=foot, border_style=colour)

    def _waves(self, rows: list[_Row]) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        waves: dict[int, list[_Row]] = {}
        for row in rows:
            waves.setdefault(row.action.wave, []).append(row)
        for wave, members in sorted(waves.items()):
            done = sum(r.state == "done" for r in members)
            failed = any(r.state == "failed" for r in members)
            services = sorted({r.action.service for r in members if r.action.service}) if wave else []
            colour = "red" if failed else ("green" if done == len(members) else "cyan")
            name = ", ".join(services) or "infrastructure"
            table.add_row(
                f"wave {wave}" if services else "ground",
                Bar(len(members), 0, done, width=24, color=colour),
                Text(f"{done}/{len(members)} {name}", style="dim" if done == len(members) else ""),
            )
        return table

    def _waiting(self, rows: list[_Row]) -> RenderableType:
        """Which services wait, and for which; only what is next in line."""
        by_id = {r.action.id: r for r in rows}
        lines: dict[str, set[str]] = {}
        for row in rows:
            if row.state != "waiting" or not row.action.service:
                continue
            open_ones = [by_id[d] for d in row.action.depends_on if d in by_id and by_id[d].state != "done"]
            if open_ones and all(r.state == "running" for r in open_ones):
                waits = {_short(r.action) for r in open_ones} - {row.action.service}
                lines.setdefault(row.action.service, set()).update(waits)
        shown = [
            Text(f"{service} waits for {', '.join(sorted(names)[:4])}", style="dim", no_wrap=True)
            for service, names in sorted(lines.items())
            if names
        ]
        return Group(*shown[:_WAITING_SHOWN])


def _kind(action: Action) -> str:
    address = action.address
    kind = address.name.split("/")[2] if address.kind.value == "kubernetes_object" else address.kind.value
    return kind.replace("_", " ")


def _short(action: Action) -> str:
    return action.service or f"{_kind(action)} {action.address.name.rsplit('/', 1)[-1]}"


def _what(action: Action) -> str:
    name = action.address.name.rsplit("/", 1)[-1]
    return f"{_VERBS[action.op]} {_kind(action)} {name} in {action.address.region}"

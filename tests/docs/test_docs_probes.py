"""The agent's Deployment in docs/probes.md: a cluster takes it, and the command it runs is the one there is."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import typer
import yaml

from cli import main


def test_the_agents_deployment_is_one(pages: dict[str, Any]) -> None:
    (text,) = (text for language, text in pages["docs/probes.md"].blocks if language == "yaml")
    manifest = yaml.safe_load(text)
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    main._register()
    command: Any = typer.main.get_command(main.app)
    words = list(container["args"])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    by_flag = {flag: p for p in command.params for flag in p.opts}
    given = {by_flag[flag].name for flag in words[::2]}
    variables = {row["name"] for row in container["env"]}
    given |= {p.name for p in command.params if p.envvar in variables}
    assert variables <= {p.envvar for p in command.params}
    assert {p.name for p in command.params if p.required} <= given

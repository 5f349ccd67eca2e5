"""Reads which container a VM's user data starts, so that the sandbox's VMs can run it.

Callers: the clouds' servers when a VM is created. Understood: a cloud-config (or shell script) in which a systemd unit
or `runcmd` says `podman run ... IMAGE` (or docker, nerdctl). Not a cloud-init: packages, users and disks are ignored.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from sandbox.world import ContainerSpec

BEHAVIOUR = "sandbox.duoyun.dev/behaviour"
_ENGINES = ("podman", "docker", "nerdctl")
_IDENTITY_LABELS = {
    "app.kubernetes.io/name": "service",
    "app.kubernetes.io/version": "version",
    "duoyun.dev/site": "site",
}
# Options of `podman run` that take no value (podman-run(1)); every other long option written without `=` takes one.
_FLAGS = frozenset(
    [
        "--detach",
        "--rm",
        "--replace",
        "--init",
        "--interactive",
        "--tty",
        "--privileged",
        "--read-only",
        "--quiet",
        "--publish-all",
        "--no-hosts",
        "--tls-verify",
        "--http-proxy",
        "--no-healthcheck",
        "--oom-kill-disable",
        "--rmi",
        "--sig-proxy",
        "--env-host",
        "--passwd",
    ]
)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_SYSTEMD_PIECE = re.compile(rf"{_QUOTED}|(?:[^\s\"'\\]|\\.)+")
_SYSTEMD_WORD = re.compile(rf"(?:{_QUOTED}|[^\s\"'\\]|\\.)+")
_SHORT_WITH_VALUE = "pelvwhmuca"


def parse_user_data(text: str) -> ContainerSpec | None:
    """The one container that this user data starts, or None where it starts none.

    text: user data as the cloud's API got it: plain or base64 (gzip inside is undone). ports of the answer are those
    the VM listens on: the host side of `-p`, and `--expose`. identity holds service, version and site from the labels
    (version else from the image's tag). Raises ValueError where the behaviour annotation is no JSON object.
    """
    plain = _decode(text)
    for command in _commands(plain):
        found = _podman_run(command)
        if found is not None:
            return found
    return None


def _decode(text: str) -> str:
    if text.lstrip().startswith(("#", "write_files", "runcmd", "packages")):
        return text
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        return data.decode()
    except (binascii.Error, UnicodeDecodeError, OSError, EOFError):
        return text


def _commands(text: str) -> Iterator[list[str]]:
    """Argument lists of everything that is executed, in order: units first, then runcmd, then a script's lines."""
    if text.lstrip().startswith("#!"):
        yield from _script(text)
        return
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return  # cloud-init logs such a document and boots the machine without it
    if not isinstance(document, Mapping):
        return
    for entry in document.get("write_files") or ():
        if isinstance(entry, Mapping):
            content = _file_content(entry)
            yield from _unit(content) if "ExecStart" in content else _script(content)
    for entry in document.get("runcmd") or ():
        if isinstance(entry, list):
            yield [str(part) for part in entry]
        else:
            yield from _script(str(entry))


def _file_content(entry: Mapping[str, Any]) -> str:
    content, encoding = str(entry.get("content") or ""), str(entry.get("encoding") or "")
    return _decode(content) if "b64" in encoding or "base64" in encoding else content


def _unit(content: str) -> Iterator[list[str]]:
    """systemd.service(5): `\\` at a line's end continues it; prefixes -@:+! ; %% and $$ stand for % and $."""
    joined = re.sub(r"\\\n\s*", " ", content)
    for line in joined.splitlines():
        key, _, value = line.strip().partition("=")
        if key.strip() == "ExecStart" and value.strip():
            words = systemd_words(value.strip().lstrip("-@:+!"))
            yield [word.replace("%%", "%").replace("$$", "$") for word in words]


def systemd_words(line: str) -> list[str]:
    """Splits a command line by systemd.syntax(7): quotes of both kinds, and C escapes inside and outside of them."""
    words: list[str] = []
    for match in _SYSTEMD_WORD.finditer(line):
        pieces = _SYSTEMD_PIECE.findall(match[0])
        words.append("".join(_unescaped(piece[1:-1] if piece[0] in "\"'" else piece) for piece in pieces))
    return words


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code.isdigit() else _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text)


def _script(text: str) -> Iterator[list[str]]:
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if any(engine in line for engine in _ENGINES):
            yield _split(line)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote: not a command that any shell would run
        return []


def _podman_run(words: list[str]) -> ContainerSpec | None:
    start = next(
        (i for i, word in enumerate(words[:-1]) if word.rsplit("/", 1)[-1] in _ENGINES and words[i + 1] == "run"), None
    )
    if start is None:
        return None
    options, image = _options(words[start + 2 :])
    if not image:
        return None
    labels = dict(value.partition("=")[::2] for name, value in options if name in ("--label", "-l"))
    annotations = dict(value.partition("=")[::2] for name, value in options if name == "--annotation")
    env = dict(value.partition("=")[::2] for name, value in options if name in ("--env", "-e") and "=" in value)
    return ContainerSpec(
        image=image,
        ports=_ports(options),
        env=env,
        behaviour=_behaviour(annotations.get(BEHAVIOUR) or labels.get(BEHAVIOUR) or ""),
        identity=_identity(image, labels),
    )


def _options(words: list[str]) -> tuple[list[tuple[str, str]], str]:
    """(options with their values, image): the image is the first word that belongs to no option."""
    found: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return found, next(rest, "")
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            takes_next = not equals and name not in _FLAGS
            found.append((name, next(rest, "") if takes_next else value))
        elif word.startswith("-") and len(word) > 1:
            if word[1] not in _SHORT_WITH_VALUE:
                continue  # -d, -i, -t, -dit
            found.append((word[:2], word[2:].removeprefix("=") or next(rest, "")))
        else:
            return found, word
    return found, ""


def _ports(options: list[tuple[str, str]]) -> tuple[int, ...]:
    """`8080`, `80:8080`, `127.0.0.1:80:8080/tcp` and ranges `8000-8002:8000-8002`; the host's side counts."""
    ports: list[int] = []
    for name, value in options:
        if name not in ("-p", "--publish", "--expose"):
            continue
        parts = value.partition("/")[0].split(":")
        host = parts[-2] if len(parts) > 1 and parts[-2] else parts[-1]
        first, _, last = host.partition("-")
        if first.isdigit() and (last or first).isdigit():
            ports.extend(range(int(first), int(last or first) + 1))
    return tuple(dict.fromkeys(ports))


def _behaviour(text: str) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise ValueError(f"{BEHAVIOUR} is no JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise ValueError(f"{BEHAVIOUR} must be a JSON object, not {text!r}")  # noqa: TRY004  (a bad value, not type)
    return value


def _identity(image: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    named = {_IDENTITY_LABELS[key]: value for key, value in labels.items() if key in _IDENTITY_LABELS}
    tag = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[2]
    return ({"version": tag} if tag else {}) | named

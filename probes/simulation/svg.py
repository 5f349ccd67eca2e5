"""A timeline as SVG: trouble above, one bar a detector below. Text only, no library needed to look at it."""

from __future__ import annotations

from html import escape

from probes.simulation.timeline import Timeline

WIDTH, LEFT, ROW, PLOT = 1120, 300, 22, 620
COLOURS = {"blackout": "#333333", "loss": "#b07aa1", "delay": "#f2a33a", "stall": "#4e79a7"}
BAD, GOOD, CRASH = "#d62728", "#dfeadf", "#7f0000"


def svg(found: Timeline, most_places: int = 24) -> str:
    """The picture. At most so many places with trouble are drawn; the rest is counted in a line."""
    places = sorted(found.trouble.items(), key=lambda p: -sum(b - a for a, b, _ in p[1]))
    shown = places[:most_places]
    height = ROW * (len(shown) + len(found.rows) + 6)
    scale = PLOT / found.end_s
    label = f"What each of {len(found.rows)} detectors made of release {found.release} in scenario {found.scenario}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(label, quote=True)}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
        _text(10, 18, f"scenario {found.scenario}, release {found.release}: what happened"),
    ]
    y = 30
    for place, spans in shown:
        out.append(_text(10, y + 13, place))
        out += [_bar(LEFT + a * scale, y, (b - a) * scale, COLOURS[what], what) for a, b, what in spans]
        y += ROW
    if len(places) > len(shown):
        out.append(_text(10, y + 13, f"and {len(places) - len(shown)} more places"))
        y += ROW
    for index, (what, colour) in enumerate(COLOURS.items()):
        out.append(_bar(LEFT + index * 110, y + 2, 12, colour, what) + _text(LEFT + 18 + index * 110, y + 13, what))
    y += 2 * ROW
    out.append(_text(10, y - 6, "what each detector made of it (red: a service stands condemned)"))
    for row in found.rows:
        out.append(_text(10, y + 13, row.detector) + _bar(LEFT, y, PLOT, GOOD, "watched"))
        out += [_bar(LEFT + a * scale, y, (b - a) * scale, BAD, "condemned") for a, b in row.bad]
        if row.rolled_back_s is not None and row.rolled_back_s <= found.end_s:
            x = LEFT + row.rolled_back_s * scale
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 16}" stroke="black" stroke-width="3"/>')
        out.append(_text(LEFT + PLOT + 10, y + 13, row.end))
        y += ROW
    if found.crash is not None:
        x = LEFT + found.crash[1] * scale
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="30" y2="{y}" stroke="{CRASH}" stroke-dasharray="4 3"/>')
        kind = "refuses" if found.crash[2] else "is silent"
        out.append(_text(x + 4, 28, f"{found.crash[0]} crashes, {kind}"))
    for second in range(0, int(found.end_s) + 1, 60):
        out.append(_text(LEFT + second * scale - 6, y + 14, f"{second} s"))
    return "\n".join([*out, "</svg>\n"])


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}">{escape(text)}</text>'


def _bar(x: float, y: float, width: float, colour: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{max(1.0, width):.1f}" height="16" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )

"""`python -m bench.recall.chart < output > chart.svg`: hits against wrong ones, out of what the benchmark printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import orjson

SETS = {"banking77": "BANKING77", "clinc150": "CLINC150"}
ARMS = {
    "": ("CacheDistill", "#0b6e4f"),
    ".static_best": ("best threshold in hindsight", "#8d99ae"),
    ".vcache": ("vCache's rule", "#d1495b"),
    ".redisvl": ("RedisVL's default", "#edae49"),
}
BUDGETS = (10, 20, 50)
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 330, 260, 50, 40, 60
_MOST_WRONG, _MOST_HITS = 0.11, 1.0


def chart(figures: Mapping[str, float]) -> str:
    """An SVG with a panel for each set: the share of wrong answers among those served, and how many were served."""
    width = 2 * _LEFT + 2 * _WIDTH + _GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT + _TOP + 80}" {_FONT}>']
    parts.append(f'<rect width="{width}" height="{_HEIGHT + _TOP + 80}" fill="white"/>')
    for place, (name, title) in enumerate(SETS.items()):
        left = _LEFT + place * (_WIDTH + _GAP)
        parts += [f'<g transform="translate({left} {_TOP})">', *_panel(name, title, figures), "</g>"]
    for place, (label, colour) in enumerate(ARMS.values()):
        x = _LEFT + place * 180
        y = _HEIGHT + _TOP + 62
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/><text x="{x + 10}" y="{y}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


_FONT = 'font-family="sans-serif" font-size="12" fill="#222"'


def _panel(name: str, title: str, figures: Mapping[str, float]) -> Iterator[str]:
    yield f'<text x="{_WIDTH / 2}" y="-14" text-anchor="middle" font-size="14">{title}</text>'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbb"/>'
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        yield f'<line x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="#eee"/>'
        yield f'<text x="-6" y="{y + 4}" text-anchor="end">{percent}</text>'
    for budget in BUDGETS:
        x = _x(budget / 1000)
        yield f'<line x1="{x}" x2="{x}" y1="0" y2="{_HEIGHT}" stroke="#0b6e4f" stroke-dasharray="3 3"/>'
        yield f'<text x="{x}" y="{_HEIGHT + 16}" text-anchor="middle">{budget / 10:g}</text>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 34}" text-anchor="middle">wrong, % of what was served</text>'
    if name == next(iter(SETS)):
        middle = _HEIGHT / 2
        yield f'<text transform="translate(-36 {middle}) rotate(-90)" text-anchor="middle">served, % of queries</text>'
    for arm, (_, colour) in ARMS.items():
        points = [(_x(figures[f"{name}.wrong_{at}{arm}"]), _y(figures[f"{name}.hits_{at}{arm}"])) for at in BUDGETS]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>' for x, y in points)


def _x(wrong: float) -> float:
    return round(_WIDTH * min(wrong, _MOST_WRONG) / _MOST_WRONG, 1)


def _y(hits: float) -> float:
    return round(_HEIGHT * (1 - hits / _MOST_HITS), 1)


if __name__ == "__main__":
    sys.stdout.write(chart(orjson.loads(sys.stdin.read().splitlines()[-1])["figures"]))

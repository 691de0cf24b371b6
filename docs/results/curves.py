#!/usr/bin/env python3
"""Draws the curves of a results page (its first table with a column "seconds": name, seconds, held-out loss) as NAME-curves.svg."""
import sys
from html import escape

for page in sys.argv[1:]:
    curves, inside = {}, False
    for line in open(page, encoding="utf-8"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if "seconds" in cells:
            inside = True
        elif inside and not cells:
            break
        elif inside and not cells[0].startswith("-"):
            curves.setdefault(cells[0], []).append((float(cells[2].replace(",", "")), float(cells[3])))
    last = max(x for points in curves.values() for x, _ in points)
    low, high = 3.7, max(y for points in curves.values() for _, y in points)
    at = lambda x, y: f"{60 + 620 * x / last:.1f},{30 + 300 * (high - y) / (high - low):.1f}"
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="390" font-family="sans-serif" font-size="13">',
           '<rect width="720" height="390" fill="#fff"/>', '<text x="8" y="18" font-weight="bold">Held-out loss, nats a token</text>']
    for tick in [3.8 + 0.2 * i for i in range(int((high - 3.8) / 0.2) + 1)]:
        x, y = at(0, tick).split(",")
        out.append(f'<line x1="60" y1="{y}" x2="680" y2="{y}" stroke="#ddd"/><text x="52" y="{float(y) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for seconds in range(0, int(last) + 1, 500):
        x = at(seconds, low).split(",")[0]
        out.append(f'<text x="{x}" y="350" text-anchor="middle">{seconds:,}</text>')
    out.append('<text x="370" y="375" text-anchor="middle">seconds</text>')
    for (name, points), colour in zip(curves.items(), ("#c08040", "#4878a8")):
        out.append(f'<polyline points="{" ".join(at(x, y) for x, y in points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at(x, y).split(",")[0]}" cy="{at(x, y).split(",")[1]}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = at(*points[-1]).split(",")
        out.append(f'<text x="{min(float(x), 640):.1f}" y="{float(y) + 20:.1f}" text-anchor="middle" fill="{colour}">{escape(name)}</text>')
    out.append("</svg>")
    with open(page.removesuffix(".md") + "-curves.svg", "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")

#!/usr/bin/env python3
"""Draws the ratios to peers of a results page (its first table with a column "ratio") as NAME.svg beside NAME.md."""
import re, sys
from html import escape

for page in sys.argv[1:]:
    rows, columns = [], None
    for line in open(page, encoding="utf-8"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if columns is None and "ratio" in cells and "asked" in cells:
            columns = cells.index("asked"), cells.index("ratio")
        elif columns and not cells:
            break
        elif columns and re.fullmatch(r"[\d.]+", cells[columns[1]]) and cells[columns[0]] != "-":
            rows.append((cells[0], float(cells[columns[0]]), float(cells[columns[1]]), cells[columns[1]]))
    left, scale, step = 16 + 8 * max(len(row[0]) for row in rows), 60, 24
    width, height = max(left + int(max(max(row[1:3]) for row in rows) * scale) + 60, 480), len(rows) * step + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
           '<style>.paper { fill: #fff } text, .mark { fill: #222 }'
           ' @media (prefers-color-scheme: dark) { .paper { fill: #161b22 } text, .mark { fill: #e6e6e6 } }</style>',
           f'<rect class="paper" width="{width}" height="{height}"/>',
           f'<text x="8" y="18" font-weight="bold">Speed as a multiple of the peer\'s; the mark is what was asked</text>']
    for i, (name, asked, ratio, said) in enumerate(rows):
        y = 30 + i * step
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{ratio * scale:.0f}" height="16" fill="{"#4878a8" if ratio >= asked else "#c08040"}"/>')
        out.append(f'<rect x="{left + asked * scale:.0f}" y="{y}" width="2" height="20" class="mark"/>')
        out.append(f'<text x="{left + max(ratio, asked) * scale + 8:.0f}" y="{y + 14}">{said}</text>')
    out.append(f'<line x1="{left + scale}" y1="26" x2="{left + scale}" y2="{height - 18}" stroke="#888" stroke-dasharray="3"/>')
    out.append(f'<text x="{left + scale}" y="{height - 5}" text-anchor="middle">as fast as the peer</text></svg>')
    with open(page.removesuffix(".md") + ".svg", "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")

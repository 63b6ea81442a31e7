"""Draws a receipt on one page of A4.

The fonts are those that every PDF reader has: Helvetica, and for what it cannot write the Chinese STSong-Light. Nothing
is looked for on the machine. The same receipt always gives the same bytes.
"""

import io
import math
import re

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from webapp.receipts.words import Facts, Receipt

PLAIN, BOLD, OTHER = "Helvetica", "Helvetica-Bold", "STSong-Light"
# Once a process: whoever measures a text needs it as well as whoever draws one.
pdfmetrics.registerFont(UnicodeCIDFont(OTHER))

INK, QUIET, ACCENT = HexColor("#16252d"), HexColor("#46555c"), HexColor("#005f73")
FAINT, LINE, GOOD = HexColor("#bcd9de"), HexColor("#dae1e3"), HexColor("#1c5e39")

WIDTH, HEIGHT = A4
LEFT, RIGHT = 22 * mm, WIDTH - 22 * mm
GAP = 12 * mm
"""Between the two columns of facts."""
TERM = 30 * mm
"""How wide the terms of a column are."""
FOOT = 25 * mm
"""Where the foot begins, from below."""
SEAL = 17 * mm
"""The radius of the rosette."""


def draw(receipt: Receipt) -> bytes:
    """The receipt as a PDF file."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1, lang=receipt.language)
    canvas.setTitle(f"{receipt.title} {receipt.number}")
    canvas.setAuthor(receipt.shop)
    canvas.setSubject(receipt.sentence)
    _ornament(canvas)
    # Drawn once on paper that nobody sees: what would run into the foot is made smaller, and nothing is cut off.
    end = _body(Canvas(io.BytesIO()), receipt)
    scale = min(1.0, (HEIGHT - FOOT - 8 * mm) / (HEIGHT - end))
    canvas.saveState()
    canvas.translate(LEFT * (1 - scale), HEIGHT * (1 - scale))
    canvas.scale(scale, scale)
    _body(canvas, receipt)
    canvas.restoreState()
    _foot(canvas, receipt)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


# Words


def runs(text: str, font: str) -> list[tuple[str, str]]:
    """Pieces of a text with the font that can write each: (piece, font)."""
    found: list[tuple[str, str]] = []
    for character in text:
        fits = character.encode("cp1252", "ignore") or character.isspace()
        chosen = font if fits else OTHER
        if found and found[-1][1] == chosen:
            found[-1] = (found[-1][0] + character, chosen)
        else:
            found.append((character, chosen))
    return found


def width_of(text: str, font: str, size: float) -> float:
    """How wide a text is, in points."""
    return sum(pdfmetrics.stringWidth(piece, name, size) for piece, name in runs(text, font))


def wrapped(text: str, font: str, size: float, width: float) -> list[str]:
    """A text in lines that are no wider than ``width``.

    Chinese may be broken anywhere. A word that is longer than a line is broken after a dot or a hyphen, as the names of
    domains have them, and where even that is too long, anywhere.
    """

    def fits(line: str) -> bool:
        return width_of(line.rstrip(), font, size) <= width

    lines = [""]
    for word in re.findall(r"[\u2e80-\uffff]|[^\s\u2e80-\uffff]+|\s+", text):
        for part in [word] if fits(word) else re.findall(r"[^.-]*[.-]+|[^.-]+", word):
            for piece in [part] if fits(part) else part:
                if not fits(lines[-1] + piece):
                    lines.append("")
                lines[-1] += piece
    return [line.strip() for line in lines if line.strip()] or [""]


def _write(canvas: Canvas, x: float, y: float, text: str, size: float, colour: Color, font: str = PLAIN) -> None:
    """Write one line; it stays one line of text for whoever copies or listens to it."""
    line = canvas.beginText(x, y)
    line.setFillColor(colour)
    for piece, name in runs(text, font):
        line.setFont(name, size)
        line.textOut(piece)
    canvas.drawText(line)


def _write_to(canvas: Canvas, right: float, y: float, text: str, size: float, colour: Color, font: str = PLAIN) -> None:
    _write(canvas, right - width_of(text, font, size), y, text, size, colour, font)


def _write_lines(
    canvas: Canvas, x: float, y: float, width: float, text: str, size: float, colour: Color, font: str = PLAIN
) -> float:
    """Write as many lines as it takes; returns where the last one stands."""
    lines = wrapped(text, font, size, width)
    for number, line in enumerate(lines):
        _write(canvas, x, y - number * size * 1.45, line, size, colour, font)
    return y - (len(lines) - 1) * size * 1.45


# The page from top to bottom


def _body(canvas: Canvas, receipt: Receipt) -> float:
    """Everything above the foot; returns where it ends."""
    below = _head(canvas, receipt)
    below = _news(canvas, receipt, below - 19 * mm)
    below = _facts(canvas, receipt, below - 16 * mm)
    return _reckoning(canvas, receipt, below - 4 * mm)


def _head(canvas: Canvas, receipt: Receipt) -> float:
    top = HEIGHT - 30 * mm
    _mark(canvas, LEFT + 5 * mm, top + 1.6 * mm, 5 * mm)
    below = _write_lines(canvas, LEFT + 13 * mm, top, 88 * mm, receipt.shop, 14, INK, BOLD)
    _write_to(canvas, RIGHT, top, receipt.title, 14, ACCENT, BOLD)
    _write_to(canvas, RIGHT, top - 5.5 * mm, receipt.number, 9.5, QUIET)
    return _write_lines(canvas, LEFT + 13 * mm, below - 5.5 * mm, 88 * mm, receipt.address, 9.5, QUIET)


def _news(canvas: Canvas, receipt: Receipt, top: float) -> float:
    _write(canvas, LEFT, top, receipt.amount, 30, INK, BOLD)
    wide = width_of(receipt.state, BOLD, 10)
    left = LEFT + width_of(receipt.amount, BOLD, 30) + 6 * mm
    canvas.setFillColor(HexColor("#e6f4ea"))
    canvas.roundRect(left, top - 0.6 * mm, wide + 12 * mm, 8 * mm, 4 * mm, stroke=0, fill=1)
    canvas.setStrokeColor(GOOD)
    canvas.setLineWidth(1.4)
    _check(canvas, left + 5 * mm, top + 3.4 * mm, 1.6 * mm)
    _write(canvas, left + 8.5 * mm, top + 2.1 * mm, receipt.state, 10, GOOD, BOLD)
    return _write_lines(canvas, LEFT, top - 11 * mm, RIGHT - LEFT - 2.5 * SEAL, receipt.sentence, 11, INK)


def _facts(canvas: Canvas, receipt: Receipt, top: float) -> float:
    """The sections in pairs; each pair begins at one height."""
    column = (RIGHT - LEFT - GAP) / 2
    for first in range(0, len(receipt.sections), 2):
        ends = [
            _section(canvas, LEFT + place * (column + GAP), top, column, title, facts)
            for place, (title, facts) in enumerate(receipt.sections[first : first + 2])
        ]
        top = min(ends) - 12 * mm
    return top


def _section(canvas: Canvas, x: float, y: float, width: float, title: str, facts: Facts) -> float:
    _write(canvas, x, y, title, 10.5, ACCENT, BOLD)
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.8)
    canvas.line(x, y - 2.6 * mm, x + width, y - 2.6 * mm)
    y -= 3 * mm
    for term, said in facts:
        y -= 5.2 * mm
        end = _write_lines(canvas, x, y, TERM - 2 * mm, term, 9, QUIET)
        y = min(end, _write_lines(canvas, x + TERM, y, width - TERM, said, 9, INK))
    return y


def _reckoning(canvas: Canvas, receipt: Receipt, top: float) -> float:
    _write(canvas, LEFT, top, receipt.reckoning, 10.5, ACCENT, BOLD)
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.8)
    canvas.line(LEFT, top - 2.6 * mm, RIGHT, top - 2.6 * mm)
    y = top - 3 * mm
    for label, amount in receipt.lines:
        y -= 6 * mm
        _write(canvas, LEFT, y, label, 10, INK)
        _write_to(canvas, RIGHT, y, amount, 10, INK)
    canvas.setStrokeColor(INK)
    canvas.line(LEFT, y - 3 * mm, RIGHT, y - 3 * mm)
    label, amount = receipt.total
    _write(canvas, LEFT, y - 9.5 * mm, label, 12, INK, BOLD)
    _write_to(canvas, RIGHT, y - 9.5 * mm, amount, 12, INK, BOLD)
    return y - 9.5 * mm


def _foot(canvas: Canvas, receipt: Receipt) -> None:
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.8)
    canvas.line(LEFT, FOOT, RIGHT, FOOT)
    y = FOOT - 5 * mm
    for note in receipt.notes:
        y = _write_lines(canvas, LEFT, y, RIGHT - LEFT, note, 8, QUIET) - 4.2 * mm


# Ornament: the lines of a paper that is hard to copy, as certificates used to be printed on


def _ornament(canvas: Canvas) -> None:
    canvas.saveState()
    canvas.setStrokeColor(FAINT)
    canvas.setLineWidth(0.45)
    for shift in range(6):
        _curve(canvas, [(x, HEIGHT - 9 * mm + 2.6 * mm * math.sin(x / 21 + shift * math.pi / 6)) for x in _across()])
        _curve(canvas, [(x, HEIGHT - 9 * mm + 2.6 * mm * math.sin(x / 34 - shift * math.pi / 6)) for x in _across()])
    canvas.setLineWidth(0.35)
    for turn in range(9):
        _curve(canvas, _rosette(RIGHT - SEAL, HEIGHT - 62 * mm, SEAL, turn * math.pi / 108))
    canvas.restoreState()


def _across() -> list[float]:
    return [8.0 * step for step in range(int(WIDTH / 8) + 2)]


def _rosette(x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    points = []
    for step in range(289):
        angle = step * math.pi / 144
        far = radius * (0.6 + 0.4 * math.cos(12 * angle))
        points.append((x + far * math.cos(angle + turn), y + far * math.sin(angle + turn)))
    return points


def _curve(canvas: Canvas, points: list[tuple[float, float]]) -> None:
    path = canvas.beginPath()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    canvas.drawPath(path, stroke=1, fill=0)


def _mark(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """The desk's own mark: a scalloped seal with a check."""
    canvas.setFillColor(ACCENT)
    for lobe in range(12):
        angle = lobe * math.pi / 6
        canvas.circle(
            x + 0.77 * radius * math.cos(angle), y + 0.77 * radius * math.sin(angle), 0.24 * radius, stroke=0, fill=1
        )
    canvas.circle(x, y, 0.8 * radius, stroke=0, fill=1)
    canvas.setStrokeColor(HexColor("#ffffff"))
    canvas.setLineWidth(0.17 * radius)
    _check(canvas, x, y, 0.4 * radius)


def _check(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.saveState()
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    path = canvas.beginPath()
    path.moveTo(x - size, y)
    path.lineTo(x - size * 0.3, y - size * 0.7)
    path.lineTo(x + size, y + size * 0.8)
    canvas.drawPath(path, stroke=1, fill=0)
    canvas.restoreState()

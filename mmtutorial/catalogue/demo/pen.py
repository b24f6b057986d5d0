"""The pen: soft shapes filled with a patterned cloth, in photo coordinates (60 wide, 80 high)."""

import math

import numpy as np
from PIL import Image, ImageDraw

from mmtutorial.catalogue.reading import HEIGHT, WIDTH

FINE = 3  # a photo is drawn so many times larger, then averaged down: so edges are smooth
Point = tuple[float, float]  # x and y in pixels of the photo
Colour = tuple[int, int, int]  # RGB

SOLE, STEEL, BRASS, LEATHER = (236, 233, 226), (172, 178, 186), (206, 168, 88), (112, 72, 44)
GLASS, PAPER = (62, 70, 84), (252, 252, 250)


def arc(x, y, rx, ry, start=0, end=360, steps=28) -> list[Point]:
    """Points on an ellipse about (x, y); degrees run clockwise from the right."""
    angles = np.radians(np.linspace(start, end, steps))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def symmetric(*left: Point) -> list[Point]:
    """Close a left half, given from the top down, with its mirror image about x = 30."""
    return [*left, *((WIDTH - x, y) for x, y in reversed(left))]


def mirrored(points: list[Point]) -> list[Point]:
    """The mirror image of an outline about x = 30."""
    return [(WIDTH - x, y) for x, y in points]


def _soften(points, soft):
    """Cut the corners of a closed outline (Chaikin 1974): cloth has no sharp ones.

    ``soft`` 0 leaves them, 1 rounds each by a pixel or two, 2 makes one round outline.
    """
    for _ in range(soft):
        cut = []
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            share = 0.22 if soft == 2 else min(0.22, 1.6 / max(length, 1e-6))
            dx, dy = share * (x1 - x0), share * (y1 - y0)
            cut += [(x0 + dx, y0 + dy), (x1 - dx, y1 - dy)]
        points = cut
    return points


def _mix(first, second, share):
    """The colour ``share`` of the way from the first RGB to the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


class Pen:
    """Draws one product on a transparent sheet, in photo coordinates (60 wide, 80 high).

    ``cloth`` is an RGBA image of the whole sheet from which shapes are cut; ``ink`` its main
    colour; ``waist`` how far tops are taken in; ``angle`` (radians), ``size`` and ``shift``
    (pixels) move all that is drawn. The sheet has ``fine`` times the pixels of a photo, each way.
    """

    def __init__(self, cloth, ink, waist=0.0, angle=0.0, size=1.0, shift=(0.0, 0.0), fine=FINE):
        self.fine = fine
        self.sheet = Image.new("RGBA", (WIDTH * fine, HEIGHT * fine))
        self.canvas = ImageDraw.Draw(self.sheet)
        self.cloth, self.ink, self.waist, self.size = cloth, ink, waist, size
        dark = sum(ink) < 190
        self.seam = _mix(ink, (255, 255, 255) if dark else (0, 0, 0), 0.30 if dark else 0.38)
        self.deep = _mix(ink, (0, 0, 0), 0.55)
        self.pale = _mix(ink, (255, 255, 255), 0.35)
        cos, sin = size * math.cos(angle), size * math.sin(angle)
        self.turn = (cos, sin, WIDTH / 2 + shift[0], HEIGHT / 2 + shift[1])

    def move(self, points: list[Point]) -> list[Point]:
        """Photo coordinates to pixels of the sheet."""
        cos, sin, x0, y0 = self.turn
        return [
            (
                self.fine * (x0 + cos * (x - 30) - sin * (y - 40)),
                self.fine * (y0 + sin * (x - 30) + cos * (y - 40)),
            )
            for x, y in points
        ]

    def cut(self, points: list[Point], soft: int = 2, shade: float = 1.0, edge: bool = True):
        """A piece cut from the cloth; ``shade`` below 1 darkens it (an inner or far side)."""
        outline = self.move(_soften(points, soft))
        mask = Image.new("L", self.sheet.size)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        if box := mask.getbbox():  # to copy no more than is cut
            cloth = self.cloth.crop(box)
            if shade != 1:  # the three colours, not the transparency
                cloth = cloth.point([int(v * shade) for v in range(256)] * 3 + list(range(256)))
            self.sheet.paste(cloth, box, mask.crop(box))
        if edge:
            self.canvas.line([*outline, outline[0]], fill=self.seam, width=2 * self.fine // FINE)

    def fill(self, points: list[Point], colour: Colour, soft: int = 0):
        """A piece in one colour: a sole, a buckle, a lens."""
        self.canvas.polygon(self.move(_soften(points, soft)), fill=(*colour, 255))

    def hole(self, points: list[Point], soft: int = 0):
        """Take away what was drawn inside the outline."""
        self.canvas.polygon(self.move(_soften(points, soft)), fill=(0, 0, 0, 0))

    def line(self, points: list[Point], colour: Colour | None = None, width: float = 0.8):
        """A seam (in the seam's colour), a strap or a lace; ``width`` in photo pixels."""
        width = max(1, round(width * self.fine * self.size))
        self.canvas.line(
            self.move(points), fill=(*(colour or self.seam), 255), width=width, joint="curve"
        )

    def dot(self, x: float, y: float, radius: float, colour: Colour | None = None):
        """A button or a hole, in the seam's colour unless told otherwise."""
        self.fill(arc(x, y, radius, radius, steps=14), colour or self.seam)

    def mirrored_line(self, points: list[Point], colour: Colour | None = None, width: float = 0.8):
        """``line``, on the left and on the right."""
        self.line(points, colour, width)
        self.line(mirrored(points), colour, width)

"""The picture of a network's architecture, as SVG: a column of blocks, with the shapes of what passes between them.

Norms and activations stand in the block of the layer before them, equal blocks in a row are drawn once. Where a block
does not read the one above it, all of them are numbered, and it says which it reads.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from cvdemo.nets.layer_table import INPUT, Layer, LayerTable

COMPANIONS = {
    *("BatchNorm", "GroupNorm", "LayerNorm", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "GELU", "SiLU"),
    *("hard swish", "tanh", "sigmoid", "exponential", "clip", "product"),
}
WIDTH, BOX_LEFT, BOX_WIDTH = 640, 40, 560  # px
LINE_PX, ARROW_PX, MARGIN_PX, TOP_PX = 18, 34, 12, 74
_CHARACTERS = 82  # of a line, at 12 px
_COLOURS = {  # fill, border
    "convolution": ("#dbeafe", "#2563eb"),
    "pooling": ("#ffedd5", "#ea580c"),
    "places": ("#ffedd5", "#ea580c"),
    "linear": ("#d1fae5", "#059669"),
    "block": ("#f3e8ff", "#9333ea"),
}
_OTHER = ("#f3f4f6", "#4b5563")
_INK, _FAINT = "#1f2937", "#6b7280"


@dataclass(frozen=True)
class Block:
    """A box of the drawing.

    Attributes:
        title: in bold. lines: under it.
        shape: of its output. parameters: of one of them.
        field: height and width (px) of the receptive field of its output; None: the whole input.
        colours: fill and border.
        repeats: how many equal ones follow one another.
        reads: numbers, from 1, of the boxes that it reads, 0 for the input; empty: the one above it.
    """

    title: str
    lines: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    field: tuple[int, int] | None
    colours: tuple[str, str]
    repeats: int = 1
    reads: tuple[int, ...] = ()

    @property
    def words(self) -> list[str]:
        """Everything below the title."""
        see = "sees the whole input" if self.field is None else f"receptive field {px_words(self.field)}"
        each = " each" if self.repeats > 1 and self.parameters else ""
        count = f"{self.parameters:,} parameters{each} · " if self.parameters else ""
        source = f" · reads {', '.join(f'box {n}' if n else 'the input' for n in self.reads)}" if self.reads else ""
        return [*self.lines, count + see + source]

    @property
    def height_px(self) -> int:
        return LINE_PX * (1 + len(self.words)) + MARGIN_PX


def draw_architecture(table: LayerTable, title: str, subtitle: str) -> str:
    """The SVG of a network, 640 px wide."""
    head = textwrap.wrap(subtitle, _CHARACTERS) or [""]
    parts, y = list[str](), TOP_PX + LINE_PX * (len(head) - 1)
    parts.append(_text(WIDTH / 2, y, f"input {shape_words(table.input_shape)}", anchor="middle", colour=_FAINT))
    y += 8
    blocks = blocks_of(table)
    numbered = any(block.reads for block in blocks)
    for number, block in enumerate(blocks, start=1):
        follows = not block.reads or number - 1 in block.reads
        y = _arrow(parts, y) if follows else y + ARROW_PX
        if numbered:
            parts.append(_text(BOX_LEFT - 10, y + 20, str(number), anchor="end", colour=_FAINT))
        y = _box(parts, block, y)
        parts.append(_text(WIDTH / 2 + 12, y + 21, shape_words(block.shape), colour=_FAINT))
    y = _arrow(parts, y)
    parts.append(_text(WIDTH / 2, y + 14, "output", anchor="middle", colour=_FAINT))
    opening = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 28}" width="{WIDTH}" height="{y + 28}"'
        ' font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(title)}: {escape(subtitle)}</title>",
        f'<rect width="{WIDTH}" height="{y + 28}" fill="white"/>',
        _text(BOX_LEFT, 26, title, size_px=17, bold=True),
        *(_text(BOX_LEFT, 47 + LINE_PX * i, line, colour=_FAINT) for i, line in enumerate(head)),
    ]
    return "\n".join([*opening, *parts, "</svg>"]) + "\n"


def blocks_of(table: LayerTable) -> list[Block]:
    """The boxes from top to bottom, equal neighbours as one."""
    found: list[Block] = []
    box_of, first = {INPUT: 0}, 0  # the box of each layer; the number of the group's first
    for group in _groups(table.layers):
        numbers = range(first, first + len(group))
        read = {source for layer in group for source in layer.reads} - set(numbers)
        sources = tuple(sorted({box_of[source] for source in read}))
        follows = sources == (len(found),)
        block = replace(_block(group, first, table), reads=() if follows else sources)
        if found and follows and replace(found[-1], repeats=1, field=None, reads=()) == replace(block, field=None):
            found[-1] = replace(block, repeats=found[-1].repeats + 1, reads=found[-1].reads)
        else:
            found.append(block)
        box_of |= dict.fromkeys(numbers, len(found))
        first += len(group)
    return found


def _groups(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    """Layers that stand in one box: those of one block in a row, each with its norms and activations."""
    group: list[Layer] = []
    for layer in layers:
        joins = group and (layer.kind in COMPANIONS or (layer.block and layer.block == group[0].block))
        if group and not joins:
            yield group
            group = []
        group.append(layer)
    if group:
        yield group


def _block(group: Sequence[Layer], number: int, table: LayerTable) -> Block:
    main = [layer for layer in group if layer.kind not in COMPANIONS]
    last = group[-1]
    if len(main) <= 1:
        first = main[0] if main else group[0]
        title = first.kind[0].upper() + first.kind[1:]
        also = list(dict.fromkeys(layer.kind for layer in group if layer is not first))
        lines = [", ".join(also)] if also else []
        colours = next((pair for word, pair in _COLOURS.items() if word in first.kind), _OTHER)
    else:
        title = table.block_kinds[group[0].block].lstrip("_")
        lines = textwrap.wrap(_chains(main, number), _CHARACTERS)
        colours = _COLOURS["block"]
    count = sum(layer.parameters for layer in group)
    return Block(title, tuple(lines), last.shape, count, last.field.size_hw, colours)


def _chains(main: Sequence[Layer], first: int) -> str:
    """The layers of a block, branch by branch: "1×1 (64) | 1×1 (96) · 3×3 (128)"; a sum ends in "+ shortcut"."""
    words, before = "", False
    for layer in main:
        if layer.kind in ("sum", "concatenation"):
            words += " + shortcut" if layer.kind == "sum" else ""
        else:
            begins = max(layer.reads) < first  # a branch of its own
            words += (" | " if begins else " · ") * before + _short(layer)
        before = True
    return words


def _short(layer: Layer) -> str:
    kind = layer.kind.replace(" convolution", "").replace(", stride ", " /")
    return f"{kind} ({layer.shape[0]})"


def shape_words(shape: Sequence[int]) -> str:
    """A shape for people: "64 × 28 × 28"."""
    return " × ".join(map(str, shape))


def px_words(size_hw: tuple[int, int]) -> str:
    """A size for people: "27 px", or "27 × 9 px" where the sides differ."""
    return f"{size_hw[0]} px" if size_hw[0] == size_hw[1] else f"{size_hw[0]} × {size_hw[1]} px"


def _arrow(parts: list[str], y: int) -> int:
    """An arrow from `y` down; where it ends."""
    x, end = WIDTH // 2, y + ARROW_PX
    parts.append(f'<path d="M{x} {y + 3}V{end - 8}" stroke="{_FAINT}" fill="none"/>')
    parts.append(f'<path d="M{x - 4} {end - 9}h8l-4 7z" fill="{_FAINT}"/>')
    return end


def _box(parts: list[str], block: Block, y: int) -> int:
    """A block from `y` down; where it ends. Several equal ones are a stack."""
    fill, border = block.colours
    for depth in (6, 3, 0) if block.repeats > 1 else (0,):
        parts.append(
            f'<rect x="{BOX_LEFT + depth}" y="{y + depth}" width="{BOX_WIDTH}" height="{block.height_px}" rx="6"'
            f' fill="{fill}" stroke="{border}"/>'
        )
    parts.append(_text(BOX_LEFT + 14, y + 20, block.title, size_px=14, bold=True))
    if block.repeats > 1:
        right = BOX_LEFT + BOX_WIDTH - 14
        parts.append(_text(right, y + 20, f"× {block.repeats}", size_px=14, bold=True, anchor="end"))
    for number, line in enumerate(block.words, start=1):
        colour = _FAINT if number == len(block.words) else _INK
        parts.append(_text(BOX_LEFT + 14, y + 20 + LINE_PX * number, line, colour=colour))
    return y + block.height_px + (6 if block.repeats > 1 else 0)


def _text(
    x: float, y: float, words: str, *, size_px: int = 12, bold: bool = False, anchor: str = "start", colour: str = _INK
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size_px}"{weight} text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )

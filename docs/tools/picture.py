"""The picture of the rooms, drawn from `tests/rooms.toml`: a frame a package, an arrow from a room to each that imports it."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDE, HIGH, GAP, ROW, MARGIN, LEFT, TOP = 104, 28, 36, 12, 24, 180, 8
STYLE = """<style>
text { font: 13px sans-serif; fill: #1f2933 } .package { font-weight: bold; font-size: 15px }
.small { font-size: 11px; fill: #52606d }
rect { rx: 5px } .frame { fill: #f5f7fa; stroke: #cbd2d9 } .room { fill: #ffffff; stroke: #3e4c59 }
path { fill: none; stroke: #7b8794; stroke-width: 1.3; marker-end: url(#end) } .lazily { stroke-dasharray: 4 3 }
.way { stroke: #3e4c59; stroke-width: 3 }
</style>
<marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" markerUnits="userSpaceOnUse">
<path d="M0 0L8 4L0 8z" style="fill: #3e4c59; stroke: none; marker-end: none"/></marker>"""
SAID = {
    "v1": "the contract",
    "indexer": "makes indices",
    "service": "answers from them",
    "client": "asks, and studies",
}


@dataclass(frozen=True)
class Package:
    """The rooms of a package below its own folder.

    Attributes:
        name: of the package.
        users: for each room, the rooms of the package that import it, and whether lazily; what other arrows say is left out.
    """

    name: str
    users: dict[str, dict[str, bool]]

    @cached_property
    def levels(self) -> list[list[str]]:
        """Rooms by the longest way from them to the last one, so that an arrow leads from a level to the next."""
        left: dict[str, int] = {}
        for room in reversed(self.users):  # every room stands before those that import it
            left[room] = max((left[user] + 1 for user in self.users[room]), default=0)
        return [[room for room in self.users if left[room] == at] for at in range(max(left.values(), default=-1), -1, -1)]

    @property
    def height(self) -> int:
        """Of its frame."""
        return max([len(rooms) for rooms in self.levels] or [1]) * (HIGH + ROW) + ROW

    def place(self, room: str) -> tuple[int, int]:
        """Upper left corner of a room in the frame."""
        at = next(number for number, rooms in enumerate(self.levels) if room in rooms)
        rooms = self.levels[at]
        above = (self.height - len(rooms) * (HIGH + ROW) + ROW) // 2
        return LEFT + at * (WIDE + GAP), above + rooms.index(room) * (HIGH + ROW)


def packages() -> list[Package]:
    """The packages of the table."""
    rules = tomllib.loads((ROOT / "tests/rooms.toml").read_text(encoding="utf-8"))
    rooms, lazily = rules["rooms"], rules["lazily"]
    found = []
    for package in dict.fromkeys(room.split(".")[0] for room in rooms):
        inside = [room for room in rooms if room.startswith(f"{package}.")]
        imports = {room: {**dict.fromkeys(lazily.get(room, []), True), **dict.fromkeys(rooms[room], False)} for room in inside}
        found.append(Package(package, {room: dict(users_of(room, imports)) for room in inside}))
    return found


def users_of(room: str, imports: Mapping[str, Mapping[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Rooms that import a room, but for those that other arrows lead to already."""
    users = [user for user, below in imports.items() if room in below]
    for user in users:
        if not any(other in below(user, imports) for other in users if other != user):
            yield user, imports[user][room]


def below(room: str, imports: Mapping[str, Mapping[str, bool]]) -> set[str]:
    """All that a room imports, or that those import."""
    direct = imports[room].keys() & imports.keys()
    return direct.union(*(below(each, imports) for each in direct))


def picture() -> str:
    """SVG of all packages, one above the other in the way of the data."""
    parts: list[str] = []
    frames: dict[str, tuple[int, int]] = {}
    top = TOP
    for package in packages():
        parts += frame(package, top)
        frames[package.name] = (top, top + package.height)
        top += package.height + GAP
    width = max(part_width(package) for package in packages())
    ways = [down(frames[a][1], frames[b][0]) for a, b in (("indexer", "service"), ("service", "client"))]
    ways += [aside(sum(frames["v1"]) // 2, sum(frames[user]) // 2) for user in ("service", "client")]
    size = f'viewBox="0 0 {width} {top - GAP + TOP}" width="{width}" height="{top - GAP + TOP}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', STYLE, *parts, *ways, "</svg>", ""])


def part_width(package: Package) -> int:
    """What a package needs from left to right."""
    return LEFT + max(1, len(package.levels)) * (WIDE + GAP) - GAP + MARGIN


def frame(package: Package, top: int) -> Iterator[str]:
    """A package: its name, its rooms and their arrows."""
    width = max(part_width(each) for each in packages()) - MARGIN - TOP
    yield f'<rect class="frame" x="{MARGIN}" y="{top}" width="{width}" height="{package.height}"/>'
    yield f'<text class="package" x="{MARGIN + 12}" y="{top + package.height // 2}">{package.name}</text>'
    yield f'<text class="small" x="{MARGIN + 12}" y="{top + package.height // 2 + 16}">{SAID.get(package.name, "")}</text>'
    for room, users in package.users.items():
        for user, late in users.items():
            yield arrow(package.place(room), package.place(user), top, late)
    for room in package.users:
        x, y = package.place(room)
        yield f'<rect class="room" x="{x}" y="{top + y}" width="{WIDE}" height="{HIGH}"/>'
        yield f'<text x="{x + WIDE // 2}" y="{top + y + 19}" text-anchor="middle">{room.rpartition(".")[2]}</text>'


def arrow(start: tuple[int, int], end: tuple[int, int], top: int, late: bool) -> str:
    """From the right of a room to the left of one that imports it."""
    x, y, u, v = start[0] + WIDE, top + start[1] + HIGH // 2, end[0], top + end[1] + HIGH // 2
    middle = u - GAP // 2
    return f'<path{" class=" + chr(34) + "lazily" + chr(34) if late else ""} d="M{x} {y}C{middle} {y} {middle} {v} {u} {v}"/>'


def down(bottom: int, top: int) -> str:
    """From a package to the next one, which uses it."""
    return f'<path class="way" d="M70 {bottom}L70 {top}"/>'


def aside(start: int, end: int) -> str:
    """From a package to one farther down that uses it, in the margin."""
    return f'<path class="way" d="M{MARGIN} {start}L8 {start}L8 {end}L{MARGIN} {end}"/>'

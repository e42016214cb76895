"""The rooms of the house: imports point down only, and nowhere in a circle."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# From the ground up. A room may import from the floors below its own, and from nowhere else.
FLOORS = (
    ("common",),
    ("data", "lora"),
    ("model",),
    ("quant",),
    ("infer",),
    ("evaluation",),
    ("training",),
    ("chat",),
    ("chat.web",),
    ("exercises",),
    ("pretraining.text",),
    ("pretraining",),
    ("verify",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NOT_PRODUCT = {"tests", "checkpoints"}


def product_modules(root: Path) -> dict[str, Path]:
    """Every module of the product by its dotted name; a package goes by its own name."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in NOT_PRODUCT or any(part.startswith(".") for part in parts):
            continue
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def room_of(module: str) -> str:
    """The room that a module stands in: the longest one whose name its own begins with."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in FLOOR), parts[0])


def imported_names(source: str) -> Iterator[str]:
    """The dotted name behind every import of a module, those inside functions included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            # `from data import encode` imports the module data.encode.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which modules of the product each module imports."""
    tops = {module.split(".")[0] for module in sources}
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for module, source in sources.items():
        for name in imported_names(source):
            target = name
            while target and target not in sources:
                target = target.rpartition(".")[0]
            if target:
                graph[module].add(target)
            else:
                assert name.split(".")[0] not in tops | {"tests"}, f"{module} imports {name}"
    return graph


def room_graph(modules: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    graph: dict[str, set[str]] = {room_of(module): set() for module in modules}
    for module, targets in modules.items():
        room = room_of(module)
        graph[room] |= {room_of(target) for target in targets} - {room}
    return graph


def upward(modules: Mapping[str, Iterable[str]]) -> list[str]:
    """The imports that leave a room for one that is not on a lower floor."""
    return [
        f"{module} -> {target}"
        for module, targets in modules.items()
        for target in targets
        if room_of(module) != room_of(target) and FLOOR[room_of(target)] >= FLOOR[room_of(module)]
    ]


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The nodes of one circle, the first repeated at the end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def drawn(rooms: Mapping[str, Iterable[str]]) -> str:
    """The graph of rooms as text, the roof first."""
    lines = []
    for floor in range(len(FLOORS) - 1, -1, -1):
        for room in FLOORS[floor]:
            below = sorted(rooms.get(room, ()), key=lambda name: (FLOOR[name], name))
            lines.append(f"{floor + 1:>3}  {room:<17} -> {', '.join(below) or '(nothing)'}")
    return "\n".join(lines)


def test_imports_point_down_and_never_in_a_circle() -> None:
    sources = {name: path.read_text("utf-8") for name, path in product_modules(ROOT).items()}
    modules = module_graph(sources)
    rooms = room_graph(modules)
    assert set(rooms) == set(FLOOR), "every room has a floor, and every floor a room"
    print(f"\n{drawn(rooms)}")
    assert not upward(modules)
    assert not circle(rooms)
    assert not circle(modules)


def test_the_check_sees_an_upward_import_and_a_circle() -> None:
    """The control: of wrong houses, the functions above do find what is wrong."""
    up = module_graph({"lora.layer": "def f():\n    from model import base", "model.base": ""})
    assert upward(up) == ["lora.layer -> model.base"]
    across = module_graph({"lora.layer": "import data.encode", "data.encode": ""})
    assert upward(across) == ["lora.layer -> data.encode"]
    ring = module_graph({"data.a": "from data.b import x", "data.b": "from data import a"})
    assert not upward(ring) and circle(ring)
    assert circle(room_graph({"chat.reply": ["chat.web.page"], "chat.web.page": ["chat.reply"]}))

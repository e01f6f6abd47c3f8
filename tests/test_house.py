"""The house keeps its order: rooms import only from rooms before them, and the core stays pure."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKS = ("sora_core", "runtime", "nodes", "commands")
LINE = (
    "errors settings emphasis spelling encoding types grid claims files memory headers checkpoints layers diffusion"
    " text|vae|dit refine open_weights media editing world perception safety pipeline data training evaluation|bench"
)
RANK = {name: rank for rank, step in enumerate(LINE.split()) for name in step.split("|")}
DATA_ONLY = {"weights"}
HOUSE = [*PACKS, "cli"]
"""The same order one floor up: the core knows nobody, the command knows everybody."""


def sources(*packs: str) -> list[Path]:
    return sorted(path for pack in packs for path in (ROOT / pack).rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    """`sora_core/vae/base.py` -> ("sora_core", "vae", "base")."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every import in a file as (line, dotted name from the pack's root); names from elsewhere begin with "/"."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, ("/", *alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level == 0:
                yield node.lineno, ("/", *module)
                continue
            assert node.level - 1 <= len(package), f"{path}:{node.lineno} climbs out of the pack"
            base = package[: len(package) - node.level + 1] + module
            yield from ((node.lineno, (*base, alias.name)) for alias in node.names)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_file_of_the_core_is_in_a_known_room() -> None:
    rooms = {module_of(path)[1] for path in sources("sora_core") if len(module_of(path)) > 1}
    assert rooms <= RANK.keys() | DATA_ONLY, f"give {rooms - RANK.keys() - DATA_ONLY} a place in the line"


def test_no_arrow_between_rooms_runs_backward() -> None:
    bad = []
    for path in sources("sora_core"):
        here = module_of(path)
        if len(here) < 2 or here[1] in DATA_ONLY:
            continue
        for line, target in imports(path):
            if target[0] != "sora_core" or len(target) < 2 or target[1] == here[1] or target[1] in DATA_ONLY:
                continue
            if RANK.get(target[1], len(RANK)) >= RANK[here[1]]:
                bad.append(f"{where(path, line)}: {here[1]} imports {target[1]}")
    assert not bad, "\n".join(bad)


def test_no_arrow_between_floors_runs_backward() -> None:
    bad = [
        f"{where(path, line)}: {module_of(path)[0]} imports {target[0]}"
        for path in sources(*PACKS)
        for line, target in imports(path)
        if target and target[0] in HOUSE and HOUSE.index(target[0]) > HOUSE.index(module_of(path)[0])
    ]
    assert not bad, "\n".join(bad)


def test_no_files_import_each_other_in_a_circle() -> None:
    known = {module_of(path): path for path in sources(*PACKS)}
    arrows: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for module, path in known.items():
        targets = [target for _, target in imports(path) if target[:1] != ("/",)]
        arrows[module] = {t if t in known else t[:-1] for t in targets} & known.keys() - {module}
    while free := [module for module, targets in arrows.items() if not targets & arrows.keys()]:
        for module in free:
            del arrows[module]
    assert not arrows, f"import each other, or what does: {sorted('.'.join(module) for module in arrows)}"


def test_imports_inside_the_pack_are_relative() -> None:
    own = {"sora_nodes", *HOUSE}
    bad = [
        where(p, line)
        for p in [*sources(*PACKS), *ROOT.glob("*.py")]
        for line, t in imports(p)
        if t[:1] == ("/",) and t[1] in own
    ]
    assert not bad, f"ComfyUI loads the pack by path, so these would fail there: {bad}"


def test_few_files_import_comfy() -> None:
    bad = [
        where(path, line)
        for path in sources(*PACKS)
        for line, target in imports(path)
        if target[:2] == ("/", "comfy") and path.parent != ROOT / "nodes" / "comfy"
    ]
    assert not bad, f"only nodes/comfy/ imports comfy: {bad}"


FORBIDDEN = {"pickle", "shelve", "subprocess"}


def impurity(node: ast.AST) -> str | None:
    """What a library must not do, by name."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name = f"{node.value.id}.{node.attr}"
        return name if name in {"os.environ", "os.getenv", "os.system", "torch.load", "torch.save"} else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id if node.func.id in {"print", "eval", "exec", "input"} else None
    return None


def test_the_core_is_pure() -> None:
    bad = []
    for path in sources("sora_core"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bad += [f"{where(path, node.lineno)}: {name}" for node in ast.walk(tree) if (name := impurity(node))]  # type: ignore[attr-defined]
        bad += [f"{where(path, line)}: {t[1]}" for line, t in imports(path) if t[0] == "/" and t[1] in FORBIDDEN]
    assert not bad, "\n".join(bad)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "tests", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_core_imports_without_the_host() -> None:
    names = [".".join(("sora_nodes", *module_of(path))) for path in sources("sora_core")]
    loaded = run_python(
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & "
        "{'comfy', 'comfy_api', 'folder_paths', 'transformers', 'diffusers', 'torchvision', 'torchaudio'}))"
    )
    assert loaded == "", f"importing the core brings {loaded}"


@pytest.mark.parametrize("module", ["sora_nodes", "sora_nodes.cli", "sora_nodes.sora_core"])
def test_the_door_is_light(module: str) -> None:
    assert run_python(f"import sys, {module}\nprint('torch' in sys.modules or 'numpy' in sys.modules)") == "False"


def test_every_package_is_shipped() -> None:
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("packages = [", 1)[1].split("]", 1)[0]
    folders = {".".join(("sora_nodes", *path.parent.relative_to(ROOT).parts)) for path in sources(*PACKS)}
    missing = sorted(name for name in folders if f'"{name}"' not in listed)
    assert not missing, f"add {missing} to packages in pyproject.toml"
    bare = sorted(
        {str(path.parent.relative_to(ROOT)) for path in sources(*PACKS) if not (path.parent / "__init__.py").exists()}
    )
    assert not bare, f"these folders have no __init__.py: {bare}"

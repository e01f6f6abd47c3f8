"""Labels and tooltips in other languages: each node, input and output has its words, and no word is left over.

`python tests/test_runtime_contract.py` writes the English file, too, anew from the nodes themselves.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sora_nodes.nodes import SoraExtension
from sora_nodes.runtime.registry import Registry

LOCALES = Path(__file__).parent.parent / "locales"
HELP = Path(__file__).parent.parent / "web" / "docs"
LANGUAGES = sorted(path.name for path in LOCALES.iterdir() if path.name != "en")


def english() -> dict[str, Any]:
    """ComfyUI's nodeDefs.json of our nodes."""
    out = {}
    for name, info in Registry.of(SoraExtension()).object_info().items():
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        tips = zip(info["output_name"], info["output_tooltips"] or [], strict=False)
        out[name] = {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": {key: {"name": key, "tooltip": spec[1]["tooltip"]} for key, spec in inputs.items()},
            "outputs": {str(i): {"name": label, "tooltip": tip} for i, (label, tip) in enumerate(tips)},
        }
    return out


def test_the_english_file_is_what_the_nodes_say() -> None:
    assert json.loads((LOCALES / "en/nodeDefs.json").read_text()) == english(), (
        "run `python tests/test_runtime_contract.py`"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_language_has_all_words(language: str) -> None:
    """All that is not from this month: a new input shows its English words until it is translated."""
    words, ours = json.loads((LOCALES / language / "nodeDefs.json").read_text()), english()
    wanted = {(name, key) for name, node in ours.items() for key in node["inputs"]}
    known = {(name, key) for name, node in words.items() for key in node["inputs"]}
    assert known <= wanted and set(words) <= set(ours), "words of what is no more"
    assert len(known) >= 0.9 * len(wanted), sorted(wanted - known)
    for name, node in words.items():
        texts = [node[key] for key in ("display_name", "description")]
        items = [*node["inputs"].values(), *node["outputs"].values()]
        texts += [text for item in items for text in (item["name"], item["tooltip"])]
        assert all(texts) and node["description"] != ours[name]["description"]


def rows(page: str) -> list[list[str]]:
    """What the tables of a help page name in their first column, table by table."""
    tables = re.findall(r"^\|[^\n]*\|\n\|---\|---\|\n((?:\|[^\n]*\n)+)", page, re.MULTILINE)
    return [re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for table in tables]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(english()))
def test_a_help_page_in_another_language_names_the_same_inputs_by_their_labels(name: str, language: str) -> None:
    """ComfyUI looks for docs/NODE/LANGUAGE.md and falls back on docs/NODE.md."""
    page = (HELP / name / f"{language}.md").read_text(encoding="utf-8")
    words, ours = json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8")), english()
    inputs = {key: item["name"] for key, item in words[name]["inputs"].items()}
    outputs = {output["name"]: words[name]["outputs"][i]["name"] for i, output in ours[name]["outputs"].items()}
    given = [re.findall(r"(\w+)（([^）]+)）", " ".join(table)) for table in rows(page)]
    wanted = [re.findall(r"\w+", " ".join(table)) for table in rows((HELP / f"{name}.md").read_text(encoding="utf-8"))]
    assert wanted and [[key for key, _ in table] for table in given] == wanted
    assert page.startswith(f"# {words[name]['display_name']}\n")
    for labels, table in zip((inputs, outputs), given, strict=False):
        assert dict(table) == {key: labels[key] for key, _ in table}


def write() -> None:
    text = json.dumps(english(), ensure_ascii=False, indent=1) + "\n"
    (LOCALES / "en" / "nodeDefs.json").write_text(text)


if __name__ == "__main__":
    write()

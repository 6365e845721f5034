"""Which source files a module needs, on small packages that the tests make."""

import json

import pytest

from dawnchorus.foundation.source_code import SourceCode


@pytest.fixture
def package(tmp_path):
    def write(files: dict[str, str]):
        for name, text in files.items():
            path = tmp_path / "bird" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "bird"

    return write


def needed(package, *modules, **options):
    return [path.relative_to(package).as_posix() for path in SourceCode(package).needed_by(*modules, **options)]


def test_imports_are_followed_wherever_they_stand(package):
    root = package(
        {
            "__init__.py": "",
            "a.py": "import os\nfrom bird.room import b\n\n\ndef f():\n    from bird.room.c import g\n",
            "room/__init__.py": '"""A room."""\n',
            "room/b.py": "import bird.d as e",
            "room/c.py": "g = 1",
            "d.py": "from bird import a  # a ring\nx = 1",
            "unused.py": "x = 1",
        }
    )
    assert needed(root, "a") == ["a.py", "d.py", "room/b.py", "room/c.py"]
    assert needed(root, "room.c") == ["room/c.py"]


def test_a_package_that_does_something_is_needed_with_its_modules(package):
    root = package({"room/__init__.py": "import bird.d", "room/b.py": "x = 1", "d.py": "x = 1"})
    assert needed(root, "room.b") == ["d.py", "room/__init__.py", "room/b.py"]


def test_imports_for_type_checkers_alone_do_not_count(package):
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bird import b\nelse:\n    from bird import c\n"
    )
    root = package({"a.py": text, "b.py": "x = 1", "c.py": "x = 1"})
    assert needed(root, "a") == ["a.py", "c.py"]


def test_templates_count_with_what_they_include(package):
    root = package(
        {
            "a.py": 'PAGE = "page.html.j2"',
            "report/templates/page.html.j2": '{% from "charts.html.j2" import line %}<style>{% include "page.css" %}',
            "report/templates/charts.html.j2": "",
            "report/templates/page.css": "",
            "report/templates/other.css": "",
        }
    )
    assert needed(root, "a") == [
        "a.py",
        *(f"report/templates/{n}" for n in ("charts.html.j2", "page.css", "page.html.j2")),
    ]


def test_of_a_registry_the_chosen_module_counts_and_what_all_of_them_import(package):
    root = package(
        {
            "a.py": "from bird import nets",
            "nets/__init__.py": "import importlib\n\n\ndef get(name):\n    return importlib.import_module(name)\n",
            "nets/_layers.py": "x = 1",
            "nets/small.py": "from bird.nets import _layers",
            "nets/large.py": "from bird import blas\nfrom bird.nets import small",
            "nets/odd.py": "x = 1",
            "blas.py": "x = 1",
        }
    )
    always = ["a.py", "blas.py", "nets/__init__.py", "nets/_layers.py", "nets/small.py"]
    assert needed(root, "a", chosen={"nets": "odd"}) == sorted([*always, "nets/odd.py"])
    assert needed(root, "a", chosen={"nets": "small"}) == always
    assert needed(root, "a") == ["a.py", "nets/__init__.py"]


def test_a_version_changes_with_the_content_of_what_is_needed_alone(package):
    root = package({"a.py": "from bird import b", "b.py": "x = 1", "c.py": "x = 1"})
    versions = [SourceCode(root).version_of("a")]
    for name in ("c.py", "b.py", "a.py"):
        with (root / name).open("a") as file:
            file.write("\n# new\n")
        versions.append(SourceCode(root).version_of("a"))
    assert versions[1] == versions[0]
    assert len(set(versions)) == 3


def test_what_was_found_is_kept_by_content(package, tmp_path):
    root, store = package({"a.py": "from bird import b", "b.py": "x = 1"}), tmp_path / "imports.json"
    for _ in range(2):
        source = SourceCode(root, store)
        assert [path.name for path in source.needed_by("a")] == ["a.py", "b.py"]
        source.save()
    kept = json.loads(store.read_text())
    assert sorted(names for _, _, names in kept.values()) == [[], ["", "b"]]
    # An edit is seen, and a damaged store is no harm.
    (root / "a.py").write_text("x = 2")
    assert [path.name for path in SourceCode(root, store).needed_by("a")] == ["a.py"]
    store.write_text("[")
    assert [path.name for path in SourceCode(root, store).needed_by("a")] == ["a.py"]

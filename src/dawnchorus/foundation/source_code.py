"""Which source files a module needs, found by following its imports: what a result depends on besides data and values.

A module is named by its dotted name. Imports count wherever they stand, also inside functions, but not those for
type checkers alone. A text that names a template counts as an import of it, and so do the includes of a template.

A *registry* is a package whose modules are imported by a name that a user chooses (``networks`` by ``model.name``):
it calls ``importlib.import_module``. What it needs is the chosen module, and whatever any of its modules imports:
the list is then the same for every choice but for the chosen file.
"""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dawnchorus.foundation.files import write_whole

PACKAGE = Path(__file__).parents[1]
_INCLUDE = re.compile(r"""\{%-?\s*(?:include|import|from|extends)\s+["']([^"']+)["']""")
NOTHING: Mapping[str, str] = {}
Found = tuple[bool, bool, list[str]]  # whether a file does anything, whether it is a registry, what it imports


class SourceCode:
    """The source files of a package, and what each of them imports.

    ``package``: its folder. ``store``: a file where the imports found are kept by the hash of their source, so that
    nothing is parsed twice; without one they are parsed every time. A damaged store only costs time.
    """

    def __init__(self, package: Path = PACKAGE, store: Path | None = None):
        self._package, self._store = package, store
        self._templates = {path.name: path for path in package.glob("*/templates/*")}
        self._known: dict[str, Found] = {}
        self._digests: dict[Path, str] = {}
        self._of_name: dict[str, list[Path]] = {}
        self._changed = False
        if store:
            try:
                self._known = json.loads(store.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self._known = {}

    def needed_by(self, *modules: str, chosen: Mapping[str, str] = NOTHING) -> list[Path]:
        """Return the files that modules need, themselves included, sorted; files without a statement are left out.

        ``modules``: names below the package, ``stages.split``. ``chosen``: the module of each registry, by its name
        below the package: ``{"networks": "cnn"}``; without one for a registry, none of its modules.
        """
        found = self._follow([path for name in modules for path in self._files_of(name)], chosen)
        return sorted(path for path in found if path.suffix != ".py" or self._imports(path)[0])

    def version_of(self, *modules: str, chosen: Mapping[str, str] = NOTHING) -> str:
        """Return one hash of the content of all files that modules need."""
        files = self.needed_by(*modules, chosen=chosen)
        named = [(path.relative_to(self._package).as_posix(), self._digest(path)) for path in files]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()

    def save(self) -> None:
        """Write what was found to the store, if anything was."""
        if self._store and self._changed:
            # In a folder that cannot be written the next process parses again.
            with suppress(OSError), write_whole(self._store) as file:
                json.dump({digest: self._known[digest] for digest in self._digests.values()}, file)
            self._changed = False

    def _follow(self, start: list[Path], chosen: Mapping[str, str]) -> set[Path]:
        found, waiting, registries = set(), list(start), []
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            found.add(path)
            _, is_registry, names = self._imports(path)
            if is_registry:
                registries.append(path.parent)
            waiting += [file for name in names for file in self._files_of(name)]
        for folder in registries:
            name = folder.relative_to(self._package).as_posix().replace("/", ".")
            if name in chosen:
                members = set(folder.glob("[a-z]*.py"))
                # Of each member by itself: an import between members is a need like any other.
                of_members = [self._follow([path], NOTHING) - {path} for path in members]
                found = found.union(*of_members, self._files_of(f"{name}.{chosen[name]}"))
        return found

    def _files_of(self, name: str) -> list[Path]:
        """Return the files that an import of a name loads: the packages on the way, and the module itself."""
        if name in self._templates:
            return [self._templates[name]]
        if name not in self._of_name:
            parts = name.split(".")
            packages = [self._package.joinpath(*parts[:n], "__init__.py") for n in range(len(parts) + 1)]
            module = self._package.joinpath(*parts).with_suffix(".py") if name else self._package / "__init__.py"
            self._of_name[name] = [path for path in [*packages, module] if path.is_file()]
        return self._of_name[name]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]

    def _imports(self, path: Path) -> Found:
        """Return whether a file does anything, whether it is a registry, and what it imports."""
        digest = self._digest(path)
        if digest not in self._known:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".py":
                self._known[digest] = _imports_of_module(text, self._package.name, set(self._templates))
            else:
                self._known[digest] = True, False, _INCLUDE.findall(text)
            self._changed = True
        return self._known[digest]


def _imports_of_module(text: str, package: str, templates: set[str]) -> Found:
    tree = ast.parse(text)
    names: set[str] = set()
    is_registry, waiting = False, list[ast.AST]([tree])
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == package}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in templates:
            names.add(f"{package}.{node.value}")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "importlib.import_module":
            is_registry = True
    does_something = any(not isinstance(node, ast.Expr) for node in tree.body)
    return does_something, is_registry, sorted(name.removeprefix(package).removeprefix(".") for name in names)

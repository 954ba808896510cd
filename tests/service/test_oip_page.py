"""The blocks of docs/oip.md run, against a service of a model as the page has it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import serve_command

from tapetum import bundle as bundles
from tapetum import files

PAGE = Path(__file__).parents[2] / "docs" / "oip.md"


@pytest.fixture
def place(tmp_path, own_bundle, trained) -> Path:
    """A folder with photos/cat/tom.jpg, beside a bundle called `photos` of cats and dogs."""
    facts = json.loads((own_bundle / bundles.FACTS).read_text())
    files.write_text(own_bundle / bundles.FACTS, json.dumps(facts | {"name": "photos", "labels": ["cat", "dog"]}))
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    (folder / "tom.jpg").write_bytes((trained / "pictures" / "bright" / "00.png").read_bytes())
    return tmp_path


def test_the_blocks_of_the_page_run(start, place, own_bundle):
    address = start(serve_command(own_bundle)).client.base_url.netloc.decode()
    blocks = {
        kind: "\n".join(re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
        for kind in ("sh", "python")
    }

    def run(*command: str) -> str:
        ran = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    shell = run("bash", "-euc", blocks["sh"].replace("localhost:8000", address))
    python = run(sys.executable, "-c", blocks["python"].replace("localhost:8000", address))

    metadata, answer = (json.loads(line) for line in shell.replace("}{", "}\n{").splitlines())
    assert metadata["name"] == "photos"
    assert (answer["id"], answer["outputs"][1]["data"]) == ("tom", ["cat"])
    assert b"cat" in (place / "answer").read_bytes()
    assert python.startswith("cat [")
    assert ":0:cat" in python

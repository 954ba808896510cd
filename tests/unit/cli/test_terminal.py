"""What commands share."""

import json
import os

from tapetum.cli.terminal import files_of, to_json


def test_a_name_that_is_no_utf8_is_json_that_gives_the_name_again():
    name = os.fsdecode(b"\xff\xfe.png")

    text = to_json({"path": name, "prediction": "猫"}, indent=None)

    assert text.encode() == '{"path": "\\udcff\\udcfe.png", "prediction": "猫"}'.encode()
    assert json.loads(text)["path"] == name


def test_what_systems_leave_in_folders_is_none_of_their_files(tmp_path):
    for name in ("cat.jpg", "no ending", ".DS_Store", "Thumbs.db", "desktop.ini", "deep/._cat.jpg", "deep/dog.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = [*files_of([tmp_path, tmp_path / ".DS_Store"])]

    assert [path.name for path in found] == ["cat.jpg", "dog.jpg", "no ending", ".DS_Store"]

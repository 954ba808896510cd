"""`tapetum data check` as users type it: a report, an exit code, a quarantine and the way back."""

import json
from pathlib import Path

import commands


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def break_one(folder: Path) -> None:
    victim = folder / "dark" / "07.png"
    victim.write_bytes(victim.read_bytes()[:200])
    (folder / "dark" / "copy.png").write_bytes((folder / "dark" / "01.png").read_bytes())


def test_only_the_kinds_that_are_named_fail(folder):
    break_one(folder)

    assert commands.run("data", "check", folder, "--fail-on", "blurred,near_leak").returncode == 0
    assert commands.run("data", "check", folder, "--fail-on", "blurred,broken").returncode == 1


def test_an_unknown_kind_names_its_nearest(folder):
    ran = commands.run("data", "check", folder, "--fail-on", "brokn")

    assert ran.returncode == 2
    assert "unknown kind 'brokn' (did you mean 'broken'?)" in ran.stderr


def test_the_report_is_one_file_with_the_pictures_in_it(folder, tmp_path):
    break_one(folder)

    commands.run("data", "check", folder, "--html", tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "dark/07.png" in page
    assert "data:image/jpeg;base64," in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_quarantine_takes_what_was_found_and_gives_it_back(folder, tmp_path):
    break_one(folder)
    before = tree(folder)

    moved = commands.run(
        "data", "check", folder, "--fail-on", "broken,duplicate", "--quarantine", tmp_path / "aside", "--json"
    )
    after = tree(folder)
    again = commands.run("data", "check", folder, "--fail-on", "broken,duplicate")
    restored = commands.run("data", "restore", tmp_path / "aside")

    assert moved.returncode == 1
    assert "moved 2 files" in moved.stderr
    assert json.loads(moved.stdout)["findings"]
    assert set(before) - set(after) == {"dark/07.png", "dark/copy.png"}
    assert again.returncode == 0
    assert "2 files are back" in restored.stdout
    assert tree(folder) == before


def test_findings_go_to_a_file_as_json_and_are_counted_by_kind(folder, tmp_path):
    break_one(folder)

    ran = commands.run("data", "check", folder, "--out", tmp_path / "report.json")

    report = json.loads((tmp_path / "report.json").read_text())
    assert "broken: dark/07.png" in ran.stdout
    assert (report["kinds"]["broken"], report["kinds"]["duplicate"]) == (1, 1)
    assert report == json.loads(commands.run("data", "check", folder, "--json").stdout)


def test_wrong_labels_are_found_and_corrected_as_a_person_decides(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TAPETUM_CACHE_DIR", str(tmp_path / "cache"))
    for number in (8, 9):
        (folder / "bright" / f"{number:02}.png").rename(folder / "dark" / f"b{number}.png")
    file, out = tmp_path / "corrections.csv", tmp_path / "manifest.json"

    ran = commands.run(
        "data", "check", folder, "--labels", "--json", "--html", tmp_path / "r.html", "--corrections", file
    )
    proposed = file.read_text().splitlines()
    commands.run("data", "split", folder, "--corrections", file, "--out", out)
    undecided = {entry["path"]: entry["label"] for entry in json.loads(out.read_text())["samples"]}
    file.write_text("path,label\ndark/b8.png,bright\ndark/b9.png,\n")
    again = commands.run("data", "check", folder, "--labels", "--corrections", file)
    commands.run("data", "split", folder, "--corrections", file, "--out", out)
    decided = {entry["path"]: entry["label"] for entry in json.loads(out.read_text())["samples"]}

    report = json.loads(ran.stdout)
    assert ran.returncode == 1, ran.stderr
    assert {entry["path"]: entry["suggested"] for entry in report["labels"]["suspects"]} == {
        "dark/b8.png": "bright",
        "dark/b9.png": "bright",
    }
    assert report["kinds"] == {"label": 2}
    assert "labelled dark, looks like bright" in (tmp_path / "r.html").read_text()
    assert "0 decided, 2 to decide" in ran.stderr
    assert {line.split(",")[0] for line in proposed[1:]} == {"dark/b8.png", "dark/b9.png"}
    assert all(line.split(",")[1:4] == ["?", "dark", "bright"] for line in proposed[1:])
    assert (undecided["dark/b8.png"], undecided["dark/b9.png"]) == ("dark", "dark")
    assert again.returncode == 0, again.stdout
    assert "2 decided, 0 to decide" in again.stderr
    assert decided["dark/b8.png"] == "bright"
    assert "dark/b9.png" not in decided
    assert file.read_text().startswith("path,label,given,suggested,score\ndark/b8.png,bright,,,\ndark/b9.png,,,,\n")


def test_nothing_is_taken_out_of_an_archive(folder, tmp_path):
    commands.run("data", "fetch", folder, "--to", tmp_path / "photos.tar")

    ran = commands.run("data", "check", tmp_path / "photos.tar", "--quarantine", tmp_path / "aside")

    assert ran.returncode == 2
    assert "photos.tar --to` makes one" in ran.stderr
    assert not (tmp_path / "aside").exists()


def test_a_recipe_names_the_source_and_the_parts(folder, tmp_path):
    recipe = tmp_path / "pets.yaml"
    image = "image: {height: 16, width: 16}"
    recipe.write_text(f"name: pets\ntitle: Pets\nsource: {folder}\nparts: {{seed: 7}}\n{image}\n")

    fetched = commands.run("data", "fetch", recipe, "--to", tmp_path / "photos.tar", "--limit", 0)
    commands.run(
        "data", "split", tmp_path / "photos.tar", "--recipe", recipe, "--val", 0.2, "--out", tmp_path / "m.json"
    )

    assert fetched.stdout == f"{folder} → {tmp_path / 'photos.tar'}\n"
    assert json.loads((tmp_path / "m.json").read_text())["parts"] == {"val": 0.2, "test": 0.15, "seed": 7}


def test_a_recipe_without_a_source_is_named(tmp_path):
    recipe = tmp_path / "pets.yaml"
    recipe.write_text("name: pets\ntitle: Pets\nimage: {height: 16, width: 16}\n")

    ran = commands.run("data", "fetch", recipe, "--to", tmp_path / "photos.tar")

    assert ran.returncode == 2
    assert "pets.yaml names no source: add one" in ran.stderr

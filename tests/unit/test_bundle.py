import json
from pathlib import Path

import numpy as np
import pytest

from tapetum import bundle as bundles
from tapetum.bundle import ANSWERS, FACTS, GRAPH, WEIGHTS, Bundle, Facts, Golden
from tapetum.errors import BundleError
from tapetum.image import Preprocess
from tapetum.quantised import Bounds, Quantised

PICTURE = "golden/00-cat.png"
HASHED = (GRAPH, WEIGHTS, ANSWERS, PICTURE)


def make_facts() -> Facts:
    return Facts(
        name="pets",
        title="Pets – 猫",
        version="0123456789ab",
        labels=("cat", "dog"),
        preprocess=Preprocess(height=2, width=3),
        architecture="simple_cnn",
        feature_map="relu_3",
        fingerprint="f" * 64,
        recipe={"name": "pets", "train": {"lr": 0.001}},
        code_version="0.1.0",
    )


def make_golden() -> Golden:
    pictures = {"00-cat.png": b"a cat", "01-dog.jpg": b"a dog"}
    arrays = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    return Golden(pictures, arrays, np.array([[0.9, 0.1], [0.25, 0.75]], np.float32))


def contents() -> dict[str, bytes]:
    return {GRAPH: b"a graph", WEIGHTS: b"some weights"} | make_golden().to_files()


def rewrite(bundle: Bundle, **changes: object) -> None:
    """Change keys of bundle.json behind the bundle's back."""
    path = bundle.path / FACTS
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def draft(tmp_path: Path) -> Bundle:
    return bundles.write_draft(tmp_path / "bundle", make_facts(), contents())


@pytest.fixture
def sealed(draft: Bundle) -> Bundle:
    return bundles.seal(draft)


def test_a_draft_is_read_as_it_was_written(draft):
    assert bundles.load(draft.path) == draft


def test_a_sealed_bundle_is_read_as_it_was_sealed(sealed):
    assert bundles.load_sealed(sealed.path) == sealed


def test_a_sealed_bundle_lists_every_file_but_its_own_facts(sealed):
    assert set(sealed.facts.files) == set(contents())


def test_a_sealed_bundle_may_be_moved(sealed):
    moved = sealed.path.rename(sealed.path.with_name("moved"))

    assert bundles.load_sealed(moved).facts == sealed.facts


def test_a_draft_is_refused_with_the_remedy(draft):
    with pytest.raises(BundleError, match=f"is a draft and cannot be served.*`tapetum bundle seal {draft.path}`"):
        bundles.load_sealed(draft.path)


@pytest.mark.parametrize("name", HASHED)
def test_a_changed_byte_is_noticed(sealed, name):
    changed = bytearray((sealed.path / name).read_bytes())
    changed[-1] ^= 1
    (sealed.path / name).write_bytes(changed)

    with pytest.raises(BundleError, match=f"{name} was changed after the bundle was sealed"):
        bundles.load(sealed.path)


@pytest.mark.parametrize("name", HASHED)
def test_a_missing_file_is_noticed(sealed, name):
    (sealed.path / name).unlink()

    with pytest.raises(BundleError, match=f"{name} is missing: copy the bundle again"):
        bundles.load(sealed.path)


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS, ANSWERS])
def test_a_draft_without_a_required_file_is_refused(tmp_path, name):
    some = {other: content for other, content in contents().items() if other != name}
    bundles.write_draft(tmp_path / "bundle", make_facts(), some)

    with pytest.raises(BundleError, match=f"{name} is missing"):
        bundles.load(tmp_path / "bundle")


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS, ANSWERS])
def test_a_list_without_a_required_file_is_refused(sealed, name):
    rewrite(sealed, files={other: digest for other, digest in sealed.facts.files.items() if other != name})

    with pytest.raises(BundleError, match=f"lists no {name}: the bundle is incomplete"):
        bundles.load(sealed.path)


def test_a_graph_in_int8_must_be_there_where_the_facts_tell_of_it(tmp_path):
    quantised = Quantised(
        method="",
        pictures=1,
        layers=1,
        bounds=Bounds(),
        golden_bound=1,
        graph_bytes={},
        pictures_per_s={},
        processor="",
    )
    bundles.write_draft(tmp_path, make_facts().model_copy(update={"quantised": quantised}), contents())

    with pytest.raises(BundleError, match=r"model\.int8\.onnx is missing"):
        bundles.load(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "golden/../../outside", "{absolute}"])
def test_a_list_that_leads_out_of_the_bundle_is_refused(sealed, name):
    outside = sealed.path.parent / "outside"
    outside.write_bytes(b"secret")
    rewrite(sealed, files=sealed.facts.files | {name.format(absolute=outside): "0" * 64})

    with pytest.raises(BundleError, match="outside', which lies outside the bundle"):
        bundles.load(sealed.path)


def test_a_link_that_leads_out_of_the_bundle_is_refused(sealed):
    (sealed.path / GRAPH).rename(sealed.path.parent / GRAPH)
    (sealed.path / GRAPH).symlink_to(sealed.path.parent / GRAPH)

    with pytest.raises(BundleError, match=f"{GRAPH}', which lies outside the bundle"):
        bundles.load(sealed.path)


def test_a_picture_added_after_the_seal_is_no_golden_one(sealed):
    """Such as the thumbnails that file managers leave; nobody recorded an answer for it."""
    (sealed.path / "golden" / "99-stray.png").write_bytes(b"stray")

    assert list(bundles.load_sealed(sealed.path).golden().pictures) == ["00-cat.png", "01-dog.jpg"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_damaged_golden_answers_are_named(draft, content):
    (draft.path / ANSWERS).write_bytes(content)

    with pytest.raises(BundleError, match=r"answers\.npz is damaged .*make it anew"):
        bundles.load(draft.path).golden()


@pytest.mark.parametrize("version", [bundles.SCHEMA_VERSION + 1, 0, "1", True, None])
def test_a_schema_this_tapetum_does_not_know_asks_for_a_newer_one(draft, version):
    rewrite(draft, schema_version=version)

    with pytest.raises(BundleError, match=f"schema version {version!r}.*install a newer Tapetum"):
        bundles.load(draft.path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"temperature": 0}, "temperature"),
        ({"labels": 7}, "labels"),
        ({"preprocess": {"height": 0, "width": 3}}, "preprocess.height"),
        ({"files": {GRAPH: 5}}, f"files.{GRAPH}"),
    ],
)
def test_a_wrong_fact_is_named(draft, changes, named):
    rewrite(draft, **changes)

    with pytest.raises(BundleError, match=f"{FACTS}: {named}: "):
        bundles.load(draft.path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_facts_that_are_not_json_are_named(draft, content):
    (draft.path / FACTS).write_bytes(content)

    with pytest.raises(BundleError, match=f"{FACTS} cannot be read"):
        bundles.load(draft.path)


def test_facts_that_are_json_of_another_shape_are_refused(draft):
    (draft.path / FACTS).write_text("[]")

    with pytest.raises(BundleError, match=FACTS):
        bundles.load(draft.path)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_facts_is_no_bundle(tmp_path, name):
    with pytest.raises(BundleError, match=f"is not a bundle: it has no {FACTS}; `tapetum train` makes one"):
        bundles.load(tmp_path / name)


def test_a_file_is_no_bundle(draft):
    with pytest.raises(BundleError, match="cannot be read"):
        bundles.load(draft.graph)


def test_a_change_of_a_draft_reaches_the_disk(draft):
    amended = bundles.amend(draft, temperature=1.5)

    assert bundles.load(draft.path).facts.temperature == 1.5
    assert bundles.load(draft.path) == amended


def test_a_sealed_bundle_cannot_be_amended(sealed):
    with pytest.raises(BundleError, match="is sealed and cannot change: make a new draft with `tapetum train`"):
        bundles.amend(sealed, temperature=1.5)


def test_a_sealed_bundle_cannot_be_sealed_again(sealed):
    with pytest.raises(BundleError, match="is sealed"):
        bundles.seal(sealed)


def test_golden_pictures_come_back_in_order(draft):
    assert list(draft.golden().pictures.items()) == list(make_golden().pictures.items())


@pytest.mark.parametrize("name", ["arrays", "probabilities"])
def test_golden_answers_come_back_to_the_last_bit(draft, name):
    found, expected = getattr(draft.golden(), name), getattr(make_golden(), name)

    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_golden_files_are_the_same_bytes_each_time():
    assert make_golden().to_files() == make_golden().to_files()


def test_equal_bundles_have_equal_digests(draft, tmp_path):
    twin = bundles.write_draft(tmp_path / "twin", make_facts(), contents())

    assert bundles.digest(bundles.seal(twin)) == bundles.digest(bundles.seal(draft))


@pytest.mark.parametrize("name", HASHED)
def test_the_digest_covers_every_file(draft, tmp_path, name):
    other = bundles.write_draft(tmp_path / "other", make_facts(), contents() | {name: b"other bytes"})

    assert bundles.digest(bundles.seal(other)) != bundles.digest(bundles.seal(draft))


def test_the_digest_covers_the_facts(draft):
    before = bundles.digest(draft)

    assert bundles.digest(bundles.amend(draft, title="Other pets")) != before


def test_a_new_draft_replaces_the_old_bundle_whole(sealed):
    (sealed.path / "MODEL_CARD.md").write_text("old")

    bundles.write_draft(sealed.path, make_facts(), contents())

    found = {file.relative_to(sealed.path).as_posix() for file in sealed.path.rglob("*") if file.is_file()}
    assert found == {*contents(), FACTS}


def test_facts_are_frozen(draft):
    with pytest.raises(ValueError, match="frozen"):
        draft.facts.temperature = 2.0


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "\ud800"], ids=["zero", "long", "surrogate"])
def test_a_listed_name_that_is_none_is_refused(draft, name):
    seal = bundles.seal(draft)
    rewrite(draft, files=seal.facts.files | {name: "0" * 64})

    with pytest.raises(BundleError, match="which cannot name a file"):
        bundles.load(draft.path)


@pytest.mark.parametrize(
    "labels", [[], ["cat"], ["cat", "cat"], ["cat", "dog", "elk"]], ids=["none", "one", "twice", "three"]
)
def test_labels_that_do_not_fit_the_answers_are_refused(draft, labels):
    bundles.seal(draft)
    rewrite(draft, labels=labels)

    with pytest.raises(BundleError, match=r"names other classes than golden/answers\.npz knows"):
        bundles.load(draft.path)


def test_facts_nested_without_end_are_refused(draft):
    (draft.path / bundles.FACTS).write_text("[" * 100_000)

    with pytest.raises(BundleError, match="cannot be read"):
        bundles.load(draft.path)

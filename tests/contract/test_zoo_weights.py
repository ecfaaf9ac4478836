"""The built-in models in their frameworks, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_envrobust.models import zoo

DATA = Path(__file__).parents[3] / "shared" / "data"
PACKAGES = {"keras": ("tensorflow", "keras"), "torch": ("torch", "torchvision", "timm", "safetensors")}
BIG = pytest.mark.slow
EACH = [pytest.param(name, marks=[] if name == "mobilenet_v2" else BIG) for name in zoo.NAMES]

HEAD = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
import pytest_envrobust as er
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks import _keras_zoo, _torch_zoo, frameworks

FRAMEWORK = frameworks()[sys.argv[1]]
ZOO = {"keras": _keras_zoo, "torch": _torch_zoo}[FRAMEWORK.name]

def loaded(model):
    return FRAMEWORK.load(model.source(FRAMEWORK.name).reference(FRAMEWORK.name))

def scores(model, native):
    batch = model.input_set.load().batch(model.preprocess(FRAMEWORK.name), FRAMEWORK.layout)
    parts = np.array_split(batch, max(1, len(batch) // 4))
    return np.concatenate([FRAMEWORK.run(native, part) for part in parts])

def facts(native, found):
    weights = [np.ascontiguousarray(array) for array in ZOO.canonical_weights(native)]
    return {
        "shapes": [array.shape for array in weights],
        "numbers": [hashlib.sha256(array.tobytes()).hexdigest() for array in weights],
        "classes": found.shape[1],
        "rows": found.sum(axis=1).tolist(),
        "labels": found.argmax(axis=1).tolist(),
    }

def message(action):
    try:
        action()
    except er.EnvrobustError as error:
        return f"{type(error).__name__}: {error}"
    return ""

"""
FACTS = """
model = getattr(er.zoo, sys.argv[3])(er.Arrays(np.load(sys.argv[2])), frameworks=[FRAMEWORK.name])
native = loaded(model)
print(json.dumps(facts(native, scores(model, native))))
"""


def needs(framework: str) -> None:
    """Skip where a package is absent."""
    for package in PACKAGES[framework]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def tell(text: str, *arguments: str, environ: dict[str, str] | None = None) -> Any:
    """What Python code prints last, as JSON."""
    quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    found = subprocess.run(
        [sys.executable, "-c", HEAD + text, *arguments],
        env={**os.environ, **quiet, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1]), found.stderr


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of four images, (4, 64, 80, 3) uint8: noise of as many colors and grains."""
    random = np.random.default_rng(3)
    drawn = []
    for grain in (1, 2, 4, 8):
        coarse = random.integers(0, 256, (64 // grain, 80 // grain, 3)) * random.uniform(0.3, 1.0, 3)
        drawn.append(np.repeat(np.repeat(coarse, grain, axis=0), grain, axis=1))
    path = tmp_path_factory.mktemp("zoo") / "images.npy"
    np.save(path, np.stack(drawn).astype(np.uint8))
    return str(path)


@cache
def facts(framework: str, images: str, name: str) -> dict[str, Any]:
    """What that framework's seeded model is and says."""
    needs(framework)
    found, _ = tell(FACTS, framework, images, name)
    return dict(found)


@pytest.mark.parametrize("name", EACH)
def test_both_frameworks_define_the_same_weights_and_get_the_same_numbers(name: str, images: str) -> None:
    keras, torch = facts("keras", images, name), facts("torch", images, name)
    assert keras["shapes"] == torch["shapes"]
    assert keras["numbers"] == torch["numbers"]
    assert len(set(keras["numbers"])) == len(keras["numbers"])


@pytest.mark.parametrize("framework", zoo.FRAMEWORKS)
@pytest.mark.parametrize("name", EACH)
def test_a_seeded_model_tells_images_apart(name: str, framework: str, images: str) -> None:
    found = facts(framework, images, name)
    assert found["classes"] == 1000
    assert len(set(found["labels"])) > 1
    assert not np.allclose(found["rows"], 1.0, atol=0.01), "logits, not probabilities"


FILES = """
folder = Path(sys.argv[2])
if FRAMEWORK.name == "keras":
    import keras
    suffix, other = ".weights.h5", keras.applications.MobileNetV2(weights=None, classes=10)
    def save(native, path): native.save_weights(path)
    top, headless = "", keras.applications.MobileNetV2(weights=None, include_top=False)
    longer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
else:
    import torch
    from pytest_envrobust.frameworks._torchvision import with_torchvision
    from safetensors.torch import save_file
    suffix = ".safetensors"
    def made():
        import torchvision
        return torchvision.models.mobilenet_v2(num_classes=10)
    other = with_torchvision(made)
    def save(native, path): save_file(native.state_dict(), path)
    headless, longer = other.features, torch.nn.Linear(3, 2)
inputs = er.Arrays(np.load(sys.argv[3]))
seeded = er.zoo.mobilenet_v2(inputs, frameworks=[FRAMEWORK.name])
native = loaded(seeded)
seeded_scores = scores(seeded, native)
save(native, folder / f"good{suffix}")
save(other, folder / f"ten{suffix}")
save(headless, folder / f"headless{suffix}")
save(longer, folder / f"foreign{suffix}")
(folder / f"cut{suffix}").write_bytes((folder / f"good{suffix}").read_bytes()[:5000])

def of(name):
    return er.zoo.mobilenet_v2(inputs, weights={FRAMEWORK.name: folder / f"{name}{suffix}"})

good = of("good")
same = bool(np.array_equal(scores(good, loaded(good)), seeded_scores))
wrong = ("ten", "headless", "foreign", "cut", "gone")
told = {name: message(lambda: loaded(of(name))) for name in wrong}
print(json.dumps({"same": same, "facts": facts(native, seeded_scores), **told}))
"""


@cache
def of_files(framework: str, images: str, folder: Path) -> dict[str, Any]:
    """What another process of that framework makes of seeded weights, of the same from a file, and of wrong files."""
    needs(framework)
    found, _ = tell(FILES, framework, str(folder), images)
    return dict(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where those files lie."""
    return tmp_path_factory.mktemp("weights")


@pytest.mark.parametrize("framework", zoo.FRAMEWORKS)
def test_two_processes_build_the_same_model(framework: str, images: str, folder: Path) -> None:
    first = facts(framework, images, "mobilenet_v2")
    again = of_files(framework, images, folder)["facts"]
    assert again["numbers"] == first["numbers"]
    np.testing.assert_allclose(again["rows"], first["rows"], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("framework", zoo.FRAMEWORKS)
def test_weights_from_a_file_fit_or_are_refused(framework: str, images: str, folder: Path) -> None:
    found = of_files(framework, images, folder)
    assert found["same"]
    for name in ("ten", "headless", "foreign"):
        assert found[name].startswith(f"DeclarationError: {framework} weights '{folder}"), found[name]
        assert "do not fit mobilenet_v2: " in found[name], found[name]
        assert f"{name}." in found[name]
    assert "cannot be read" in found["cut"]
    assert "there is no such file" in found["gone"]


OFFLINE = """
inputs = er.Arrays(np.zeros((1, 8, 8, 3), np.uint8))
models = {name: getattr(er.zoo, name)(inputs, weights="imagenet") for name in sys.argv[2:]}
print(json.dumps({name: message(lambda: loaded(model)) for name, model in models.items()}))
"""


@pytest.mark.parametrize(
    ("framework", "names"), [("keras", ["densenet121"]), ("torch", ["densenet121", "resnet101_v2"])]
)
def test_imagenet_weights_without_a_network_are_one_clear_error(
    framework: str, names: list[str], tmp_path: Path
) -> None:
    needs(framework)
    homes = dict.fromkeys(("HOME", "KERAS_HOME", "TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME"), str(tmp_path))
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    found, errors = tell(OFFLINE, framework, *names, environ={**homes, **closed, "no_proxy": "", "NO_PROXY": ""})
    assert list(found) == names
    for name, said in found.items():
        start = f"DeclarationError: the ImageNet weights of {name} for {framework}: they cannot be downloaded: "
        assert said.startswith(start), said
        assert "weights 'seeded' need no download" in said
    assert "Retrying" not in errors


HIDDEN = """
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
model = er.zoo.resnet101_v2(er.Arrays(np.zeros((2, 8, 8, 3), np.uint8)))
print(json.dumps(message(lambda: loaded(model))))
"""


@pytest.mark.parametrize("package", ["torchvision", "timm"])
def test_an_absent_package_is_unavailable(package: str) -> None:
    needs("torch")
    found, _ = tell(HIDDEN, "torch", package)
    assert found == f"Unavailable: {package} is not installed (pip install 'pytest-envrobust[zoo]')"


DOCUMENTED = {
    "keras": """
import keras
from PIL import Image
modules = {"mobilenet_v2": "mobilenet_v2", "resnet101_v2": "resnet_v2", "densenet121": "densenet"}
modules["inception_v3"] = "inception_v3"
random = np.random.default_rng(0)
path = Path(sys.argv[2]) / "image.png"
Image.fromarray(random.integers(0, 256, (300, 410, 3)).astype(np.uint8)).save(path)
furthest = {}
for name, module in modules.items():
    ours = er.zoo.preprocess(name, "keras")
    loaded_image = keras.utils.img_to_array(keras.utils.load_img(path, target_size=ours.resize))
    theirs = getattr(keras.applications, module).preprocess_input(loaded_image)
    furthest[name] = float(np.abs(ours.apply([np.asarray(Image.open(path))], layout="NHWC")[0] - theirs).max())
print(json.dumps(furthest))
""",
    "torch": """
from pytest_envrobust.frameworks._torchvision import with_torchvision

def documented():
    import timm, torchvision
    found = {}
    for name in ("mobilenet_v2", "densenet121", "inception_v3"):
        how = torchvision.models.get_model_weights(name).IMAGENET1K_V1.transforms()
        found[name] = (how.resize_size[0], how.crop_size[0], how.interpolation.value, how.mean, how.std)
    how = timm.data.resolve_data_config(pretrained_cfg=timm.models.get_pretrained_cfg(ZOO.RESNET101_V2).to_dict())
    side = how["input_size"][1]
    resize = int(side / how["crop_pct"])
    found["resnet101_v2"] = (resize, side, how["interpolation"], how["mean"], how["std"])
    return found

furthest = {}
for name, (resize, crop, kernel, mean, std) in with_torchvision(documented).items():
    theirs = er.Preprocess(resize, crop, kernel, 1 / 255, tuple(mean), tuple(std))
    furthest[name] = 0.0 if theirs == er.zoo.preprocess(name, "torch") else repr(theirs)
print(json.dumps(furthest))
""",
}


@pytest.mark.parametrize("framework", zoo.FRAMEWORKS)
def test_preprocessing_is_what_the_framework_documents(framework: str, tmp_path: Path) -> None:
    needs(framework)
    found, _ = tell(DOCUMENTED[framework], framework, str(tmp_path))
    assert sorted(found) == sorted(zoo.NAMES)
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-5)


REAL = """
data = Path(sys.argv[2])
names = {"keras": "keras_mobilenet_v2.weights.h5", "torch": "torch_mobilenet_v2.safetensors"}
model = er.zoo.mobilenet_v2(data / "images", weights={FRAMEWORK.name: data / "models" / names[FRAMEWORK.name]})
print(json.dumps(scores(model, loaded(model)).argmax(axis=1).tolist()))
"""


@pytest.mark.slow
def test_real_weights_are_right_and_differ_between_frameworks() -> None:
    if not DATA.is_dir():
        pytest.skip("../shared/data, with real weights and photographs, is not here")
    for framework in zoo.FRAMEWORKS:
        needs(framework)
    truth = np.array([int(path.name.partition("_")[0]) for path in sorted((DATA / "images").glob("*.jpg"))])
    labels = {framework: np.array(tell(REAL, framework, str(DATA))[0]) for framework in zoo.FRAMEWORKS}
    right = {framework: float(np.mean(found == truth)) for framework, found in labels.items()}
    assert min(right.values()) > 0.75, right
    assert 0.08 <= np.mean(labels["keras"] != labels["torch"]) <= 0.25

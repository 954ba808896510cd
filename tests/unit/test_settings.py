import os
from pathlib import Path

import pytest

from tapetum import settings
from tapetum.errors import ConfigError
from tapetum.settings import Origin, masked, unknown_variables


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting in the environment, and a working folder without .env."""
    for name in list(os.environ):
        if name.upper().startswith("TAPETUM_") or name.upper() == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("bundle", Path("bundle")),
        ("host", "127.0.0.1"),
        ("port", 8000),
        ("engine", "openvino"),
        ("workers", None),
        ("max_pixels", 50_000_000),
        ("log_format", "console"),
        ("mlflow_tracking_uri", "sqlite:///mlruns/mlflow.db"),
    ],
)
def test_a_bare_machine_gets_the_defaults(name, default):
    assert getattr(settings.load(), name) == default


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TAPETUM_BUNDLE", "runs/pets/bundle", Path("runs/pets/bundle")),
        ("TAPETUM_PORT", "9000", 9000),
        ("TAPETUM_PRECISION", "bf16", "bf16"),
        ("tapetum_workers", "4", 4),
        ("MLFLOW_TRACKING_URI", "http://tracker:5000", "http://tracker:5000"),
    ],
)
def test_a_variable_of_the_environment_is_a_setting(monkeypatch, name, text, value):
    monkeypatch.setenv(name, text)

    assert getattr(settings.load(), name.lower().removeprefix("tapetum_")) == value


def test_a_line_of_the_env_file_is_a_setting():
    Path(".env").write_text("# of this machine\nTAPETUM_PORT=9100\nUNRELATED=1\n")

    assert settings.load().port == 9100


def test_the_env_file_knows_mlflow_by_its_usual_name():
    Path(".env").write_text("MLFLOW_TRACKING_URI=none\n")

    assert settings.load().mlflow_tracking_uri == "none"


def test_the_environment_wins_over_the_env_file(monkeypatch):
    Path(".env").write_text("TAPETUM_PORT=9100\n")
    monkeypatch.setenv("TAPETUM_PORT", "9000")

    assert settings.load().port == 9000


def test_the_command_line_wins_over_the_environment(monkeypatch):
    Path(".env").write_text("TAPETUM_PORT=9100\n")
    monkeypatch.setenv("TAPETUM_PORT", "9000")

    assert settings.load(port=9200).port == 9200


def test_an_option_that_was_not_given_decides_nothing(monkeypatch):
    monkeypatch.setenv("TAPETUM_PORT", "9000")

    assert settings.load(port=None).port == 9000


def test_mlflow_may_be_given_by_the_name_of_the_setting(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")

    assert settings.load(mlflow_tracking_uri="none").mlflow_tracking_uri == "none"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TAPETUM_PORT", "http", "a valid integer"),
        ("TAPETUM_PORT", "70000", "less than or equal to 65535"),
        ("TAPETUM_PORT", "", "a valid integer"),
        ("TAPETUM_WORKERS", "-1", "greater than or equal to 0"),
        ("TAPETUM_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("TAPETUM_MAX_BODY_BYTES", "10", "greater than or equal to 1024"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=f"{name} is '{value}': expected {expected}"):
        settings.load()


def test_every_wrong_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("TAPETUM_PORT", "http")
    Path(".env").write_text("TAPETUM_WORKERS=many\n")

    with pytest.raises(ConfigError, match=r"TAPETUM_PORT is 'http': .*; TAPETUM_WORKERS is 'many': "):
        settings.load()


def test_an_env_file_of_another_encoding_is_a_config_error():
    """Such as one that an editor on Windows saved as UTF-16."""
    Path(".env").write_text("TAPETUM_PORT=9100\n", encoding="utf-16")

    with pytest.raises(ConfigError, match=r"\.env"):
        settings.load()


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        settings.load().port = 1


def test_an_unknown_variable_is_told_its_nearest():
    assert unknown_variables({"TAPETUM_PROT": "9000"}) == [
        "TAPETUM_PROT is not a setting (did you mean 'TAPETUM_PORT'?)"
    ]


def test_an_unknown_variable_like_no_other_is_named_alone():
    assert unknown_variables({"TAPETUM_ZZZZZZZZZ": ""}) == ["TAPETUM_ZZZZZZZZZ is not a setting"]


def test_known_and_foreign_variables_are_no_strangers():
    assert unknown_variables({"TAPETUM_PORT": "1", "MLFLOW_TRACKING_URI": "none", "PATH": "/bin"}) == []


def test_a_variable_called_unknown_changes_nothing(monkeypatch):
    """What is complained of as no setting must not be obeyed as one."""
    monkeypatch.setenv("TAPETUM_MLFLOW_TRACKING_URI", "none")

    assert unknown_variables(os.environ) != []
    assert settings.load().mlflow_tracking_uri == "sqlite:///mlruns/mlflow.db"


@pytest.mark.parametrize(
    "expected",
    [
        Origin("TAPETUM_PORT", "9000", "environment"),
        Origin("TAPETUM_WORKERS", "4", ".env"),
        Origin("TAPETUM_HOST", "127.0.0.1", "default"),
        Origin("MLFLOW_TRACKING_URI", "postgresql://me:***@db/runs", "environment"),
    ],
    ids=lambda origin: origin.variable,
)
def test_each_setting_says_where_it_comes_from(monkeypatch, expected):
    Path(".env").write_text("TAPETUM_PORT=9100\nTAPETUM_WORKERS=4\n")
    monkeypatch.setenv("TAPETUM_PORT", "9000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/runs")

    assert expected in settings.origins()


def test_origins_list_every_setting_once():
    assert [origin.variable for origin in settings.origins()] == [
        settings.variable(name) for name in settings.Settings.model_fields
    ]


@pytest.mark.parametrize("password", ["secret", "p%40ss", "p#ss", "p/ss", "p?ss", "p[ss", ""])
def test_a_password_in_an_address_is_masked(password):
    """SQLAlchemy, and so MLflow, takes each of these as it stands."""
    assert masked(f"postgresql://me:{password}@db:5432/runs?ssl=1") == "postgresql://me:***@db:5432/runs?ssl=1"


@pytest.mark.parametrize("value", ["sqlite:///runs.db", "http://me@db/runs", "http://[::1]:5000", Path("a/b"), 8000])
def test_what_holds_no_password_is_shown_as_it_is(value):
    assert masked(value) == str(value)

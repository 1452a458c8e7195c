"""The variables that every service reads."""

import nkeys
import pytest

from stile_runtime.settings import ServiceSettings, SettingsError

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STILE_NATS_URL", f"http://me:{SECRET}@localhost"),
        ("STILE_NATS_NKEY_FILE", f"/nowhere/{SECRET}"),
        ("STILE_NATS_TLS_CA", f"/nowhere/{SECRET}"),
        ("STILE_LOG_LEVEL", SECRET),
        ("STILE_LOG_FORMAT", SECRET),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(monkeypatch, variable, value):
    """One line: the variable and why."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: [^\n]+$") as raised:
        ServiceSettings.load()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("field", ServiceSettings.model_fields)
def test_an_empty_variable_is_not_set(monkeypatch, field):
    """Compose files and unit files set empty variables."""
    monkeypatch.setenv(f"STILE_{field.upper()}", "")
    assert getattr(ServiceSettings.load(), field) == ServiceSettings.model_fields[field].default


def test_a_seed_is_checked_at_the_start(monkeypatch, tmp_path):
    """A file that holds none stops the start, and is not shown; one that holds one is used."""
    file = tmp_path / "seed.nk"
    file.write_text(SECRET)
    monkeypatch.setenv("STILE_NATS_NKEY_FILE", str(file))
    with pytest.raises(SettingsError, match=r"^STILE_NATS_NKEY_FILE: the file holds no nkey seed$"):
        ServiceSettings.load()
    file.write_bytes(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER))
    assert ServiceSettings.load().login("_INBOX_x").seed == file


def test_half_of_a_certificate_is_an_error_of_both_variables(monkeypatch):
    """It names both itself."""
    monkeypatch.setenv("STILE_NATS_TLS_CERT", __file__)
    with pytest.raises(SettingsError, match=r"^set both STILE_NATS_TLS_CERT and STILE_NATS_TLS_KEY"):
        ServiceSettings.load()


def test_the_levels_and_forms_of_logs_may_be_in_upper_case(monkeypatch):
    """As many programs want them."""
    monkeypatch.setenv("STILE_LOG_LEVEL", "DEBUG")
    assert ServiceSettings.load().log_level == "debug"

"""What an import that fails has changed is known, and what can be given back is."""

from __future__ import annotations

from longboat.cli.image_import import lost

BEFORE = {"x:1": "old", "sha256:id-of-old": "old", "y:1": "other"}


def test_nothing_happened() -> None:
    assert lost(BEFORE, dict(BEFORE)) == ([], {})


def test_new_names_go() -> None:
    assert lost(BEFORE, {**BEFORE, "bad:1": "bad", "sha256:id-of-bad": "bad"}) == (["bad:1", "sha256:id-of-bad"], {})


def test_a_name_that_was_taken_is_given_back() -> None:
    now = {**BEFORE, "x:1": "bad", "sha256:id-of-bad": "bad"}
    assert lost(BEFORE, now) == (["sha256:id-of-bad"], {"x:1": "sha256:id-of-old"})


def test_a_name_whose_image_nobody_holds_any_more_goes_rather_than_stand_for_another() -> None:
    assert lost(BEFORE, {**BEFORE, "y:1": "bad"}) == (["y:1"], {})

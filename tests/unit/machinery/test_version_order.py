from longboat.machinery.version_order import rank


def test_the_one_to_be_preferred_comes_first() -> None:
    ordered = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    assert sorted(reversed(ordered), key=rank) == ordered  # the example of the API's documentation

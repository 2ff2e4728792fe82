"""Settings of the tests of the experiments."""

import pytest

pytest.register_assert_rewrite("tests.experiments.every")

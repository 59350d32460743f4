"""Give every test the fixtures of `libs.devstack.testing`, and no example of Hypothesis a time limit."""

from hypothesis import settings

pytest_plugins = ["libs.devstack.testing.fixtures"]

settings.register_profile("adsp", deadline=None)  # machines are noisy: time is for `./dev bench`
settings.load_profile("adsp")

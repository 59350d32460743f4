"""Give every test the fixtures of `libs.common.testing`."""

pytest_plugins = ["libs.common.testing.fixtures"]

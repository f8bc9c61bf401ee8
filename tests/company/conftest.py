"""Fixtures for tests of company folders."""

import pytest


@pytest.fixture
def folder():
    """Write files into a folder, from names with a double underscore for the dot, and give the folder."""

    def write(path, **files):
        path.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (path / name.replace("__", ".")).write_bytes(data)
        return path

    return write

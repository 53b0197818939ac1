"""What a folder is called whose Git is missing, young or broken."""

import pytest
from git_server import git, needs_git

from reconciler.errors import SourceError
from reconciler.source.revision import UNVERSIONED, revision_of

pytestmark = needs_git


def test_a_folder_without_git_and_a_repository_without_a_commit_are_unversioned(tmp_path):
    assert revision_of(tmp_path) == UNVERSIONED
    git(tmp_path, "init", "-q")
    assert revision_of(tmp_path) == UNVERSIONED


def test_a_broken_repository_is_an_error_and_no_unversioned_folder(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / ".git" / "HEAD").write_text("garbage")
    below = tmp_path / "manifests"
    below.mkdir()
    with pytest.raises(SourceError, match=r"\.git is there, but is no repository"):
        revision_of(below)

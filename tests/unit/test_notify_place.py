"""Which pull request a pipeline is about, where its forge is, and how one signs in."""

import pytest

from reconciler.errors import UsageError
from reconciler.notify.comments import mark_of
from reconciler.notify.forges import azure_devops, credentials_of, forge_of, secure
from reconciler.notify.pipeline import forge_name, place_of

TOKEN = "canary-token-77aa"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/ml",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_TOKEN": TOKEN,
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_API_V4_URL": "https://gitlab.example/api/v4",
    "CI_PROJECT_ID": "9",
    "CI_MERGE_REQUEST_IID": "17",
    "GITLAB_TOKEN": TOKEN,
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_REPOSITORY_PROVIDER": "TfsGit",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/org/",
    "SYSTEM_TEAMPROJECT": "My Project",
    "BUILD_REPOSITORY_ID": "5f1e",
    "SYSTEM_PULLREQUEST_PULLREQUESTID": "17",
    "SYSTEM_ACCESSTOKEN": TOKEN,
}
EVENT = {"pull_request": {"number": 17}}


@pytest.mark.parametrize(
    ("environ", "event", "name", "repository"),
    [
        (GITHUB, EVENT, "github", "https://api.github.com/repos/acme/ml"),
        (GITHUB, {"issue": {"number": 17, "pull_request": {}}}, "github", "https://api.github.com/repos/acme/ml"),
        (GITHUB | {"GITHUB_REF": "refs/pull/17/merge"}, None, "github", "https://api.github.com/repos/acme/ml"),
        (GITLAB, None, "gitlab", "https://gitlab.example/api/v4/projects/9"),
        (GITLAB | {"CI_MERGE_REQUEST_PROJECT_ID": "3"}, None, "gitlab", "https://gitlab.example/api/v4/projects/3"),
        (AZURE, None, "azuredevops", "https://dev.azure.com/org/My%20Project/_apis/git/repositories/5f1e"),
        (
            AZURE | {"SYSTEM_COLLECTIONURI": "https://org.visualstudio.com/"},
            None,
            "azuredevops",
            "https://org.visualstudio.com/My%20Project/_apis/git/repositories/5f1e",
        ),
    ],
)
def test_a_pipeline_says_where_it_is(environ, event, name, repository):
    place = place_of(environ, event)
    assert (place.forge.name, place.forge.repository, place.pull_request) == (name, repository, 17)
    assert place.forge.token == TOKEN
    assert TOKEN not in repr(place)


def test_azure_pipelines_of_a_repository_of_github_comment_there():
    environ = {
        "TF_BUILD": "True",
        "BUILD_REPOSITORY_PROVIDER": "GitHub",
        "BUILD_REPOSITORY_NAME": "acme/ml",
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "17",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "998877",
        "GITHUB_TOKEN": TOKEN,
    }
    place = place_of(environ, None)
    assert (place.forge.repository, place.pull_request) == ("https://api.github.com/repos/acme/ml", 17)


def test_options_win():
    place = place_of(GITHUB | GITLAB, EVENT, forge="gitlab", pull_request="4")
    assert (place.forge.name, place.pull_request) == ("gitlab", 4)


def test_outside_of_a_pipeline_nothing_is_guessed():
    assert forge_name({}) is None
    with pytest.raises(UsageError, match="--forge"):
        place_of({}, None)


@pytest.mark.parametrize(
    ("environ", "event", "missing"),
    [
        (
            {"GITHUB_ACTIONS": "true"},
            {"push": {}},
            ["GITHUB_REPOSITORY", "GITHUB_TOKEN", "pull-requests: write", "--pull-request"],
        ),
        ({"GITLAB_CI": "true"}, None, ["CI_PROJECT_ID", "GITLAB_TOKEN", "scope `api`", "--pull-request"]),
        (
            {"TF_BUILD": "True", "SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"},
            None,
            [
                "SYSTEM_COLLECTIONURI",
                "SYSTEM_TEAMPROJECT",
                "BUILD_REPOSITORY_ID",
                "SYSTEM_ACCESSTOKEN",
                "--pull-request",
            ],
        ),
    ],
)
def test_all_that_is_missing_is_listed_at_once(environ, event, missing):
    with pytest.raises(UsageError) as caught:
        place_of(environ, event)
    assert [one for one in missing if one not in str(caught.value)] == []


@pytest.mark.parametrize("event", [None, [], "x", {"issue": {"number": 17}}, {"pull_request": None}, {"number": 17}])
def test_an_event_of_no_pull_request_is_none(event):
    with pytest.raises(UsageError, match="--pull-request N"):
        place_of(GITHUB, event)


@pytest.mark.parametrize("number", ["0", "-1", "x", "1/../2", "17 x", "", "٣"])
def test_a_number_is_a_number(number):
    with pytest.raises(UsageError, match="--pull-request"):
        place_of(GITHUB, EVENT, pull_request=number)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("github", "acme"),
        ("github", "acme/ml/x"),
        ("github", "../ml"),
        ("azuredevops", "org/repo"),
        ("azuredevops", "org/../repo"),
        ("gitlab", ""),
    ],
)
def test_a_repository_that_is_none_is_told(name, repository):
    with pytest.raises(UsageError, match="no repository of"):
        forge_of(name, repository, TOKEN)


def test_a_token_goes_to_https_only_or_to_this_machine():
    with pytest.raises(UsageError, match="https://"):
        forge_of("github", "acme/ml", TOKEN, "http://git.example/api/v3")
    assert forge_of("github", "acme/ml", TOKEN, "http://127.0.0.1:8080").api == "http://127.0.0.1:8080"


@pytest.mark.parametrize("token", ["two\nlines", "a b", "tökén"])
def test_a_token_that_is_none_is_told_without_showing_it(token):
    with pytest.raises(UsageError) as caught:
        forge_of("github", "acme/ml", token)
    assert token not in str(caught.value)


def test_an_own_gitlab_is_found_with_or_without_the_path_of_its_api():
    for url in ("https://git.example", "https://git.example/", "https://git.example/api/v4"):
        assert forge_of("gitlab", "a/b", TOKEN, url).api == "https://git.example/api/v4"


def test_azure_devops_tells_personal_tokens_from_others():
    assert azure_devops("https://dev.azure.com/o", "p", "r", "pat").authorization.startswith("Basic ")
    assert azure_devops("https://dev.azure.com/o", "p", "r", "eyJ0").authorization == "Bearer eyJ0"


@pytest.mark.parametrize(
    ("url", "is_secure", "plain"),
    [
        ("https://hooks.example/T/B/x", True, True),
        ("http://127.0.0.1:9/x", True, True),
        ("http://[::1]:9/x", True, True),
        ("http://alerts.internal/x", False, True),
        ("http://127.0.0.1.evil.example/x", False, True),
        ("ftp://x/y", False, False),
        ("file:///etc/passwd", False, False),
        ("https://", False, False),
        ("https://x:99999/", False, False),
        ("https://a b/", False, False),
        ("https://x/\r\ny", False, False),
        ("not a url", False, False),
    ],
)
def test_addresses(url, is_secure, plain):
    assert secure(url) is is_secure
    assert secure(url, plain_http=True) is plain


def test_a_user_in_an_address_becomes_a_header():
    assert credentials_of("https://u:p%40ss@h:8/x?y=1") == ("https://h:8/x?y=1", "Basic dTpwQHNz")
    assert credentials_of("https://h/x@y") == ("https://h/x@y", "")


@pytest.mark.parametrize("key", ["plan", "prod", "team/prod.eu_1"])
def test_a_key_makes_a_mark(key):
    assert mark_of(key) == f"<!-- aml-gitops:{key} -->"


@pytest.mark.parametrize("key", ["", "a b", "--x", "x-->", "a--b", "x\n", "é", "x" * 101])
def test_a_key_that_could_end_the_mark_is_refused(key):
    with pytest.raises(UsageError, match="--key"):
        mark_of(key)

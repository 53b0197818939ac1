"""The HTML of a plan: one inert file, readable by everybody, with the same facts as the JSON."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from builders import (
    ALL,
    DEPLOYMENT,
    EMPTY,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    INTENT,
    MODEL,
    changed,
    live_of,
    planned,
    resources,
)

from reconciler.domain import Action, Change, Drift, Held, Plan, Ref, Refusal, Verb, Warn
from reconciler.plan.guard import guard
from reconciler.render import plan_json
from reconciler.render.html import MANY, plan_html
from reconciler.render.style import CSS, DARK, LIGHT
from reconciler.render.values import value_text

VOID = {"meta", "wbr", "rect", "br", "hr", "img", "input", "link"}
HOSTILE = "\"'><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>&amp;{{}}</table></main>"


class Page(HTMLParser):
    """Reads a page strictly: what opens is closed, in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.tags, self.attributes, self.texts, self.style = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)


def rich_plan():
    """A plan with something of everything."""
    before = live_of(resources(*ALL))
    green = DEPLOYMENT.replace("name: blue", "name: green")
    split = ENDPOINT.replace("{blue: 100}", "{blue: 90, green: 10}")
    slow = DEPLOYMENT.replace("instance_type", "instance_count: 3\ninstance_type")
    wanted = resources(MODEL, ENVIRONMENT, split, slow, green)
    live = changed(before, ENDPOINT_REF, **{"properties.publicNetworkAccess": "Enabled", "tags.team": "pirates"})
    plan = guard(planned(wanted, live), wanted, live, INTENT)
    return replace(
        plan,
        actions=(Action(Verb.DELETE, Ref("deployment", "old", "v1"), "left the manifests"), *plan.actions),
        drift=(Drift(Ref("endpoint", "fraud"), (Change("tags.tier", "a", "b", "drift"),), healed=False),),
        refusals=(
            Refusal("confirm", "endpoint/old", "would stop", "properties.traffic", "apply --confirm endpoint/old"),
        ),
        warnings=(Warn("public-endpoint", "endpoint/theirs", "answers the public internet"),),
        held=(Held(Ref("deployment", "fraud", "blue"), Verb.UPDATE, "suspended by ann"),),
        not_evaluated=(Ref("model", "far", "1"),),
    )


def hostile_plan():
    """Every text that comes from a file, Azure or a person is an attack."""
    ref = Ref("endpoint", HOSTILE)
    change = Change(f"tags.{HOSTILE}", HOSTILE, HOSTILE, HOSTILE)
    return Plan(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        actions=(
            Action(Verb.UPDATE, ref, HOSTILE, (change,), (Ref("model", HOSTILE, HOSTILE),)),
            Action(
                Verb.UPDATE,
                Ref("traffic", HOSTILE),
                HOSTILE,
                (Change(f"properties.traffic.{HOSTILE}", 1, 2, "manifest"),),
                body={"properties": {"traffic": {HOSTILE: 2}}},
            ),
        ),
        drift=(Drift(ref, (change,), healed=False),),
        refusals=(Refusal(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        warnings=(Warn(HOSTILE, HOSTILE, HOSTILE),),
        held=(Held(ref, Verb.UPDATE, HOSTILE),),
        not_evaluated=(ref,),
        digest=HOSTILE,
    )


PLANS = {
    "rich": rich_plan(),
    "hostile": hostile_plan(),
    "new": planned(resources(*ALL), EMPTY),
    "nothing": planned(resources(*ALL), live_of(resources(*ALL))),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_it_is_one_balanced_page_that_asks_for_nothing_and_starts_nothing(plan):
    page = Page(plan_html(plan))
    assert page.tags[:3] == ["html", "head", "meta"]
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "style", "srcset", "action"})
    assert all(value.startswith("#step-") for _, name, value in page.attributes if name == "href")
    assert "url(" not in page.style
    assert "@import" not in page.style


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_its_policy_allows_its_own_style_and_nothing_else(plan):
    page = Page(plan_html(plan))
    (policy,) = (v for tag, n, v in page.attributes if tag == "meta" and n == "content" and "default-src" in v)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_a_hostile_value_is_text():
    page = Page(plan_html(PLANS["hostile"]))
    assert page.text.count("<script>alert(1)</script>") >= 15
    assert "&amp;{{}}" in page.text


def facts(document):
    """Everything that the JSON says and a person must be able to read, as text."""
    yield from (document["project"], document["environment"], document["workspace"], document["revision"])
    yield document["digest"]
    for verb, count in document["summary"].items():
        if count:
            yield f"{count} {verb}" if verb == "unchanged" else f"{count} to {verb}"
    for action in document["actions"]:
        yield from (action["verb"], action["resource"], action["reason"], *action["needs"])
    for item in (*document["actions"], *document["drift"]):
        for change in item["changes"]:
            yield change["path"]
            yield from (value_text(side, 2000) for side in (change["before"], change["after"]) if side is not None)
    for key in ("drift", "refusals", "warnings", "held"):
        for item in document[key]:
            yield from (str(text) for name, text in item.items() if name not in ("changes", "healed", "position"))
    yield from (str(refusal["position"]) for refusal in document["refusals"] if refusal["position"])
    yield from document["not_evaluated"]


@pytest.mark.parametrize("name", ["rich", "new", "nothing"])
def test_it_says_all_that_the_json_says(name):
    text = Page(plan_html(PLANS[name])).text
    missing = [fact for fact in facts(plan_json(PLANS[name])) if fact not in text]
    assert missing == []


def test_what_stands_against_it_comes_first_then_what_is_taken_away():
    text = Page(plan_html(PLANS["rich"])).text
    order = ["nothing of this plan will be applied", "would stop", "--confirm endpoint/old", "deployment/old/v1",
             "sku.capacity", "not in the workspace yet", "tags.tier", "answers the public", "by ann"]  # fmt: skip
    places = [text.index(fact) for fact in order]
    assert places == sorted(places)


def opened(plan):
    return re.findall(r'<details class="action" id="step-(\d+)" open', plan_html(plan))


def test_deletions_are_never_folded_away():
    plan = PLANS["rich"]
    many = tuple(replace(plan.actions[1], ref=Ref("endpoint", f"e{n}")) for n in range(MANY))
    assert "1" in opened(plan)
    assert opened(replace(plan, actions=(plan.actions[0], *many))) == ["1"]


def test_traffic_is_drawn_before_and_after():
    page = Page(plan_html(PLANS["rich"]))
    bars = [value for tag, name, value in page.attributes if tag == "rect" and name == "width"]
    assert bars == ["100", "90", "10", "2", "2"]
    assert "blue 100 % → 90 %" in page.text
    assert "green 0 % → 10 %" in page.text


def test_a_share_that_stays_is_drawn_on_both_sides():
    moved = (Change("properties.traffic.blue", 60, 50, "manifest"), Change("properties.traffic.green", 20, 30, "m"))
    body = {"properties": {"traffic": {"blue": 50, "green": 30, "red": 20}}}
    action = Action(Verb.UPDATE, Ref("traffic", "churn"), "changed in Git", moved, body=body)
    page = Page(plan_html(Plan("shop", "test", "r", actions=(action,))))
    bars = [value for tag, name, value in page.attributes if tag == "rect" and name == "width"]
    assert bars == ["60", "20", "20", "50", "30", "20", "2", "2", "2"]
    assert "red 20 % → 20 %" in page.text


def test_what_an_action_needs_leads_to_the_step_that_makes_it():
    page = Page(plan_html(PLANS["new"]))
    assert "Needs code/shop:cccccccccccccccc, endpoint/churn, environment/sklearn:5, model/churn:1" in page.text
    steps = {value for _, name, value in page.attributes if name == "id"}
    links = {value.removeprefix("#") for _, name, value in page.attributes if name == "href"}
    assert links
    assert links <= steps


# -- colours ---------------------------------------------------------------------------------------------------------


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """WCAG 2.2, 1.4.3."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_has_enough_contrast(scheme):
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", scheme))
    pairs = [(text, ground) for text in ("ink", "quiet") for ground in ("page", "card", "soft")]
    pairs += [(str(verb), f"{verb}-soft") for verb in Verb]
    assert {pair: contrast(*(colours[name] for name in pair)) for pair in pairs if
            contrast(*(colours[name] for name in pair)) < 4.5} == {}  # fmt: skip
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= set(colours)

"""public-image, mutable-reference of images: where a container comes from, and whether it can change unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.domain import Severity
from reconciler.rules.reference import ImageRef, asset_ref, image_ref, registry_of
from reconciler.rules.templates import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Part, Scope, Subject

_PRIVATE_SUFFIXES = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
_MICROSOFT = "mcr.microsoft.com"
_CURATED = ("azureml", "azureml-preview")


def source(environment: Part, scope: Scope) -> Iterator[Finding]:
    """Refuse an image that the deployment could only fetch from a public registry.

    A managed virtual network lets Microsoft's registry through; with the older isolation nothing but the
    workspace's own registry can be reached (learn.microsoft.com/azure/machine-learning/concept-secure-online-endpoint).
    """
    text = environment.get("image")
    if not isinstance(text, str) or MARKER.search(text):
        return
    image, own = image_ref(text), _own(scope)
    if image.host == own or (own is None and image.host.endswith(_PRIVATE_SUFFIXES)):
        return
    legacy = scope.context.network == "legacy_egress"
    if image.host == _MICROSOFT and not legacy:
        return
    elsewhere = image.host.endswith(_PRIVATE_SUFFIXES)
    yield environment.subject.finding(
        "public-image",
        environment.pointer("image"),
        _why(image, legacy=legacy, elsewhere=elsewhere),
        found=image.host,
        required=_required(own, legacy=legacy),
        hint=_mend(image, own),
        severity=Severity.WARNING if elsewhere and not legacy else Severity.ERROR,
    )


def pinned(environment: Part, _scope: Scope) -> Iterator[Finding]:
    """Refuse an image whose bytes can change under the same text: no tag, or ``latest``, without a digest."""
    text = environment.get("image")
    if not isinstance(text, str) or not text or MARKER.search(text):
        return
    image = image_ref(text)
    if image.digest or (image.tag and image.tag.lower() != "latest"):
        return
    yield environment.subject.finding(
        "mutable-reference",
        environment.pointer("image"),
        "a rebuilt image would not be redeployed, and nobody could tell what runs",
        found=f"tag {image.tag}" if image.tag else "no tag, which means latest",
        required="a digest (best) or a tag other than latest",
        hint=f"image: {text.strip().removesuffix(':' + (image.tag or ''))}@sha256:<digest of the image you tested>",
    )


def curated(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Warn of Microsoft's curated environments with the older isolation: their images are in its public registry."""
    text = deployment.get("environment")
    if scope.context.network != "legacy_egress" or not isinstance(text, str):
        return
    registry = registry_of(text)
    if registry in _CURATED and asset_ref(text) is not None:
        yield deployment.finding(
            "public-image",
            ("environment",),
            # assumed: the images of these environments stay in Microsoft's public registry.
            "a curated environment runs an image of Microsoft's public registry, which this deployment cannot reach",
            found=f"registry {registry}",
            required="an environment whose image is in the workspace's own registry",
            hint="declare an environment with `image: <workspace registry>.azurecr.io/...`",
            severity=Severity.WARNING,
        )


def _own(scope: Scope) -> str | None:
    own = scope.context.container_registry
    return own.lower() if own else None


def _why(image: ImageRef, *, legacy: bool, elsewhere: bool) -> str:
    if legacy:
        return f"with isolated egress only the workspace's own registry can be reached, not {image.host}"
    if elsewhere:
        return f"{image.host} is not the workspace's own registry: the endpoint's identity needs AcrPull there"
    return (
        f"{image.host} is not an Azure container registry: anyone may read it, and someone else decides what is in it"
    )


def _required(own: str | None, *, legacy: bool) -> str:
    mine = own or "the workspace's own *.azurecr.io registry"
    return mine if legacy else f"{mine} or {_MICROSOFT}"


def _mend(image: ImageRef, own: str | None) -> str:
    target = own or "<workspace registry>.azurecr.io"
    official = "library/" if image.host == "docker.io" and "/" not in image.repository else ""
    source = f"{image.host}/{official}{image.repository}"
    source += f"@{image.digest}" if image.digest else f":{image.tag or 'latest'}"
    tag = image.tag if image.tag and image.tag.lower() != "latest" else "<tag>"
    version = f"@{image.digest}" if image.digest else f":{tag}"
    return (
        f"az acr import --name {target.partition('.')[0]} --source {source} --image {image.repository}:{tag}, "
        f"then image: {target}/{image.repository}{version}"
    )

"""Names that platforms accept, computed so that they never exceed a limit."""

from __future__ import annotations

import hashlib
import re

API_GROUP = "profiling.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"
KIND = "ProfilingJob"
PLURAL = "profilingjobs"

LABEL = f"{API_GROUP}/"
"""What our labels begin with, on every platform."""

ACCEPT_BASELINE = f"{LABEL}accept-baseline"
"""Annotation with the name of the baseline that a job is added to once it has ended well."""

BUILD_TAG, BUILD_URL = f"{LABEL}build-tag", f"{LABEL}build-url"
"""Annotations with the build that a job belongs to."""

APPLIED = f"{LABEL}applied"
"""Annotation with the digest of what `profjob apply` sent."""

JENKINS = "jenkins-"  # what every $BUILD_TAG begins with

LABEL_LIMIT = 63  # RFC 1123 label: the strictest limit of Kubernetes names
DIGEST_LENGTH = 8

# A generateName suffix has five of these; a trailing number is a build's.
GENERATED_SUFFIX = re.compile(r"-(?:\d+|[bcdfghjklmnpqrstvwxz2456789]{5})$")


def default_series(job_name: str) -> str:
    """The name without its trailing number or generated suffix: `nbody-1234` is of `nbody`."""
    return GENERATED_SUFFIX.sub("", job_name) or job_name


def shorten(text: str, limit: int = LABEL_LIMIT) -> str:
    """A DNS label of at most `limit` characters; a changed name ends in a digest of the whole.

    Raises ValueError for a limit that has no room for the digest.
    """
    if limit < DIGEST_LENGTH:
        raise ValueError(f"a name of {limit} characters cannot be told from others")
    label = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if label and label == text and len(label) <= limit:
        return label
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_LENGTH]
    head = label[: max(0, limit - DIGEST_LENGTH - 1)].rstrip("-")
    return f"{head}-{digest}" if head else digest


def build_name(job_name: str, tag: str) -> str:
    """The name of a job in one build: `nbody` and `jenkins-team-main-12` make `nbody-team-main-12`.

    A tag that has to be changed or cut for it leaves a digest, so that two builds never share it.
    """
    return shorten(f"{job_name}-{tag.removeprefix(JENKINS)}")


def attempt_name(namespace: str, job_name: str, uid: str, number: int) -> str:
    """The name of one attempt: the same for the same job and number, different for a new job."""
    digest = hashlib.sha256(f"{namespace}/{job_name}/{uid}".encode()).hexdigest()[:DIGEST_LENGTH]
    tail = f"-{digest}-{number}"
    return f"{shorten(job_name, LABEL_LIMIT - len(tail))}{tail}"

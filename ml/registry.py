"""Model versions in a folder: saved once, checked when loaded, one of them the champion.

Belongs here: the artefact's files, its manifest and card, and the pointer to the champion.
Does not belong here: when to train or promote (`ml.prediction`), and where the folder comes from.

A version is named from what it was made of, so the same data gives the same version. Models are stored with skops,
which runs no code of the file; the types it may build are listed here, and a file that is not the one the manifest
describes is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import skops.io

from ml.churn import ChurnModel

MODEL, MANIFEST, CARD, CHAMPION = "model.skops", "manifest.json", "card.md", "champion.json"
TRUSTED = frozenset(
    {
        "ml.candidates.signed_log",
        "numpy.dtype",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.utils._bunch.Bunch",
    }
)


class ArtefactError(Exception):
    """A saved model is missing, incomplete, or not the one that was saved."""


@dataclass(frozen=True)
class Saved:
    """A model read back, with everything its manifest says."""

    version: str
    model: ChurnModel
    manifest: dict[str, Any]


def version_for(*, name: str, fingerprint: str, feature_hash: str, parameters: Mapping[str, Any]) -> str:
    """The version that this data, these features and these settings (rule, code, libraries) lead to."""
    said = json.dumps([fingerprint, feature_hash, parameters], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


class Registry:
    """The versions of one model under a folder: `<folder>/<version>/…` and `<folder>/champion.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def versions(self) -> list[str]:
        """Names of the complete versions, sorted."""
        return sorted(
            path.parent.name for path in self.folder.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(".")
        )

    def has(self, version: str) -> bool:
        """Whether a complete version of that name is here."""
        return (self.folder / version / MANIFEST).is_file()

    def save(
        self, version: str, model: ChurnModel, manifest: Mapping[str, Any], *, card: str, plots: Mapping[str, bytes]
    ) -> Path:
        """Write a version as a whole or not at all, and return its folder. An existing version stays as it is."""
        target = self.folder / version
        if self.has(version):
            return target
        part = self.folder / f".{version}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        payload = skops.io.dumps(model.estimator)
        described = {
            **manifest,
            "version": version,
            "model_sha256": hashlib.sha256(payload).hexdigest(),
            "model": {
                "kind": model.kind,
                "features": model.features,
                "slope": model.slope,
                "intercept": model.intercept,
                "typical": model.typical,
                "base_rate": model.base_rate,
                "choice": model.choice,
            },
        }
        (part / MODEL).write_bytes(payload)
        (part / CARD).write_text(card, encoding="utf-8")
        for name, png in plots.items():
            (part / f"{name}.png").write_bytes(png)
        (part / MANIFEST).write_text(json.dumps(described, indent=2, default=str) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
        return target

    def manifest(self, version: str) -> dict[str, Any]:
        """What a version's manifest says.

        Raises:
            ArtefactError: there is no such version, or its manifest is no JSON.
        """
        path = self.folder / version / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ArtefactError(f"There is no model version {version} in {self.folder}.") from error
        except json.JSONDecodeError as error:
            raise ArtefactError(f"The manifest of model version {version} cannot be read: {error}.") from error
        return manifest

    def load(self, version: str) -> Saved:
        """Read a version back.

        Raises:
            ArtefactError: it is missing, was changed after it was saved, or holds types that are not on the list.
        """
        manifest = self.manifest(version)
        try:
            payload = (self.folder / version / MODEL).read_bytes()
        except OSError as error:
            raise ArtefactError(f"Model version {version} has no readable model file: {error.strerror}.") from error
        if hashlib.sha256(payload).hexdigest() != manifest.get("model_sha256"):
            raise ArtefactError(f"The model file of version {version} is not the one that was saved; it is not loaded.")
        return Saved(version, ChurnModel(estimator=_estimator(payload, version), **manifest["model"]), manifest)

    def plots(self, version: str) -> dict[str, bytes]:
        """The PNGs kept with a version, by name."""
        return {path.stem: path.read_bytes() for path in sorted((self.folder / version).glob("*.png"))}

    def champion(self) -> str | None:
        """The version that scores; None before the first promotion."""
        path = self.folder / CHAMPION
        if not path.is_file():
            return None
        version: str = json.loads(path.read_text(encoding="utf-8"))["version"]
        return version

    def promote(self, version: str, *, reason: str, at: str) -> None:
        """Let a version score from now on; the pointer is replaced in one step and remembers what went before."""
        before = self.champion()
        said = {"version": version, "promoted_at": at, "reason": reason, "previous": before}
        part = self.folder / f".{CHAMPION}.part"
        part.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        part.replace(self.folder / CHAMPION)


def _estimator(payload: bytes, version: str) -> Any:
    unknown = sorted(set(skops.io.get_untrusted_types(data=payload)) - TRUSTED)
    if unknown:
        raise ArtefactError(f"Model version {version} holds types that may not be loaded: {', '.join(unknown)}.")
    return skops.io.loads(payload, trusted=sorted(TRUSTED))

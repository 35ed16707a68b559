"""`python -m training promote`: publish a bundle and point an alias to it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from steeldefect.program.command import local_path
from training.commands.compare import add_data_arguments, measure_from
from training.commands.sign import signer_from

if TYPE_CHECKING:
    from training.registry.promotion import Promotion
    from training.registry.shadow_nights import RequiredAgreement


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("promote", help="publish a bundle under an alias")
    parser.set_defaults(run=run)
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        help="folder, S3 address or alias; or the first 8 or more digits of a registry's digest",
    )
    parser.add_argument(
        "--registry", required=True, metavar="URI", help="folder or s3://bucket/prefix"
    )
    parser.add_argument(
        "--as", required=True, dest="alias", metavar="ALIAS", help="for example production"
    )
    parser.add_argument(
        "--force", action="store_true", help="promote in spite of objections, such as worse scores"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="reason; kept in the record")
    parser.add_argument(
        "--sign",
        type=local_path,
        metavar="KEY.pem",
        help="private key (Ed25519) that signs the bundle and the alias's record",
    )
    parser.add_argument(
        "--require-agreement",
        type=int,
        metavar="NIGHTS",
        help="ask for this many nights in which the bundle was the shadow of the one that stands "
        "(jobs/score.py --shadow), and for agreement in them; needs --tables",
    )
    parser.add_argument("--tables", metavar="URI", help="the tables that these nights wrote")
    parser.add_argument(
        "--least-agreement",
        type=float,
        metavar="SHARE",
        help="share of the pictures on which both must find the same classes: smallest lower end "
        "of its 95%% interval; default 0.95",
    )
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Promote the bundle and print the bundle that the alias now stands for."""
    from steeldefect.stores import S3Settings
    from training.registry.promotion import PromoteOptions, promote

    s3 = S3Settings()
    signer = None if options.sign is None else signer_from(options.sign)
    how = PromoteOptions(
        options.bundle,
        options.registry,
        options.alias,
        options.note,
        options.force,
        signer,
        _required_from(options),
    )
    print(_summary(promote(how, s3, measure_from(options, s3))))


def _required_from(options: argparse.Namespace) -> RequiredAgreement | None:
    """Return the nights that are asked for; None for none.

    Raises:
        SettingsError: one of the options lacks another, or is out of its range.
    """
    from steeldefect.errors import SettingsError
    from training.registry.shadow_nights import LEAST_AGREEMENT, RequiredAgreement

    nights, tables, least = options.require_agreement, options.tables, options.least_agreement
    if nights is None and tables is None and least is None:
        return None
    if nights is None or tables is None:
        raise SettingsError(
            "--require-agreement NIGHTS and --tables URI go together: the tables hold the nights"
        )
    if nights < 1:
        raise SettingsError(f"--require-agreement {nights}: give at least 1 night")
    if least is None:
        least = LEAST_AGREEMENT
    if not 0 <= least <= 1:
        raise SettingsError(f"--least-agreement {least}: give a share from 0 to 1")
    return RequiredAgreement(nights, tables, least)


def _summary(promotion: Promotion) -> str:
    from training.registry.comparison_table import lay_out

    record = promotion.record
    if not promotion.new:
        return (
            f"{record.alias} stands for {record.digest[:12]} already (record {promotion.number})"
            f"{_signed(promotion)}"
        )
    lines = [] if promotion.comparison is None else [lay_out(promotion.comparison), ""]
    lines += [] if promotion.nights is None else [str(promotion.nights), ""]
    lines += [f"forced, although {objection}" for objection in record.objections]
    before = "nothing" if record.replaced is None else record.replaced[:12]
    lines.append(
        f"{record.alias}: {before} -> {record.digest[:12]} (record {promotion.number}); digest "
        f"{record.digest}{_signed(promotion)}"
    )
    return "\n".join(lines)


def _signed(promotion: Promotion) -> str:
    signature = promotion.record.signature
    return "" if signature is None else f"; signed by key {signature.key}"

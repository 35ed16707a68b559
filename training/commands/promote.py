"""`python -m training promote`: publish a bundle and point an alias to it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from steeldefect.program.command import local_path
from training.commands.compare import add_data_arguments, measure_from
from training.commands.sign import signer_from

if TYPE_CHECKING:
    from training.registry.promotion import Promotion


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
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Promote the bundle and print the bundle that the alias now stands for."""
    from steeldefect.stores import S3Settings
    from training.registry.promotion import PromoteOptions, promote

    s3 = S3Settings()
    signer = None if options.sign is None else signer_from(options.sign)
    how = PromoteOptions(
        options.bundle, options.registry, options.alias, options.note, options.force, signer
    )
    print(_summary(promote(how, s3, measure_from(options, s3))))


def _summary(promotion: Promotion) -> str:
    from training.registry.comparison_table import lay_out

    record = promotion.record
    if not promotion.new:
        return (
            f"{record.alias} stands for {record.digest[:12]} already (record {promotion.number})"
            f"{_signed(promotion)}"
        )
    lines = [] if promotion.comparison is None else [lay_out(promotion.comparison), ""]
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

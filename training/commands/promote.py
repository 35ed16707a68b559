"""`python -m training promote`: publish a bundle, and let an alias such as `production` name it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from steeldefect.program.command import local_path
from training.commands.compare import add_data_arguments, measure_from
from training.commands.sign import signer_from

if TYPE_CHECKING:
    from training.registry.promotion import Promotion


def add_to(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("promote", help="publish a bundle under an alias")
    parser.set_defaults(run=run)
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        help="folder, S3 address or alias; or 8 digits or more of a digest in the registry",
    )
    parser.add_argument(
        "--registry", required=True, metavar="URI", help="folder or s3://bucket/prefix"
    )
    parser.add_argument(
        "--as", required=True, dest="alias", metavar="ALIAS", help="for example production"
    )
    parser.add_argument(
        "--force", action="store_true", help="although it scores worse, or cannot be compared"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="why; kept in the record")
    parser.add_argument(
        "--sign",
        type=local_path,
        metavar="KEY.pem",
        help="private key (Ed25519) that signs the bundle and the alias's record",
    )
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Promote, and say what the alias stands for now."""
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

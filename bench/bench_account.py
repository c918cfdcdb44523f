"""Make an account for a corpus: a snapshot in which its roles have realistic policies.

    python bench/bench_account.py FOLDER [--account 111122223333] > account.json

FOLDER is a corpus that bench/corpora/trail.py wrote. About half of the CI, human and scanner roles are administrators.
All others have policies as people write them: some services whole, and of the other services all that reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

from corpora.organization.roles import Role, Shape, roles

SERVICES = (
    "s3 dynamodb logs kms ssm secretsmanager sqs sns lambda states ec2 ecs ecr sts cloudwatch events kinesis "
    "cloudformation glue athena elasticloadbalancing execute-api xray"
).split()
READING = ("Get*", "List*", "Describe*")


def snapshot(shape: Shape, account: str) -> dict[str, Any]:
    """Return an account of a corpus in the form of a snapshot file."""
    rng = Random(f"{shape.seed}/account")
    members = [role for role in roles(shape) if role.account == account]
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-25T00:00:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {"RoleDetailList": [_detail(role, rng) for role in members], "Policies": []},
    }


def _detail(role: Role, rng: Random) -> dict[str, Any]:
    service = "lambda" if role.kind == "lambda" else "ecs-tasks" if role.kind == "ecs" else "ec2"
    return {
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "Path": role.path,
        "CreateDate": "2024-03-01T09:00:00Z",
        "AssumeRolePolicyDocument": _document(
            {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
        "RolePolicyList": [{"PolicyName": "work", "PolicyDocument": _document(*_statements(role, rng))}],
        "AttachedManagedPolicies": [],
        "Tags": [{"Key": "app", "Value": role.app}],
    }


def _statements(role: Role, rng: Random) -> list[dict[str, Any]]:
    if role.kind in {"ci", "human", "scanner"} and rng.random() < 0.5:
        return [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    whole = sorted(rng.sample(SERVICES, k=rng.randrange(4, 12)))
    named = sorted(set(SERVICES) - set(whole))
    return [
        {"Effect": "Allow", "Action": [f"{service}:*" for service in whole], "Resource": "*"},
        {"Effect": "Allow", "Action": [f"{s}:{verb}" for s in named for verb in READING], "Resource": "*"},
    ]


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def main() -> None:
    """Print the snapshot of one account of a corpus."""
    parser = argparse.ArgumentParser(description="a snapshot for a corpus of bench/corpora/trail.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--account", default="111122223333")
    options = parser.parse_args()
    about = json.loads((options.folder / "corpus.json").read_text("utf-8"))
    shape = Shape(about["events"], about["roles"], about["accounts"], about.get("seed", 1))
    json.dump(snapshot(shape, options.account), sys.stdout, indent=1)


if __name__ == "__main__":
    main()

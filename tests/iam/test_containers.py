"""What a resource is in: the bucket of an object, the table of an index, by the ARNs of IAM's reference."""

from __future__ import annotations

import pytest

from policygen.iam import reference

TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/prices"
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:prices"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:prices"
GROUP = "arn:aws:logs:eu-west-1:111122223333:log-group:/app/prices"
POINT = "arn:aws:s3:eu-west-1:111122223333:accesspoint/prices"


@pytest.mark.parametrize(
    ("resource", "container"),
    [
        ("arn:aws:s3:::prices/2026/11/a.csv", "arn:aws:s3:::prices"),
        ("arn:aws:s3:::prices", "arn:aws:s3:::prices"),
        ("arn:aws-cn:s3:::prices/a:b", "arn:aws-cn:s3:::prices"),
        (f"{POINT}/object/a.csv", POINT),
        (f"{TABLE}/index/by-day", TABLE),
        (f"{TABLE}/stream/2026-11-01T00:00:00.000", TABLE),
        (TABLE, TABLE),
        (QUEUE, QUEUE),
        (f"{FUNCTION}:live", FUNCTION),
        (f"{GROUP}:log-stream:2026/11/01/[$LATEST]ab", GROUP),
        (
            "arn:aws:apigateway:eu-west-1::/restapis/ab12/stages/prod",
            "arn:aws:apigateway:eu-west-1::/restapis/ab12",
        ),
        (
            "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/train/execution/ab12",
            "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/train",
        ),
    ],
)
def test_a_resource_is_in_the_outermost_one_whose_name_begins_its_own(resource: str, container: str) -> None:
    service = reference.service(resource.split(":")[2])
    assert service is not None
    assert service.container_of(resource) == container


@pytest.mark.parametrize("resource", ["*", "", "not an ARN", "arn:aws:s3:::" + "k" * 5000])
def test_what_is_of_no_type_is_in_nothing_else(resource: str) -> None:
    service = reference.service("s3")
    assert service is not None
    assert service.container_of(resource) == resource

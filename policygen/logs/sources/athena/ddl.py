"""The statement that creates a table of a trail's logs, with partitions that need no upkeep (2.5.1 to 2.5.3).

It is AWS's documented statement with the fields that it leaves out: `inscopeof`, `sourceidentity` and `arnprefix`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from policygen.errors import UsageError
from policygen.text import escape_controls

# https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-partition-projection.html
_COLUMNS = """\
    eventversion STRING,
    useridentity STRUCT<
        type: STRING,
        principalid: STRING,
        arn: STRING,
        accountid: STRING,
        invokedby: STRING,
        accesskeyid: STRING,
        username: STRING,
        onbehalfof: STRUCT<
            userid: STRING,
            identitystorearn: STRING>,
        inscopeof: STRUCT<
            sourcearn: STRING,
            sourceaccount: STRING,
            issuertype: STRING,
            credentialsissuedto: STRING,
            credentialsissuedtoversion: STRING>,
        sessioncontext: STRUCT<
            attributes: STRUCT<
                mfaauthenticated: STRING,
                creationdate: STRING>,
            sessionissuer: STRUCT<
                type: STRING,
                principalid: STRING,
                arn: STRING,
                accountid: STRING,
                username: STRING>,
            ec2roledelivery: STRING,
            sourceidentity: STRING,
            webidfederationdata: STRUCT<
                federatedprovider: STRING,
                attributes: MAP<STRING, STRING>>>>,
    eventtime STRING,
    eventsource STRING,
    eventname STRING,
    awsregion STRING,
    sourceipaddress STRING,
    useragent STRING,
    errorcode STRING,
    errormessage STRING,
    requestparameters STRING,
    responseelements STRING,
    additionaleventdata STRING,
    requestid STRING,
    eventid STRING,
    readonly STRING,
    resources ARRAY<STRUCT<
        arn: STRING,
        arnprefix: STRING,
        accountid: STRING,
        type: STRING>>,
    eventtype STRING,
    apiversion STRING,
    recipientaccountid STRING,
    serviceeventdetails STRING,
    sharedeventid STRING,
    vpcendpointid STRING,
    vpcendpointaccountid STRING,
    eventcategory STRING,
    addendum STRUCT<
        reason: STRING,
        updatedfields: STRING,
        originalrequestid: STRING,
        originaleventid: STRING>,
    sessioncredentialfromconsole STRING,
    edgedevicedetails STRING,
    tlsdetails STRUCT<
        tlsversion: STRING,
        ciphersuite: STRING,
        clientprovidedhostheader: STRING>"""

# Each value goes into a quoted text of the statement; a character that could end the text, or begin one of Athena's
# placeholders, is refused.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*()=,+@/-]+")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,127}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]")
_DAY = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]")


def ddl(
    bucket: str,
    *,
    regions: Sequence[str],
    account: str = "",
    organization: str = "",
    accounts: Sequence[str] = (),
    prefix: str = "",
    first: str = "2020-01-01",
    database: str = "default",
    table: str = "cloudtrail_logs",
) -> str:
    """Return the statement for the table of an account's trail, or of an organisation's.

    Args:
        bucket: where the trail delivers to.
        regions: the regions of the table; other regions are not read.
        account: whose trail it is; "" for an organisation's.
        organization: the organisation's id, ``o-…``; "" for an account's trail.
        accounts: members of the organisation; without them each query must name one account.
        prefix: the path before ``AWSLogs/`` in the bucket.
        first: the first day of the table.
        database: where the table is created.
        table: its name.

    Raises:
        UsageError: a value has another form (PG-E525).
    """
    prefix = prefix.strip("/")
    if bool(account) == bool(organization):
        raise UsageError(
            "a trail is either an account's or an organization's",
            "give one of --account 111122223333 and --organization o-a1b2c3d4e5",
            code="PG-E525",
        )
    for form, what, values in (
        (_BUCKET, "bucket", [bucket]),
        (_REGION, "region", regions),
        (_ACCOUNT, "account id", [*filter(None, [account]), *accounts]),
        (_ORGANIZATION, "organization id", filter(None, [organization])),
        (_PREFIX, "prefix", filter(None, [prefix])),
        (_DAY, "day", [first]),
        (_NAME, "name of a database", [database]),
        (_NAME, "name of a table", [table]),
    ):
        for value in values:
            if not form.fullmatch(value):
                raise UsageError(
                    f"not a {what} that a table can be made with: {escape_controls(value)[:80]!r}",
                    f"its form is {form.pattern}",
                    code="PG-E525",
                )
    if not regions:
        raise UsageError(
            "no region given", "name each region that the trail logs: --region eu-west-1", code="PG-E525"
        )
    root = "/".join(one for one in ("s3:/", bucket, prefix, "AWSLogs", organization) if one)
    members = f"{root}/${{account}}" if organization else f"{root}/{account}"
    partitions = [*(["account"] if organization else []), "region", "timestamp"]
    properties = {
        "projection.enabled": "true",
        **(_account_projection(accounts) if organization else {}),
        "projection.region.type": "enum",
        "projection.region.values": ",".join(dict.fromkeys(regions)),
        "projection.timestamp.type": "date",
        "projection.timestamp.format": "yyyy/MM/dd",
        "projection.timestamp.range": f"{first.replace('-', '/')},NOW",
        "projection.timestamp.interval": "1",
        "projection.timestamp.interval.unit": "DAYS",
        "storage.location.template": f"{members}/CloudTrail/${{region}}/${{timestamp}}",
    }
    keys = ",\n".join(f"    `{name}` STRING" for name in partitions)
    listed = ",\n".join(f"    '{key}' = '{value}'" for key, value in properties.items())
    location = f"{root}/" if organization else f"{members}/CloudTrail/"
    return (
        f"CREATE EXTERNAL TABLE `{database}`.`{table}` (\n{_COLUMNS}\n)\n"
        f"COMMENT 'CloudTrail logs of {organization or account}'\n"
        f"PARTITIONED BY (\n{keys}\n)\n"
        "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'\n"
        "STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'\n"
        "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'\n"
        f"LOCATION '{location}'\n"
        f"TBLPROPERTIES (\n{listed}\n)\n"
    )


def _account_projection(accounts: Sequence[str]) -> dict[str, str]:
    """Return the projection of the account: the members by name, or any account that a query names."""
    if not accounts:
        return {"projection.account.type": "injected"}
    return {
        "projection.account.type": "enum",
        "projection.account.values": ",".join(dict.fromkeys(accounts)),
    }

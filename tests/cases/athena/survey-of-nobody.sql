WITH delivered AS (
  SELECT
    eventtype AS event_type,
    eventcategory AS category,
    useridentity.type AS kind,
    CASE WHEN coalesce(useridentity.type, useridentity.accountid, useridentity.principalid, useridentity.arn, useridentity.invokedby) IS NOT NULL THEN '*' END AS identified,
    CASE WHEN useridentity.invokedby <> '' THEN '*' END AS served,
    CASE WHEN eventsource <> '' THEN '*' END AS sourced,
    CASE WHEN eventname <> '' THEN '*' END AS named,
    CASE WHEN coalesce(regexp_like(eventtime, '^20[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-[0-2][0-9])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|z| UTC)?$') AND eventtime >= '2013-11-13', FALSE) THEN '2013-11-13T00:00:00Z' END AS timed,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN split_part(useridentity.principalid, ':', 1) END AS role_id,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN CASE WHEN strpos(useridentity.arn, ':assumed-role/') > 0 THEN regexp_extract(useridentity.arn, '^[^/]*/[^/]*') ELSE useridentity.arn END END AS caller,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.accountid END AS account,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.sessioncontext.sessionissuer.type END AS issuer_type,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.sessioncontext.sessionissuer.principalid END AS issuer_id,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.sessioncontext.sessionissuer.arn END AS issuer_arn,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.sessioncontext.sessionissuer.accountid END AS issuer_account,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN useridentity.sessioncontext.sessionissuer.username END AS issuer_name,
    CASE WHEN (useridentity.type IN ('AssumedRole', 'Role', 'AWSAccount') OR strpos(useridentity.arn, ':assumed-role/') > 0) THEN recipientaccountid END AS recipient,
    substr(eventtime, 1, 10) AS day,
    awsregion AS region,
    lower(CAST(readonly AS VARCHAR)) = 'true' AS reads,
    CASE WHEN eventcategory = 'Data' THEN json_format(CAST(array_sort(array_distinct(filter(transform(resources, r -> r.type), t -> t <> ''))) AS JSON)) END AS types,
    CASE WHEN FALSE THEN eventsource END AS role_source,
    CASE WHEN FALSE THEN eventname END AS role_event,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN eventid END AS notice_id,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN concat(substr(eventtime, 1, 10), 'T', substr(eventtime, 12, 8), 'Z') END AS notice_time,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN eventsource END AS notice_source,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN eventname END AS notice_name,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN awsregion END AS notice_region,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN recipientaccountid END AS notice_account,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN errorcode END AS notice_error,
    CASE WHEN (eventsource = 'cloudtrail.amazonaws.com' AND regexp_like(eventname, '^((Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors)$')) OR (eventsource = 'lambda.amazonaws.com' AND regexp_like(eventname, '^((UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?)$')) THEN requestparameters END AS notice_params,
    FALSE AS late,
    concat(substr(eventtime, 1, 10), 'T', substr(eventtime, 12, 8), 'Z') AS time,
    coalesce(eventid, '') AS id,
    coalesce(useridentity.type IN ('AssumedRole', 'Role') AND nullif(sharedeventid, '') IS NOT NULL AND (coalesce(recipientaccountid, '') IN ('', coalesce(nullif(useridentity.sessioncontext.sessionissuer.accountid, ''), nullif(useridentity.accountid, ''), '')) OR coalesce(nullif(useridentity.sessioncontext.sessionissuer.accountid, ''), nullif(useridentity.accountid, ''), '') = ''), FALSE) AS own,
    coalesce(nullif(sharedeventid, ''), eventid) AS shared,
    row_number() OVER (PARTITION BY concat_ws(chr(31), coalesce(eventid, ''), coalesce(eventtime, ''), coalesce(eventsource, ''), coalesce(eventname, ''), coalesce(awsregion, ''), coalesce(eventtype, ''), coalesce(eventcategory, ''), coalesce(useridentity.type, ''), coalesce(useridentity.principalid, ''), coalesce(useridentity.arn, ''), coalesce(useridentity.accountid, ''), coalesce(useridentity.invokedby, ''), coalesce(useridentity.sessioncontext.sessionissuer.arn, ''), coalesce(useridentity.sessioncontext.sessionissuer.principalid, ''), coalesce(sourceipaddress, ''), coalesce(useragent, ''), coalesce(errorcode, ''), coalesce(errormessage, ''), coalesce(requestparameters, ''), coalesce(additionaleventdata, ''), coalesce(recipientaccountid, ''), coalesce(sharedeventid, ''), coalesce(vpcendpointid, ''), coalesce(json_format(CAST(transform(resources, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON)), '')) ORDER BY "$path") AS copy,
    count(*) OVER (PARTITION BY concat_ws(chr(31), coalesce(eventid, ''), coalesce(eventtime, ''), coalesce(eventsource, ''), coalesce(eventname, ''), coalesce(awsregion, ''), coalesce(eventtype, ''), coalesce(eventcategory, ''), coalesce(useridentity.type, ''), coalesce(useridentity.principalid, ''), coalesce(useridentity.arn, ''), coalesce(useridentity.accountid, ''), coalesce(useridentity.invokedby, ''), coalesce(useridentity.sessioncontext.sessionissuer.arn, ''), coalesce(useridentity.sessioncontext.sessionissuer.principalid, ''), coalesce(sourceipaddress, ''), coalesce(useragent, ''), coalesce(errorcode, ''), coalesce(errormessage, ''), coalesce(requestparameters, ''), coalesce(additionaleventdata, ''), coalesce(recipientaccountid, ''), coalesce(sharedeventid, ''), coalesce(vpcendpointid, ''), coalesce(json_format(CAST(transform(resources, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON)), ''))) AS copies
  FROM "logs"."trail"
),
once AS (
  SELECT *, bool_or(own) OVER (PARTITION BY shared) AS copied
  FROM delivered
  WHERE copy = 1
)
SELECT CASE grouping(recipient, day, region, reads, role_source, notice_id) WHEN 31 THEN 0 WHEN 47 THEN 1 WHEN 55 THEN 2 WHEN 59 THEN 3 WHEN 61 THEN 4 WHEN 62 THEN 5 END AS part,
  event_type, category, kind, identified, served, sourced, named, timed, role_id, caller, account, issuer_type, issuer_id, issuer_arn, issuer_account, issuer_name, recipient, day, region, reads, types, role_source, role_event, notice_id, notice_time, notice_source, notice_name, notice_region, notice_account, notice_error, notice_params, late, copied,
  count(*) AS events, sum(copies) AS copies, min(time) AS first, max(time) AS last
FROM once
GROUP BY GROUPING SETS (
  (event_type, category, kind, identified, served, sourced, named, timed, late, role_id, caller, account, issuer_type, issuer_id, issuer_arn, issuer_account, issuer_name, recipient, copied),
  (event_type, category, kind, identified, served, sourced, named, timed, late, day),
  (event_type, category, kind, identified, served, sourced, named, timed, late, region),
  (event_type, category, kind, identified, served, sourced, named, timed, late, reads, types),
  (event_type, category, kind, identified, served, sourced, named, timed, late, role_source, role_event),
  (event_type, category, kind, identified, served, sourced, named, timed, late, notice_id, notice_time, notice_source, notice_name, notice_region, notice_account, notice_error, notice_params)
)

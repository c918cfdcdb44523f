WITH delivered AS (
  SELECT
    eventtype AS event_type,
    eventcategory AS category,
    eventsource AS source,
    eventname AS name,
    awsregion AS region,
    substr(eventtime, 1, 10) AS day,
    useridentity.type AS kind,
    split_part(useridentity.principalid, ':', 1) AS role_id,
    CASE WHEN strpos(useridentity.arn, ':assumed-role/') > 0 THEN regexp_extract(useridentity.arn, '^[^/]*/[^/]*') ELSE useridentity.arn END AS caller,
    useridentity.accountid AS account,
    useridentity.sessioncontext.sessionissuer.type AS issuer_type,
    useridentity.sessioncontext.sessionissuer.principalid AS issuer_id,
    useridentity.sessioncontext.sessionissuer.arn AS issuer_arn,
    useridentity.sessioncontext.sessionissuer.accountid AS issuer_account,
    useridentity.sessioncontext.sessionissuer.username AS issuer_name,
    recipientaccountid AS recipient,
    CASE WHEN eventname = 'AssumeRole' THEN useridentity.sessioncontext.sourceidentity END AS source_identity,
    useridentity.invokedby AS via,
    useridentity.inscopeof.credentialsissuedto AS function,
    CASE WHEN regexp_like(useragent, '(?i)lambda') OR regexp_like(coalesce(nullif(regexp_extract(useridentity.principalid, '^AROA[A-Z0-9]{5,}:(.+)$', 1), ''), nullif(regexp_extract(useridentity.arn, '^[^/]*/[^/]*/(.+)$', 1), '')), '^(tracing|awslambda_)') THEN coalesce(nullif(regexp_extract(useridentity.principalid, '^AROA[A-Z0-9]{5,}:(.+)$', 1), ''), nullif(regexp_extract(useridentity.arn, '^[^/]*/[^/]*/(.+)$', 1), '')) END AS session,
    strpos(sourceipaddress, ':') > 0 OR regexp_like(sourceipaddress, '[0-9]$') AS outside,
    useragent AS agent,
    vpcendpointid AS vpce,
    CASE WHEN regexp_like(additionaleventdata, '"AuthenticationMethod"\s*:\s*"QueryString"') THEN '{"AuthenticationMethod":"QueryString"}' END AS extra,
    CAST(NULL AS VARCHAR) AS from_console,
    errorcode AS error,
    CASE WHEN regexp_like(errorcode, '(?i)denied|unauthorized|forbidden|authoriz|insufficient|notpermitted|invalidaccess') THEN regexp_replace(substr(errormessage, 1, 2048), 'Encoded authorization failure message: [A-Za-z0-9_-]+$', 'Encoded authorization failure message: ') END AS message,
    json_format(CAST(transform(resources, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON)) AS resources,
    requestparameters AS parameters,
    coalesce(nullif(regexp_extract(useridentity.principalid, '^AROA[A-Z0-9]{5,}:(.+)$', 1), ''), nullif(regexp_extract(useridentity.arn, '^[^/]*/[^/]*/(.+)$', 1), '')) AS session_name,
    sourceipaddress AS address,
    concat(substr(eventtime, 1, 10), 'T', substr(eventtime, 12, 8), 'Z') AS time,
    coalesce(eventid, '') AS id,
    coalesce(useridentity.type IN ('AssumedRole', 'Role') AND nullif(sharedeventid, '') IS NOT NULL AND (coalesce(recipientaccountid, '') IN ('', coalesce(nullif(useridentity.sessioncontext.sessionissuer.accountid, ''), nullif(useridentity.accountid, ''), '')) OR coalesce(nullif(useridentity.sessioncontext.sessionissuer.accountid, ''), nullif(useridentity.accountid, ''), '') = ''), FALSE) AS own,
    coalesce(nullif(sharedeventid, ''), eventid) AS shared,
    row_number() OVER (PARTITION BY concat_ws(chr(31), coalesce(eventid, ''), coalesce(eventtime, ''), coalesce(eventsource, ''), coalesce(eventname, ''), coalesce(awsregion, ''), coalesce(eventtype, ''), coalesce(eventcategory, ''), coalesce(useridentity.type, ''), coalesce(useridentity.principalid, ''), coalesce(useridentity.arn, ''), coalesce(useridentity.accountid, ''), coalesce(useridentity.invokedby, ''), coalesce(useridentity.sessioncontext.sessionissuer.arn, ''), coalesce(useridentity.sessioncontext.sessionissuer.principalid, ''), coalesce(sourceipaddress, ''), coalesce(useragent, ''), coalesce(errorcode, ''), coalesce(errormessage, ''), coalesce(requestparameters, ''), coalesce(additionaleventdata, ''), coalesce(recipientaccountid, ''), coalesce(sharedeventid, ''), coalesce(vpcendpointid, ''), coalesce(json_format(CAST(transform(resources, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON)), '')) ORDER BY "$path") AS copy,
    count(*) OVER (PARTITION BY concat_ws(chr(31), coalesce(eventid, ''), coalesce(eventtime, ''), coalesce(eventsource, ''), coalesce(eventname, ''), coalesce(awsregion, ''), coalesce(eventtype, ''), coalesce(eventcategory, ''), coalesce(useridentity.type, ''), coalesce(useridentity.principalid, ''), coalesce(useridentity.arn, ''), coalesce(useridentity.accountid, ''), coalesce(useridentity.invokedby, ''), coalesce(useridentity.sessioncontext.sessionissuer.arn, ''), coalesce(useridentity.sessioncontext.sessionissuer.principalid, ''), coalesce(sourceipaddress, ''), coalesce(useragent, ''), coalesce(errorcode, ''), coalesce(errormessage, ''), coalesce(requestparameters, ''), coalesce(additionaleventdata, ''), coalesce(recipientaccountid, ''), coalesce(sharedeventid, ''), coalesce(vpcendpointid, ''), coalesce(json_format(CAST(transform(resources, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON)), ''))) AS copies
  FROM "logs"."trail"
  WHERE "timestamp" >= '2026/10/29' AND "timestamp" <= '2026/11/04' AND (((lower(useridentity.sessioncontext.sessionissuer.username) = 'orders' OR lower(regexp_extract(useridentity.sessioncontext.sessionissuer.arn, '[^/]+$')) = 'orders' OR lower(split_part(useridentity.arn, '/', 2)) = 'orders') AND (useridentity.sessioncontext.sessionissuer.accountid = '123456789012' OR useridentity.accountid = '123456789012')) OR split_part(useridentity.principalid, ':', 1) IN ('AROA00000000000000001') OR useridentity.sessioncontext.sessionissuer.principalid IN ('AROA00000000000000001')) AND coalesce(regexp_like(eventtime, '^20[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-[0-2][0-9])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|z| UTC)?$') AND eventtime >= '2013-11-13', FALSE) AND NOT ((coalesce(regexp_like(eventtime, '^20[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-[0-2][0-9])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|z| UTC)?$') AND eventtime >= '2013-11-13', FALSE) AND substr(concat(substr(eventtime, 1, 10), 'T', substr(eventtime, 12, 8), 'Z'), 1, 10) > '2026-11-02')) AND (eventtime >= '2026-10-29' OR NOT coalesce(regexp_like(eventtime, '^20[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-[0-2][0-9])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|z| UTC)?$') AND eventtime >= '2013-11-13', FALSE))
),
once AS (
  SELECT *, bool_or(own) OVER (PARTITION BY shared) AS copied
  FROM delivered
  WHERE copy = 1
),
cut AS (
  SELECT event_type, category, source, name, region, day, kind, role_id, caller, account, issuer_type, issuer_id, issuer_arn, issuer_account, issuer_name, recipient, source_identity, via, function, session, outside, agent, vpce, extra, from_console, error, message, resources, copied, session_name, address, time, id,
    CASE WHEN kept.members IS NULL THEN parameters ELSE coalesce(json_format(CAST(map_filter(
      TRY(CAST(json_parse(parameters) AS MAP(VARCHAR, JSON))),
      (k, v) -> contains(kept.members, lower(k))
        OR contains(kept.likes, regexp_replace(lower(k), '[^a-z0-9]', ''))
        OR contains(kept.likes, regexp_replace(regexp_replace(lower(k), '[^a-z0-9]', ''), 's$', ''))
        OR (kept.deep AND starts_with(json_format(v), '{'))
        OR (kept.arns AND (strpos(json_format(v), '"arn:') > 0 OR starts_with(k, 'arn:')))
    ) AS JSON)), parameters) END AS parameters
  FROM once
  LEFT JOIN (VALUES
    ('s3.amazonaws.com', 'GetObject', CAST(ARRAY['bucketname', 'key', 'name', 'versionid'] AS ARRAY(VARCHAR)), CAST(ARRAY[] AS ARRAY(VARCHAR)), FALSE, FALSE),
    ('lambda.amazonaws.com', 'CreateFunction20150331', CAST(ARRAY['capacityproviderconfig', 'code', 'codesigningconfigarn', 'functionname', 'layername', 'layers', 'qualifier', 'resource', 'resourcearn', 'role', 'taglist', 'tags', 'tagset', 'versionnumber', 'vpcconfig'] AS ARRAY(VARCHAR)), CAST(ARRAY['bucket', 'bucketid', 'bucketidentifier', 'bucketname', 'capacityprovider', 'capacityproviderid', 'capacityprovideridentifier', 'capacityprovidername', 'object', 'objectid', 'objectidentifier', 'objectname'] AS ARRAY(VARCHAR)), TRUE, TRUE),
    ('it''s', 'odd''', CAST(ARRAY[] AS ARRAY(VARCHAR)), CAST(ARRAY[] AS ARRAY(VARCHAR)), FALSE, FALSE)
  ) AS kept (event_source, event_name, members, likes, deep, arns)
    ON kept.event_source = source AND kept.event_name = name
)
SELECT event_type, category, source, name, region, day, kind, role_id, caller, account, issuer_type, issuer_id, issuer_arn, issuer_account, issuer_name, recipient, source_identity, via, function, session, outside, agent, vpce, extra, from_console, error, message, resources, copied, parameters,
  count(*) AS events, min(time) AS first, max(time) AS last,
  json_format(CAST(min(concat(time, ' ', id), 5) AS JSON)) AS samples,
  json_format(CAST(slice(array_sort(array_agg(DISTINCT session_name) FILTER (WHERE session_name <> '')), 1, 5) AS JSON)) AS sessions,
  json_format(CAST(slice(array_sort(array_agg(DISTINCT address) FILTER (WHERE address <> '')), 1, 5) AS JSON)) AS addresses
FROM cut
GROUP BY event_type, category, source, name, region, day, kind, role_id, caller, account, issuer_type, issuer_id, issuer_arn, issuer_account, issuer_name, recipient, source_identity, via, function, session, outside, agent, vpce, extra, from_console, error, message, resources, copied, parameters

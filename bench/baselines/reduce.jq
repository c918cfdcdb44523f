# Count the same groups with jq, from unpacked files: jq -n --arg role ARN -f reduce.jq. An empty $role means all roles.
# Duplicates and other accounts' copies are counted too.
reduce (
  inputs
  | .Records[]
  | select(.userIdentity.type == "AssumedRole" and .eventType == "AwsApiCall")
  | select($role == "" or .userIdentity.sessionContext.sessionIssuer.arn == $role)
) as $r ({};
  ([ $r.userIdentity.sessionContext.sessionIssuer.principalId, $r.eventSource, $r.eventName, $r.awsRegion, $r.errorCode,
     $r.userIdentity.invokedBy, $r.eventTime[:10],
     ($r.requestParameters // {} | [.bucketName, .key, .tableName, .functionName, .queueUrl, .topicArn, .targetGroupArn,
       .name, .path, .secretId, .roleArn, .logGroupName, .logStreamName, .keyId, .encryptionContext, .cluster, .services,
       .tasks, .repositoryName, .stateMachineArn, .stackName, .databaseName, .workGroup, .instancesSet, .filterSet,
       .alarmNamePrefix, .resourceArn]),
     ($r.resources // [] | map(.ARN)) ] | tojson) as $key
  | .[$key] = (.[$key] as $old | if $old
      then [$old[0] + 1, ([$old[1], $r.eventTime] | min), ([$old[2], $r.eventTime] | max)]
      else [1, $r.eventTime, $r.eventTime] end)
)
| {events: (map(.[0]) | add), groups: length}

// Reads one access request with its policies per line, writes one decision per line, in the same order:
// Allowed, ExplicitlyDenied, ImplicitlyDenied, or "error: ..." for what the simulator does not accept.
import { createInterface } from 'node:readline'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const ACCOUNT = '123456789012'

// Keys and roles have policies of their own, which must let the account's identity policies decide.
// The simulator wants a name with a resource policy, and takes one only from a policy marked as validated.
const delegates = (action) => ({
  __validated: true,
  errors: [],
  metadata: { name: 'resource' },
  policyDocument: {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: action, Resource: '*' }
    ]
  }
})
const resourcePolicies = { kms: delegates('kms:*'), sts: delegates('sts:*') }

const named = (policies) => policies.map((policy, i) => ({ name: `p${i}`, policy }))

// Levels of SCPs, the root's first. RCPFullAWSAccess is always attached: the checked way in adds it by itself.
const everyone = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }]
}
const levels = (scps) => scps.map((level, i) => ({ orgIdentifier: `ou-${i}`, policies: named(level) }))

async function decide({ policies, boundary, scps, rcps, action, resource, context, checked }) {
  // Only the checked way in knows which actions have no resource; the other one takes any key and action.
  const check = resource === '*' || checked
  const service = action.split(':')[0].toLowerCase()
  const simulation = {
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:role/subject`,
      action,
      resource: { resource, accountId: ACCOUNT },
      contextVariables: Object.fromEntries(
        Object.entries(context).map(([key, values]) => [key, values.length === 1 ? values[0] : values])
      )
    },
    identityPolicies: named(policies),
    serviceControlPolicies: levels(scps ?? []),
    resourceControlPolicies: rcps?.length ? levels([check ? rcps : [everyone, ...rcps]]) : [],
    resourcePolicy: resourcePolicies[service],
    permissionBoundaryPolicies: boundary ? named([boundary]) : undefined
  }
  if (!check) return runUnsafeSimulation(simulation, {})
  const found = await runSimulation(simulation, {})
  return found.resultType === 'error' ? `error: ${JSON.stringify(found.errors)}` : found.overallResult
}

for await (const line of createInterface({ input: process.stdin })) {
  let decision
  try {
    decision = await decide(JSON.parse(line))
  } catch (error) {
    decision = `error: ${error.message}`
  }
  process.stdout.write(`${decision}\n`.replace(/\n(?=.)/g, ' '))
}

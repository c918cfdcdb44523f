// Puts the construct of each compiled module m0, m1, … into a stack and writes the templates, in order.
const fs = require("fs");
const cdk = require("aws-cdk-lib");

// The CDK's own linter takes seconds to list what is odd in hostile names; cfn-lint judges in a test of its own.
const context = { "@aws-cdk/core:validateAgainstDefaultRules": false };
const app = new cdk.App({ analyticsReporting: false, context, outdir: "cdk.out" });
const stacks = [];
for (let number = 0; number < Number(process.argv[2]); number++) {
  const stack = new cdk.Stack(app, `S${number}`);
  const [construct] = Object.values(require(`./m${number}.js`));
  new construct(stack, "Permissions");
  stacks.push(stack.stackName);
}
const assembly = app.synth();
fs.writeFileSync("templates.json", JSON.stringify(stacks.map((name) => assembly.getStackByName(name).template)));

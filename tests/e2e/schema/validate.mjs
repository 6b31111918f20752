// Print the errors that AsyncAPI's own parser finds in the document on standard input, as JSON.

import { text } from "node:stream/consumers"

import { Parser } from "@asyncapi/parser"

const { document, diagnostics } = await new Parser().parse(await text(process.stdin))
const problems = diagnostics.filter(({ severity }) => severity <= 1)
console.log(
  JSON.stringify({
    problems: problems.map(({ message, path }) => `${path.join(".")}: ${message}`),
    channels: document?.channels().all().map(channel => channel.id()) ?? [],
    operations: document?.operations().all().map(operation => operation.id()) ?? [],
  }),
)

// Issues a token for each line of JSON, as a package does it: `node issuer.mjs PACKAGE`.

import { createInterface } from "node:readline"

import jsonwebtoken from "jsonwebtoken"

// Imported by its path: Node cannot import the main entry of 0.1.0, which imports folders.
import { identificator } from "./node_modules/@anycable/serverless-js/dist/jwt/index.js"

const { SECRET } = process.env

const ISSUERS = {
  "@anycable/serverless-js": identifiers => identificator(SECRET, "1h").generateToken(identifiers),
  jsonwebtoken: identifiers => jsonwebtoken.sign({ ext: JSON.stringify(identifiers) }, SECRET, { expiresIn: "1h" }),
}

const issue = ISSUERS[process.argv[2]]
for await (const line of createInterface({ input: process.stdin })) console.log(await issue(JSON.parse(line)))

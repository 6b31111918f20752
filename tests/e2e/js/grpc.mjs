// A client on @grpc/grpc-js that makes the calls it reads as lines of JSON; see interop/callers.py.
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import grpc from "@grpc/grpc-js"

const GZIP = { "grpc.default_compression_algorithm": 2 }
const [address, certificate] = process.argv.slice(2)
const credentials = certificate
  ? grpc.credentials.createSsl(readFileSync(certificate))
  : grpc.credentials.createInsecure()
const plain = new grpc.Client(address, credentials)
const gzipped = new grpc.Client(address, credentials, GZIP)
const stopped = new Set()
const same = (bytes) => bytes

function say(id, { code = 0, details = "" } = {}, data = null, more = false) {
  const text = JSON.stringify({ id, code, text: details, data: data ? data.toString("base64") : null, more })
  process.stdout.write(`${text}\n`)
}

function metadataOf(asked) {
  const metadata = new grpc.Metadata()
  for (const [key, value] of asked.metadata) metadata.add(key, key.endsWith("-bin") ? Buffer.from(value) : value)
  return metadata
}

function optionsOf(asked) {
  return { deadline: Date.now() + asked.timeout * 1000 }
}

function call(asked, answered) {
  const client = asked.gzip ? gzipped : plain
  const data = Buffer.from(asked.data, "base64")
  const under = client.makeUnaryRequest(asked.path, same, same, data, metadataOf(asked), optionsOf(asked), answered)
  if (asked.cancel) setTimeout(() => under.cancel(), asked.cancel * 1000)
}

function stream(asked) {
  const data = Buffer.from(asked.data, "base64")
  const under = plain.makeServerStreamRequest(asked.path, same, same, data, metadataOf(asked), optionsOf(asked))
  under.on("data", (message) => say(asked.id, {}, message, true))
  under.on("error", () => {}) // the status reports it
  under.on("status", (status) => say(asked.id, status))
  if (asked.cancel) setTimeout(() => under.cancel(), asked.cancel * 1000)
}

async function load(asked) {
  const counts = {}
  const one = async () => {
    while (!stopped.has(asked.id)) {
      const code = await new Promise((ended) => call(asked, (error) => ended(error ? error.code : 0)))
      counts[code] = (counts[code] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: asked.times }, one))
  process.stdout.write(`${JSON.stringify({ id: asked.id, counts })}\n`)
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const asked = JSON.parse(line)
    if (asked.stop) stopped.add(asked.stop)
    else if (asked.load) load(asked)
    else if (asked.stream) stream(asked)
    else {
      for (let time = 0; time < asked.times; time++) call(asked, (error, data) => say(asked.id, error ?? {}, data))
    }
  })
  .on("close", () => process.exit(0))

// Writes each line of JSON again, as JavaScript does.
import { createInterface } from 'node:readline'

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(JSON.parse(line)) + '\n')
}

// Helpers of both clients: the settings of the test, waiting with a deadline, and reporting the steps.

export const { SOCKET, BROADCAST, BROADCAST_KEY, WAY, USER_NAME } = process.env
export const { COOKIE, TOKEN, EXPIRED_TOKEN, OTHER_COOKIE, OTHER_TOKEN } = process.env
export const ROOM = `node-${WAY}-${process.pid}`

const PATIENCE = 10_000
const seen = []

export const note = (...what) => seen.push(JSON.stringify(what))

/** A promise that is rejected, with all that has been seen, when it takes too long. */
export const within = (promise, what) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Error(`${what}: not within ${PATIENCE} ms; seen:\n${seen.join("\n")}`)), PATIENCE)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Things that arrive one after another: `push` them, and `take` the next that fits. */
export class Inbox {
  #waiting = []
  #items = []

  push(item) {
    note("inbox", item)
    const index = this.#waiting.findIndex(({ fits }) => fits(item))
    if (index < 0) this.#items.push(item)
    else this.#waiting.splice(index, 1)[0].resolve(item)
  }

  take(what, fits) {
    const index = this.#items.findIndex(fits)
    if (index >= 0) return Promise.resolve(this.#items.splice(index, 1)[0])
    return within(new Promise(resolve => this.#waiting.push({ fits, resolve })), what)
  }
}

/** What `cable.disconnect(user=…)` and `cable.broadcast(…)` post. */
export const publish = async payload => {
  const headers = { authorization: `Bearer ${BROADCAST_KEY}`, "content-type": "application/json" }
  const response = await fetch(BROADCAST, { method: "POST", headers, body: JSON.stringify(payload) })
  if (response.status !== 201) throw Error(`/_broadcast answered ${response.status}`)
}

export const disconnectRemotely = reconnect =>
  publish({ command: "disconnect", payload: { identifier: JSON.stringify({ user: USER_NAME }), reconnect } })

/** Run the scenario; say which steps it got through. */
export const run = async scenario => {
  try {
    await within(scenario(step => console.log(`ok ${step}`)), "the scenario")
    process.exit(0)
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}

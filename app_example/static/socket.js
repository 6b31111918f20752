// The socket: AnyCable's client, with or without a token. Its address is in the page's <meta name="cable-url">.

import { createCable } from "@anycable/web"

import { fetchToken } from "./session.js"

const WAIT = [500, 1000, 2000, 4000, 8000]

/** Open the socket for `name` by `way`; `onLost` is called when the server gives no token any more. */
export const openSocket = async ({ name, way }, onLost) =>
  createCable({
    ...(way === "token" && (await tokenOptions(name, onLost))),
    // The protocol with history, presence and resumed sessions. A server without them understands it too.
    protocol: "actioncable-v1-ext-json",
    protocolOptions: { pongs: true },
    logLevel: "error",
    // Try again soon at first, then less often, and at random times: not all clients at the same moment.
    reconnectStrategy: attempt => WAIT[Math.min(attempt, WAIT.length - 1)] * (0.5 + Math.random()),
  })

const tokenOptions = async (name, onLost) => {
  const param = document.querySelector("meta[name='cable-token-param']").content
  return {
    auth: { token: await fetchToken(name), param },
    // The server answered `token_expired`. Get a new token; the client then connects again.
    tokenRefresher: async transport => {
      try {
        transport.setToken(await fetchToken(name), param)
      } catch (error) {
        onLost(error)
        throw error
      }
    },
  }
}

// @anycable/core in Node, by each way in: a cookie, or a token in the URL, in a header or as a sub-protocol.

import assert from "node:assert/strict"

import { createCable } from "@anycable/core"
import WebSocket from "ws"

import { COOKIE, EXPIRED_TOKEN, OTHER_COOKIE, OTHER_TOKEN, ROOM, SOCKET, TOKEN, WAY } from "./steps.mjs"
import { Inbox, disconnectRemotely, note, publish, run, within } from "./steps.mjs"

const VIA = WAY === "cookie" ? "RPC" : "JWT"

const connect = (cookie, token, options = {}) =>
  createCable(SOCKET, {
    websocketImplementation: WebSocket,
    websocketOptions: { headers: WAY === "cookie" && cookie ? { cookie } : {} },
    ...(WAY !== "cookie" && token && { auth: { token }, websocketAuthStrategy: WAY }),
    reconnectStrategy: () => 100,
    ...options,
  })

const event = (emitter, name, what) =>
  within(new Promise(resolve => emitter.once(name, value => (note(name, value?.reason), resolve(value)))), what)

const listen = channel => {
  const inbox = new Inbox()
  channel.on("message", message => inbox.push(message))
  return inbox
}

run(async ok => {
  const stranger = connect(null, null)
  const refusal = event(stranger, "close", "a client without a name is refused")
  await assert.rejects(stranger.connect())
  assert.equal((await refusal).reason, "unauthorized")
  ok("unauthorized")

  const cable = connect(COOKIE, TOKEN)
  await within(cable.connect(), "the connection")
  assert.ok(cable.sessionId, "the welcome has no sid")
  ok("welcome")

  await assert.rejects(within(cable.subscribeTo("ChatChannel", { room: "no.such" }).ensureSubscribed(), "a rejection"), {
    name: "SubscriptionRejectedError",
  })
  await assert.rejects(within(cable.subscribeTo("NoChannel").ensureSubscribed(), "a rejection"), {
    name: "SubscriptionRejectedError",
  })
  ok("rejected")

  const chat = cable.subscribeTo("ChatChannel", { room: ROOM })
  const messages = listen(chat)
  await within(chat.ensureSubscribed(), "the confirmation")
  const you = await messages.take("who I am", ({ type }) => type === "you")
  assert.equal(you.via, VIA)
  ok("subscribed")

  await chat.perform("speak", { text: "  over RPC  " })
  const said = await messages.take("what I said", ({ type }) => type === "message")
  assert.deepEqual([said.user, said.via, said.text], [you.user, VIA, "over RPC"])
  ok("performed")

  await publish({ stream: `chat/${ROOM}`, data: JSON.stringify({ type: "message", text: "from outside" }) })
  await messages.take("a broadcast from outside", ({ text }) => text === "from outside")
  ok("broadcast")

  const other = connect(OTHER_COOKIE, OTHER_TOKEN)
  const heard = listen(other.subscribeTo("TypingChannel", { room: ROOM }))
  await within(other.hub.channels[0].ensureSubscribed(), "the second client's confirmation")
  const typing = cable.subscribeTo("TypingChannel", { room: ROOM })
  await within(typing.ensureSubscribed(), "the confirmation")
  await typing.whisper({ user: you.user })
  assert.deepEqual(await heard.take("a whisper", () => true), { user: you.user })
  other.disconnect()
  ok("whispered")

  const back = event(cable, "connect", "the connection after a remote disconnect")
  const gone = event(cable, "disconnect", "a remote disconnect")
  await disconnectRemotely(true)
  assert.equal((await gone).reason, "remote")
  await back
  await messages.take("who I am, again", ({ type }) => type === "you")
  await chat.perform("speak", { text: "back again" })
  await messages.take("what I said afterwards", ({ text }) => text === "back again")
  ok("reconnected")

  const end = event(cable, "close", "the end of the connection")
  await disconnectRemotely(false)
  assert.equal((await end).reason, "remote")
  ok("closed")

  if (WAY === "cookie") return
  let refreshed = 0
  const late = connect(null, EXPIRED_TOKEN, {
    tokenRefresher: async transport => {
      refreshed += 1
      transport.setToken(TOKEN)
    },
  })
  const expiry = event(late, "close", "the expiry")
  const fresh = event(late, "connect", "the connection with a fresh token")
  await assert.rejects(late.connect())
  assert.equal((await expiry).reason, "token_expired")
  await fresh
  assert.equal(refreshed, 1)
  late.disconnect()
  ok("refreshed")
})

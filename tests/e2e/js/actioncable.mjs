// @rails/actioncable, as browsers have it, in Node: with a cookie, or with a token in the URL.

import assert from "node:assert/strict"
import { createRequire } from "node:module"

import WebSocket from "ws"

import { COOKIE, EXPIRED_TOKEN, Inbox, ROOM, SOCKET, TOKEN, WAY, disconnectRemotely, publish, run } from "./steps.mjs"

// The parts of a browser that it needs.
globalThis.self = globalThis
globalThis.document = { visibilityState: "visible" }
globalThis.addEventListener = globalThis.removeEventListener = () => {}

const { adapters, createConsumer } = createRequire(import.meta.url)("@rails/actioncable")

const frames = new Inbox()

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: WAY === "cookie" ? { cookie: COOKIE } : {} })
    this.addEventListener("message", ({ data }) => frames.push(JSON.parse(data)))
    this.addEventListener("close", ({ code, reason }) => frames.push({ type: "close", code, reason }))
  }
}
adapters.WebSocket = Socket

const consumer = token => createConsumer(WAY === "cookie" ? SOCKET : `${SOCKET}?jid=${token}`)

const subscribe = (cable, params) => {
  const inbox = new Inbox()
  const said = type => value => inbox.push({ ...value, type: value?.type ?? type })
  const subscription = cable.subscriptions.create(params, {
    connected: said("connected"),
    disconnected: said("disconnected"),
    rejected: said("rejected"),
    received: said("received"),
  })
  return { subscription, next: (type, fits = () => true) => inbox.take(type, item => item.type === type && fits(item)) }
}

run(async ok => {
  const cable = consumer(TOKEN)
  const chat = subscribe(cable, { channel: "ChatChannel", room: ROOM })
  const welcome = await frames.take("a welcome", ({ type }) => type === "welcome")
  assert.match(welcome.sid, /./)
  await chat.next("connected")
  const you = await chat.next("you")
  assert.equal(you.via, WAY === "cookie" ? "RPC" : "JWT")
  ok("subscribed")

  await subscribe(cable, { channel: "ChatChannel", room: "no.such" }).next("rejected")
  ok("rejected")

  chat.subscription.perform("speak", { text: "over RPC" })
  assert.equal((await chat.next("message")).text, "over RPC")
  ok("performed")

  await publish({ stream: `chat/${ROOM}`, data: JSON.stringify({ type: "message", text: "from outside" }) })
  assert.equal((await chat.next("message")).text, "from outside")
  ok("broadcast")

  chat.subscription.unsubscribe()
  const again = subscribe(cable, { channel: "ChatChannel", room: ROOM })
  await again.next("connected")
  again.subscription.perform("speak", { text: "once" })
  assert.equal((await again.next("message")).text, "once")
  ok("resubscribed")

  await disconnectRemotely(false)
  const farewell = await frames.take("a farewell", ({ type }) => type === "disconnect")
  assert.deepEqual(farewell, { type: "disconnect", reason: "remote", reconnect: false })
  const { willAttemptReconnect } = await again.next("disconnected")
  assert.equal(willAttemptReconnect, false)
  assert.equal((await frames.take("the close", ({ type }) => type === "close")).code, 1000)
  ok("closed")

  if (WAY === "cookie") return
  const late = consumer(EXPIRED_TOKEN)
  late.connect()
  const expiry = await frames.take("the expiry", ({ type }) => type === "disconnect")
  assert.deepEqual(expiry, { type: "disconnect", reason: "token_expired", reconnect: false })
  ok("expired")
})

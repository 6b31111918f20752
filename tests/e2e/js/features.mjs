// @anycable/core with the extended protocol: presence, whispers, history, resumed sessions, streams without channels.

import assert from "node:assert/strict"

import { createCable } from "@anycable/core"
import WebSocket from "ws"

import { Inbox, SOCKET, WAY, publish, run, within } from "./steps.mjs"

const { SIGNED, FORGED, TOKENS } = process.env
const tokens = JSON.parse(TOKENS)
const room = `features-${WAY}-${process.pid}`

const connect = user => {
  const sockets = []
  class Socket extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols)
      sockets.push(this)
    }
  }
  const cable = createCable(WAY === "connect" ? `${SOCKET}?user=${user}` : SOCKET, {
    protocol: "actioncable-v1-ext-json",
    protocolOptions: { pongs: true },
    websocketImplementation: Socket,
    ...(WAY === "token" && { auth: { token: tokens[user] } }),
    monitor: false, // it connects again when the scenario says so
    logLevel: "error",
  })
  return { cable, sockets }
}

const listen = channel => {
  const inbox = new Inbox()
  channel.on("message", (message, meta) => inbox.push({ kind: "message", message, meta }))
  channel.on("presence", event => inbox.push({ kind: "presence", event }))
  channel.on("info", event => inbox.push({ kind: "info", event }))
  const next = what => inbox.take(what, ({ kind }) => kind === "message")
  const presence = (what, type) => inbox.take(what, ({ kind, event }) => kind === "presence" && event.type === type)
  return { next, presence }
}

const enter = async (cable, params = { room }) => {
  const channel = cable.subscribeTo("RoomChannel", params)
  const heard = listen(channel)
  await within(channel.ensureSubscribed(), "the confirmation")
  return { channel, heard }
}

const say = (data, meta) => publish({ stream: room, data: JSON.stringify(data), ...(meta && { meta }) })

run(async ok => {
  const { cable: adas, sockets } = connect("ada")
  const { cable: graces } = connect("grace")
  await within(Promise.all([adas.connect(), graces.connect()]), "the connections")
  const ada = await enter(adas)
  const grace = await enter(graces)

  const { event: joined } = await ada.heard.presence("Grace's arrival", "join").then(first =>
    first.event.id === "grace" ? first : ada.heard.presence("Grace's arrival", "join"),
  )
  assert.deepEqual(joined, { type: "join", id: "grace", info: { name: "Grace" } })
  assert.deepEqual(await within(ada.channel.presence.info(), "who is here"), {
    ada: { name: "Ada" },
    grace: { name: "Grace" },
  })
  await ada.channel.perform("who")
  assert.deepEqual((await ada.heard.next("what the app was told")).message, { here: ["ada", "grace"] })
  ok("presence")

  await ada.channel.perform("refuse")
  assert.deepEqual((await ada.heard.next("a refusal")).message, { refused: "not today", callbacks: 3 })
  ok("middleware and state")

  await ada.channel.perform("tell", { user: "grace", text: "for you" })
  assert.equal((await grace.heard.next("what is for Grace")).message, "for you")
  await grace.channel.perform("hush")
  await grace.channel.perform("tell", { user: "grace", text: "not heard" })
  await grace.channel.perform("tell", { user: "ada", text: "last" })
  assert.equal((await ada.heard.next("what is for Ada")).message, "last")
  ok("streams of objects")

  await grace.channel.whisper({ typing: true })
  assert.deepEqual((await ada.heard.next("a whisper")).message, { typing: true })
  ok("whisper")

  await grace.channel.perform("tell_others", { text: "not to me" })
  assert.equal((await ada.heard.next("what is for others")).message, "not to me")
  await grace.channel.perform("count", { to: 10 })
  for (const each of [ada, grace]) {
    for (let number = 1; number <= 10; number++) assert.equal((await each.heard.next("a number")).message, number)
  }
  ok("others and batch")

  await grace.channel.perform("mention", { text: "in passing" })
  const passing = await ada.heard.next("something transient")
  assert.deepEqual([passing.message, passing.meta], ["in passing", undefined])
  await grace.heard.next("something transient")
  ok("transient")

  const gone = new Promise(resolve => adas.once("disconnect", resolve))
  const sid = adas.sessionId
  sockets.at(-1).terminate()
  await within(gone, "the loss of the connection")
  for (let number = 0; number < 20; number++) await say(`meanwhile ${number}`)
  await say("nobody keeps this", { transient: true })
  const back = new Promise(resolve => adas.once("connect", resolve))
  await within(adas.connect(), "the new connection")
  assert.deepEqual(await within(back, "the resumed session"), { reconnect: true, restored: true })
  assert.notEqual(adas.sessionId, sid)
  const offsets = []
  for (let number = 0; number < 20; number++) {
    const { message, meta } = await ada.heard.next("what was missed")
    assert.equal(message, `meanwhile ${number}`)
    offsets.push(meta.offset)
  }
  assert.deepEqual(offsets, offsets.map((_, index) => offsets[0] + index))
  await say("after")  // not before: anycable-go sends what comes now between what was missed
  assert.equal((await ada.heard.next("what came afterwards")).message, "after")
  await ada.channel.perform("tell_others", { text: "from a resumed session" })
  const all = []
  for (let number = 0; number < 22; number++) all.push((await grace.heard.next("what Ada missed, and more")).message)
  // anycable-go keeps the order of a stream in its history, not between what is kept and what is not
  assert.deepEqual(
    all.filter(text => text !== "nobody keeps this"),
    [...offsets.keys()].map(number => `meanwhile ${number}`).concat("after"),
  )
  assert.ok(all.includes("nobody keeps this"))
  assert.equal((await grace.heard.next("from Ada")).message, "from a resumed session")
  ok("resumed")

  for (const [name, channel] of [
    ["public", adas.streamFrom("news")],
    ["signed", adas.streamFromSigned(SIGNED)],
  ]) {
    const heard = listen(channel)
    await within(channel.ensureSubscribed(), `the confirmation of a ${name} stream`)
    await publish({ stream: name === "public" ? "news" : "signed news", data: JSON.stringify(name) })
    assert.equal((await heard.next(`${name} news`)).message, name)
    ok(`${name} stream`)
  }
  await assert.rejects(within(adas.streamFromSigned(FORGED).ensureSubscribed(), "a rejection"), {
    name: "SubscriptionRejectedError",
  })
  ok("forged stream")

  if (WAY === "connect") {
    const { cable: mallorys } = connect("mallory")
    const refusal = new Promise(resolve => mallorys.once("close", resolve))
    await assert.rejects(mallorys.connect())
    assert.equal((await within(refusal, "a refusal")).reason, "banned")
    ok("refused with a reason")
  }

  graces.disconnect()
  await ada.channel.perform("arrive")
  assert.equal((await ada.heard.presence("Grace's departure", "leave")).event.id, "grace")
  ok("left")
})

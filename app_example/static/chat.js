// @ts-check
// The chat: it passes the visitor's actions to the socket, and the socket's messages to the view.

import { dropCookie, forget, remember, remembered, takeCookie } from "./session.js"
import { openSocket } from "./socket.js"
import * as view from "./view.js"

const LOBBY = "lobby"
const WHISPER_EVERY = 2000
const LATELY = 300 // seconds of history that a newcomer sees; a broker keeps that many by default

let me = null // { name, way } as signed in; the server's answer sets `name`
/** @type {import("./channels").TypedCable} */
let cable = null
/** @type {import("./channels").ChannelOf<"ChatChannel">} */
let chat = null // the subscription to the room's messages
/** @type {import("./channels").ChannelOf<"TypingChannel">} */
let typing = null // the subscription to the room's typing notices
let expired = false // the token has been refreshed since the last successful connection

const roomInUrl = () => {
  try {
    return decodeURIComponent(location.hash.slice(1)) || LOBBY
  } catch {
    return location.hash.slice(1)
  }
}

// --- signing in and out

const enter = async session => {
  cable = await openSocket(session, lost)
  remember(session)
  me = { ...session }
  view.showChat(me)
  view.showStatus("connecting")
  cable.on("connect", () => {
    expired = false
    view.showStatus("connected")
  })
  cable.on("disconnect", () => {
    view.showStatus("reconnecting")
    view.showReady(false) // a channel whose session may be resumed gets no event
  })
  cable.on("close", closed)
  enterRoom()
}

/** The server, or `disconnect()` here, has ended the connection for good. */
const closed = reason => {
  if (!reason) return
  if (reason.reason === "unauthorized") return leave("The server did not let you in. Sign in again.")
  if (reason.reason === "token_expired" && !expired) {
    expired = true // the token refresher runs
    return view.showStatus("reconnecting")
  }
  view.showStatus("disconnected")
  view.toast(`The server closed the connection (${reason.reason ?? "no reason given"}).`)
}

const lost = error => {
  view.showStatus("disconnected")
  view.toast(`No new token: ${error.message}`)
}

const leave = notice => {
  forget()
  cable?.disconnect()
  me = cable = chat = typing = null
  view.showDoor(notice)
}

// --- rooms

const enterRoom = () => {
  if (!cable) return
  chat?.state !== "closed" && chat?.disconnect()
  typing?.state !== "closed" && typing?.disconnect()
  const room = roomInUrl()
  view.showRoom(room)

  chat = cable.subscribeTo("ChatChannel", { room })
  chat.on("connect", event => {
    view.listRoom(room)
    entered(event)
  })
  chat.on("disconnect", () => view.showReady(false))
  chat.on("close", error => error && rejected(room, error))
  chat.on("message", received)
  chat.on("presence", showHere)
  chat.on("info", ({ type }) => type === "history_not_found" && view.showGap())

  typing = cable.subscribeTo("TypingChannel", { room })
  typing.on("message", ({ user }) => typeof user === "string" && user !== me.name && view.showTyping(user))
}

/**
 * Show the room as ready: on the first visit, a later one, or in a resumed session, where `subscribed` has not run.
 * @param {{ reconnect?: boolean, restored?: boolean }} event
 */
const entered = ({ reconnect, restored }) => {
  view.showReady(true)
  if (restored) chat.perform("arrive")
  if (!reconnect) askForHistory(chat.identifier)
  showHere()
}

/** Ask for the latest messages. After a lost connection the client itself asks for those that it has missed. */
const askForHistory = identifier =>
  cable.send({ command: "history", identifier, history: { since: Math.floor(Date.now() / 1000) - LATELY } })

const showHere = async () => {
  const room = chat
  try {
    const present = await room.presence.info()
    if (room === chat) view.showHere(present)
  } catch {
    if (room === chat && room.state === "connected") view.showHere(null) // the server keeps no presence
  }
}

const rejected = (room, error) => {
  if (room !== roomInUrl()) return
  view.showReady(false)
  if (error.name !== "SubscriptionRejectedError") return view.toast(`Room “${room}”: ${error.message}`)
  view.showRejected(room)
}

/** @typedef {import("./channels").Channels["ChatChannel"]["message"]} Heard */

const HEARD = {
  /** @param {import("./channels").You} message */
  you: ({ user, via }) => {
    if (user !== me.name) view.toast(`You are ${user} now: another window of this browser changed the cookie.`)
    me.name = user
    view.showMe(user, via)
  },
  /** @param {import("./channels").Message} message */
  message: (message, place) => view.showMessage(message, message.user === me.name, place),
}

/** @param {Heard} message */
const received = (message, place) => HEARD[message.type]?.(message, place)

// --- actions of the visitor

view.onSignIn(async session => {
  if (session.way === "cookie") await takeCookie(session.name)
  await enter(session)
})

view.onSignOut(async () => {
  let notice
  if (me.way === "cookie") await dropCookie().catch(error => (notice = `You are still signed in: ${error.message}`))
  leave(notice) // last: whoever signs in next gets a cookie of their own
})

view.onReconnect(() => {
  expired = false
  view.showStatus("connecting")
  cable.connect().catch(() => {}) // the events report the failure
})

view.onSend(async text => {
  if (chat.state !== "connected") throw Error("Not connected: your message was not sent.")
  await chat.perform("speak", { text })
  lastWhisper = 0
})

let lastWhisper = 0
view.onTyping(() => {
  if (typing?.state !== "connected" || Date.now() - lastWhisper < WHISPER_EVERY) return
  lastWhisper = Date.now()
  typing.whisper({ user: me.name })
})

addEventListener("hashchange", enterRoom)

const session = remembered()
if (session) enter(session).catch(error => leave(error.message))
else view.showDoor()

// The page. Everything that people wrote goes in as text, never as HTML.

const $ = id => document.getElementById(id)

const ROOMS = new Set(["lobby", "python", "random"])
const STATUS = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  disconnected: "Disconnected",
}
const LONGEST_LOG = 500
const TYPING_LASTS = 4000
const TOAST_LASTS = 8000
const SAME_BREATH = 5 * 60_000
const AT_END = 80 // pixels from the end of the messages, within which new ones are followed
const ONLY_EMOJI = /^(\p{RGI_Emoji}|\s){1,12}$/v

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })

// --- the door

export const showDoor = notice => {
  $("chat").hidden = true
  $("door").hidden = false
  $("door-notice").hidden = !notice
  $("door-notice").textContent = notice ?? ""
  document.title = "Chat over AnyCable"
  $("name").focus()
}

export const onSignIn = signIn =>
  $("sign-in").addEventListener("submit", async event => {
    event.preventDefault()
    const form = new FormData(event.target)
    const name = form.get("name").trim()
    showNameError(name ? "" : "Say who you are first.")
    if (!name) return
    try {
      await signIn({ name, way: form.get("way") })
    } catch (error) {
      showNameError(error.message)
    }
  })

const showNameError = text => {
  $("name-error").textContent = text
  $("name").setAttribute("aria-invalid", text ? "true" : "false")
  if (text) $("name").focus()
}

const { tokens, cookie } = document.body.dataset
const byToken = document.querySelector("input[value=token]")
if (tokens) {
  byToken.checked = Boolean(cookie) // another window uses the cookie: with a token this one can be another person
} else {
  byToken.disabled = true
  $("token-hint").textContent = "Not here: tokens are signed with a secret. Set ANYCABLE_SECRET and start again."
}

// --- you, the connection, the rooms

export const showChat = ({ name, way }) => {
  $("door").hidden = true
  $("chat").hidden = false
  showMe(name, way === "token" ? "JWT" : "RPC")
  $("text").focus()
}

export const showMe = (name, via) => {
  $("my-name").textContent = name
  dressAvatar($("my-avatar"), name)
  dressBadge($("my-badge"), via)
}

export const showStatus = status => {
  $("status").dataset.status = status
  $("status-text").textContent = STATUS[status]
  $("reconnect").hidden = status !== "disconnected"
}

export const showReady = ready => {
  $("chat").dataset.ready = ready
}

/** Show the current room, and all rooms that the visitor has entered. */
export const showRoom = room => {
  $("rooms").replaceChildren(...[...new Set([...ROOMS, room])].map(name => roomItem(name, name === room)))
  bringRoomIntoView()
  if ($("chat").dataset.refused) $("text").focus()
  delete $("chat").dataset.refused
  $("newest").hidden = true
  $("room").textContent = room
  $("text").placeholder = `Message #${room}`
  $("messages").replaceChildren()
  hideHere()
  document.title = `#${room} · Chat over AnyCable`
  for (const user of typists.keys()) stopTyping(user)
  showReady(false)
  showEmpty(
    "It is quiet in here",
    "Say something, or open a second window, come in the other way, and talk to yourself.",
    { text: "Open a second window", href: location.href, target: "_blank" },
  )
}

const bringRoomIntoView = () =>
  $("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" })

addEventListener("resize", bringRoomIntoView)

export const listRoom = room => ROOMS.add(room)

/** Show no presence until the server has answered. */
const hideHere = () => {
  $("here").dataset.known = ""
  $("here-count").textContent = ""
  $("people").replaceChildren()
}

/** Show the people in the room, by name; null when the server keeps no presence. */
export const showHere = present => {
  const people = Object.entries(present ?? {}).sort(([one], [other]) => one.localeCompare(other))
  $("here").dataset.known = Boolean(present)
  $("here-count").textContent = present ? people.length : ""
  $("people").replaceChildren(...people.map(([name, info]) => person(name, info?.via)))
}

const person = (name, via) => {
  const item = $("person").content.firstElementChild.cloneNode(true)
  dressAvatar(item.querySelector(".avatar"), name)
  dressBadge(item.querySelector(".badge"), via ?? "")
  item.querySelector("span:nth-child(2)").textContent = name
  return item
}

export const showRejected = room => {
  $("rooms").querySelector("[aria-current]").parentElement.remove()
  $("chat").dataset.refused = true
  showEmpty(`The server refused “${room}”`, "A room’s name has up to 30 letters, digits, _ and -.", {
    text: "Go to the lobby",
    href: "#lobby",
    target: "",
  })
  $("empty-link").focus() // so that screen readers read the sentences
}

const showEmpty = (title, text, link) => {
  $("empty").hidden = false
  $("empty-title").textContent = title
  $("empty-text").textContent = text
  Object.assign($("empty-link"), { textContent: link.text, href: link.href, target: link.target, rel: "noopener" })
}

const roomItem = (name, current) => {
  const link = Object.assign(document.createElement("a"), { href: `#${encodeURIComponent(name)}`, textContent: name })
  if (current) link.setAttribute("aria-current", "page")
  const item = document.createElement("li")
  item.append(link)
  return item
}

$("new-room").addEventListener("submit", event => {
  event.preventDefault()
  const room = $("room-name").value.trim().toLowerCase().replace(/\s+/g, "-")
  $("room-name").value = ""
  if (room) location.hash = encodeURIComponent(room)
  $("text").focus()
})

export const onSignOut = signOut => $("sign-out").addEventListener("click", signOut)

export const onReconnect = reconnect => $("reconnect").addEventListener("click", reconnect)

// --- messages

/** Show a message once, in the order of the stream; a message without an offset comes last. */
export const showMessage = ({ user, via, text, at }, mine, { epoch, offset } = {}) => {
  const place = offset && `${epoch}:${offset}`
  if (place && $("messages").querySelector(`[data-place="${CSS.escape(place)}"]`)) return
  const time = new Date(at)
  const follow = mine || atEnd()
  const item = $("message").content.firstElementChild.cloneNode(true)
  Object.assign(item.dataset, { user, via, time: +time, ...(place && { place, epoch, offset }) })
  item.classList.toggle("mine", mine)
  dressAvatar(item.querySelector(".avatar"), user)
  dressBadge(item.querySelector(".badge"), via)
  item.querySelector("strong").textContent = user
  item.querySelector(".text").textContent = text
  item.classList.toggle("emoji", ONLY_EMOJI.test(text))
  Object.assign(item.querySelector("time"), { dateTime: at, textContent: clock.format(time) })
  const next = place && [...$("messages").children].find(other => comesAfter(other, item))
  $("messages").insertBefore(item, next ?? null)
  for (const each of [item, item.nextElementSibling]) {
    each?.classList.toggle("more", continues(each.previousElementSibling, each))
  }
  if ($("messages").childElementCount > LONGEST_LOG) $("messages").firstElementChild.remove()
  $("empty").hidden = true
  stopTyping(user)
  if (follow) goToEnd()
  else $("newest").hidden = false
}

// The list is laid out from its end (`column-reverse`): there `scrollTop` is 0, and the browser keeps it at 0 when a
// keyboard opens or a message arrives.
const atEnd = () => $("scroll").scrollTop > -AT_END
const goToEnd = () => {
  $("scroll").scrollTop = 0
}

$("scroll").addEventListener("scroll", () => atEnd() && ($("newest").hidden = true))

$("newest").addEventListener("click", () => {
  goToEnd()
  $("text").focus()
})

const comesAfter = (other, item) =>
  other.dataset.epoch === item.dataset.epoch && Number(other.dataset.offset) > Number(item.dataset.offset)

/** Say that messages may be missing, to visitors who were here before. */
export const showGap = () => {
  if ($("messages").lastElementChild?.dataset.place) toast("You were away for long: some messages may be missing.")
}

const continues = (last, item) =>
  last?.dataset.user === item.dataset.user &&
  last.dataset.via === item.dataset.via &&
  item.dataset.time - last.dataset.time < SAME_BREATH

const dressAvatar = (avatar, name) => {
  const letters = name.split(/\s+/).map(word => [...word][0])
  avatar.textContent = letters.slice(0, 2).join("").toUpperCase()
  avatar.style.setProperty("--hue", hue(name))
}

/** Return a hue that is always the same for a name. */
const hue = name => ([...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) * 137.5) % 360

const dressBadge = (badge, via) => {
  badge.dataset.via = badge.textContent = via
  badge.title = via === "JWT" ? "Came in with a signed token" : "Came in with a cookie, by RPC Connect"
}

// --- the composer

export const onSend = send =>
  $("composer").addEventListener("submit", async event => {
    event.preventDefault()
    const text = $("text").value.trim()
    $("text").focus()
    if (!text) return
    try {
      await send(text)
      $("text").value = ""
    } catch (error) {
      toast(error.message)
    }
  })

export const onTyping = type => $("text").addEventListener("input", () => $("text").value && type())

$("text").addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $("composer").requestSubmit()
})

// --- who is typing

const typists = new Map() // name -> the timer that removes it

export const showTyping = user => {
  clearTimeout(typists.get(user))
  typists.set(user, setTimeout(() => stopTyping(user), TYPING_LASTS))
  sayWhoTypes()
}

const stopTyping = user => {
  clearTimeout(typists.get(user))
  if (typists.delete(user)) sayWhoTypes()
}

const sayWhoTypes = () => {
  const names = [...typists.keys()].map(name => name.slice(0, 30))
  const many = names.length > 2 ? "Several people are" : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"}`
  $("typing").textContent = names.length ? `${many} typing…` : ""
}

// --- toasts

export const toast = text => {
  const box = Object.assign(document.createElement("div"), { className: "toast", textContent: text })
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×" })
  close.setAttribute("aria-label", "Dismiss")
  close.addEventListener("click", () => box.remove())
  box.append(close)
  $("toasts").append(box)
  setTimeout(() => box.remove(), TOAST_LASTS)
}

// The visitor of this tab. Two tabs of one browser can be two people by token; they share the cookie.

const KEY = "chat"

export const remembered = () => JSON.parse(sessionStorage.getItem(KEY))
export const remember = session => sessionStorage.setItem(KEY, JSON.stringify(session))
export const forget = () => sessionStorage.removeItem(KEY)

/** Each function throws an error to show when the server refuses. */
export const takeCookie = name => post("/sign-in", { name })
export const dropCookie = () => post("/sign-out", {})
export const fetchToken = async name => (await post("/token", { name })).token

const post = async (path, body) => {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  const answer = response.status === 204 ? {} : await response.json().catch(() => ({}))
  if (!response.ok) throw Error(answer.error ?? `The server answered ${response.status}.`)
  return answer
}

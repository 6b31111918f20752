// Who this tab is. Kept per tab, so that two tabs of one browser can be two people (by token: the cookie they share).

const KEY = "chat"

export const remembered = () => JSON.parse(sessionStorage.getItem(KEY))
export const remember = session => sessionStorage.setItem(KEY, JSON.stringify(session))
export const forget = () => sessionStorage.removeItem(KEY)

/** Each throws an error to show when the server says no. */
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

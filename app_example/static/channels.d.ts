// Made by `anycable-rpc schema --typescript`. Make it again after a change of the channels; do not edit it.

import type * as core from "@anycable/core"

/** A message that a client has sent to the room. */
export type Message = { user: string; via: ("RPC" | "JWT"); type: "message"; text: string; at: string }

/** The room to subscribe to. A client that names none, or one that cannot be, is rejected. */
export type RoomParams = { room: string }

/** A whisper between clients: its user is typing. */
export type Typing = { user: string }

/** The name of the client that has subscribed, sent to this client alone. */
export type You = { user: string; via: ("RPC" | "JWT"); type: "you" }

/** An action has refused its payload and has not run. */
export type InvalidPayload = { type: "invalid_payload"; action: string; errors: { [name: string]: string } }

export interface ChatChannelActions {
  /** Join the presence again after a resumed session, for which `subscribed` does not run. */
  arrive: () => void
  /** Say something to the room. */
  speak: (payload: { text: string }) => void
}

export interface TypingChannelActions {}

/** The channels by the names that clients subscribe to. */
export interface Channels {
  /** The messages of a room. Each passes through `speak`, so the name on it is right. */
  ChatChannel: {
    params: RoomParams
    message: You | Message | InvalidPayload
    actions: ChatChannelActions
  }
  /** Typing notices, whispered between clients. The server checks no whisper, so they have their own stream. */
  TypingChannel: {
    params: RoomParams
    message: Typing
    actions: TypingChannelActions
  }
}

type ParamsMap = { [name: string]: boolean | number | string }
type Scalars<P> = P extends ParamsMap ? P : ParamsMap
type Heard<M> = unknown extends M ? core.Message : Extract<M, core.Message>

/** The channel class of @anycable/core with the types of one channel. */
export type ChannelOf<Name extends keyof Channels> = core.Channel<
  Scalars<Channels[Name]["params"]>,
  Heard<Channels[Name]["message"]>,
  core.ChannelEvents<Heard<Channels[Name]["message"]>>,
  Channels[Name]["actions"]
>

/** A cable that knows the channels: `createCable(url) as TypedCable`. */
export interface TypedCable extends Pick<core.Cable, Exclude<keyof core.Cable, "subscribeTo">> {
  subscribeTo<Name extends keyof Channels>(
    channel: Name,
    ...params: {} extends Channels[Name]["params"]
      ? [params?: Channels[Name]["params"]]
      : [params: Channels[Name]["params"]]
  ): ChannelOf<Name>
}

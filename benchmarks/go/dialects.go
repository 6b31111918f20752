package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// dialect is how a chat server is spoken to. The room is already in the URL where a server wants it there.
type dialect struct {
	subprotocols []string
	// join brings a client that has just dialled into its room.
	join func(*member) error
	// frame says a text in a room.
	frame func(*member, string) []byte
	// answer returns what a frame of the server wants at once, or nil.
	answer func([]byte) []byte
}

// dialects are what the contenders speak.
var dialects = map[string]dialect{
	"actioncable": {[]string{"actioncable-v1-json"}, subscribe, speak, nothing},
	"socketio":    {nil, enter, emit, pong},
	"json":        {nil, func(*member) error { return nil }, bare, nothing},
}

func nothing([]byte) []byte { return nil }

// bare is the frame of a server without a protocol of its own.
func bare(_ *member, text string) []byte { return quoted(map[string]string{"text": text}) }

// Action Cable: a subscription whose identifier names the room.

func subscribe(client *member) error {
	if err := client.awaits(`"welcome"`); err != nil {
		return err
	}
	frame := quoted(map[string]string{"command": "subscribe", "identifier": client.identifier})
	if err := client.write(frame); err != nil {
		return err
	}
	return client.awaits(`"confirm_subscription"`)
}

func speak(client *member, text string) []byte {
	data := string(quoted(map[string]string{"action": "speak", "text": text}))
	return quoted(map[string]string{"command": "message", "identifier": client.identifier, "data": data})
}

// Socket.IO 5 in Engine.IO 4, over WebSocket from the beginning: 0 opens, 40 connects, 42 is an event, 420 one that
// wants to be acknowledged by 430. The server pings with 2 and expects 3.

func enter(client *member) error {
	if err := client.awaits("0{"); err != nil {
		return err
	}
	if err := client.write([]byte("40")); err != nil {
		return err
	}
	if err := client.awaits("40"); err != nil {
		return err
	}
	if err := client.write(fmt.Appendf(nil, `420["join",%s]`, quoted(map[string]string{"room": client.room}))); err != nil {
		return err
	}
	return client.awaits("430")
}

func emit(client *member, text string) []byte {
	return fmt.Appendf(nil, `42["speak",%s]`, quoted(map[string]string{"room": client.room, "text": text}))
}

func pong(frame []byte) []byte {
	if bytes.Equal(frame, []byte("2")) {
		return []byte("3")
	}
	return nil
}

func quoted(values map[string]string) []byte {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return text
}

// inRoom puts the name of a room where a text asks for it.
func inRoom(text, room string) string { return strings.ReplaceAll(text, "{room}", room) }

package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// member is one client of the chat.
type member struct {
	socket     *websocket.Conn
	place      int
	room       string
	identifier string
	writing    sync.Mutex
}

func (m *member) dial(url, cookie string, spoken dialect) error {
	dialer := websocket.Dialer{Subprotocols: spoken.subprotocols, HandshakeTimeout: frameLimit}
	socket, response, err := dialer.Dial(inRoom(url, m.room), http.Header{"Cookie": {cookie}})
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	m.socket = socket
	if err := spoken.join(m); err != nil {
		return err
	}
	return socket.SetReadDeadline(time.Time{})
}

func (m *member) write(frame []byte) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.socket.WriteMessage(websocket.TextMessage, frame)
}

func (m *member) awaits(expected string) error { return awaited(m.socket, expected) }

// listen reads what the server sends, until the connection ends.
func (m *member) listen(all *chatting) {
	var buffer bytes.Buffer
	for {
		_, reader, err := m.socket.NextReader()
		if err == nil {
			buffer.Reset()
			_, err = buffer.ReadFrom(reader)
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				all.gone.Add(1)
			}
			return
		}
		if answer := all.spoken.answer(buffer.Bytes()); answer != nil {
			_ = m.write(answer)
			continue
		}
		all.run.Load().note(m, buffer.Bytes(), time.Now())
	}
}

// leave resets the connection, so that no port stays taken for a minute.
func (m *member) leave() {
	if m.socket == nil {
		return
	}
	if raw, ok := m.socket.NetConn().(*net.TCPConn); ok {
		_ = raw.SetLinger(0)
	}
	_ = m.socket.Close()
}

const (
	digits = 8
	tail   = " A message of about the length of what people write, neither very short nor very long, as in a chat."
)

// wording is the text of a message: its number, and then what everybody says.
func wording(number int) string {
	text := strconv.Itoa(number)
	return "#" + "00000000"[min(len(text), digits):] + text + tail
}

// numberOf returns the number of the message in a frame: -1 if there is no message, -2 if its text is not whole.
func numberOf(frame []byte) int {
	begin := bytes.IndexByte(frame, '#') + 1
	if begin == 0 {
		return -1
	}
	if len(frame) < begin+digits || !bytes.HasPrefix(frame[begin+digits:], []byte(tail)) {
		return -2
	}
	number, err := strconv.Atoi(string(frame[begin : begin+digits]))
	if err != nil {
		return -2
	}
	return number
}

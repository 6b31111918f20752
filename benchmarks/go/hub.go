package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// room is the clients that have joined it. Each has a lock, since a socket takes one writer at a time.
type room struct {
	mutex   sync.RWMutex
	members map[*websocket.Conn]*sync.Mutex
}

// hub is a chat server that does nothing else: a text that comes from /ws/ROOM goes to all in that room, as it is. No
// server in front of an app can be faster, so what it delivers shows what the load generator can take.
func hub(arguments []string) (any, error) {
	flags := flag.NewFlagSet("hub", flag.ExitOnError)
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	_ = flags.Parse(arguments)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	rooms, mutex, upgrader := map[string]*room{}, sync.Mutex{}, websocket.Upgrader{}
	routes := http.NewServeMux()
	routes.HandleFunc("/ws/{room}", func(writer http.ResponseWriter, request *http.Request) {
		mutex.Lock()
		name := request.PathValue("room")
		if rooms[name] == nil {
			rooms[name] = &room{members: map[*websocket.Conn]*sync.Mutex{}}
		}
		joined := rooms[name]
		mutex.Unlock()
		joined.serve(&upgrader, writer, request)
	})
	fmt.Printf("listening on %s\n", listener.Addr())
	return nil, http.Serve(listener, routes)
}

func (r *room) serve(upgrader *websocket.Upgrader, writer http.ResponseWriter, request *http.Request) {
	r.mutex.Lock()
	socket, err := upgrader.Upgrade(writer, request, nil)
	if err == nil {
		r.members[socket] = new(sync.Mutex)
	}
	r.mutex.Unlock()
	if err != nil {
		return
	}
	defer r.leave(socket)
	for {
		kind, text, err := socket.ReadMessage()
		if err != nil {
			return
		}
		r.broadcast(kind, text)
	}
}

func (r *room) broadcast(kind int, text []byte) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	for socket, writing := range r.members {
		writing.Lock()
		_ = socket.WriteMessage(kind, text)
		writing.Unlock()
	}
}

func (r *room) leave(socket *websocket.Conn) {
	r.mutex.Lock()
	delete(r.members, socket)
	r.mutex.Unlock()
	_ = socket.Close()
}

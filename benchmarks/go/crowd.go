package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const frameLimit = 30 * time.Second

// step holds the times of one step, which each client of a crowd does once.
type step struct {
	Rate   float64 `json:"rate"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Errors int     `json:"errors"`
}

// crowded is the report of a crowd.
type crowded struct {
	Connect    step    `json:"connect"`
	Subscribe  step    `json:"subscribe"`
	Message    step    `json:"message"`
	CPU        float64 `json:"cpu_seconds"`
	FirstError string  `json:"first_error,omitempty"`
}

type people struct {
	clients []*websocket.Conn
	dialer  websocket.Dialer
	url     string
	header  http.Header
	mutex   sync.Mutex
	problem string
}

// crowd connects many clients to anycable-go, a number of them at a time; then each subscribes and sends a message.
func crowd(arguments []string) (any, error) {
	flags := flag.NewFlagSet("crowd", flag.ExitOnError)
	url := flags.String("url", "", "ws://HOST:PORT/cable, with a token or not")
	cookie := flags.String("cookie", "", "the Cookie header")
	count := flags.Int("clients", 2000, "how many clients")
	dialling := flags.Int("dialling", 200, "how many do something at a time")
	subscribe := flags.String("subscribe", "", "the file of the subscribe frame")
	message := flags.String("message", "", "the file of the message frame")
	_ = flags.Parse(arguments)
	frames := [2][]byte{}
	for place, path := range []string{*subscribe, *message} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		frames[place] = text
	}
	all := &people{clients: make([]*websocket.Conn, *count), url: *url, header: http.Header{}}
	all.dialer = websocket.Dialer{Subprotocols: []string{"actioncable-v1-json"}, HandshakeTimeout: frameLimit}
	all.header.Set("Cookie", *cookie)
	report := crowded{Connect: all.each(*dialling, all.connect)}
	report.Subscribe = all.each(*dialling, all.exchange(frames[0], `"confirm_subscription"`))
	report.Message = all.each(*dialling, all.exchange(frames[1], `"message":`))
	all.leave()
	report.CPU, report.FirstError = cpuSeconds(), all.problem
	return report, nil
}

// each runs a step once for every client, a number of them at a time.
func (p *people) each(atOnce int, do func(int) error) step {
	return each(len(p.clients), atOnce, do, p.note)
}

// each does something once for every place, a number of them at a time; it notes what fails.
func each(count, atOnce int, do func(int) error, note func(error)) step {
	var running sync.WaitGroup
	places, parts, errors := make(chan int), make([][]time.Duration, atOnce), make([]int, atOnce)
	began := time.Now()
	for worker := range atOnce {
		running.Go(func() {
			for place := range places {
				started := time.Now()
				if err := do(place); err != nil {
					errors[worker]++
					note(err)
					continue
				}
				parts[worker] = append(parts[worker], time.Since(started))
			}
		})
	}
	for place := range count {
		places <- place
	}
	close(places)
	running.Wait()
	times, failed := merged(parts), 0
	for _, one := range errors {
		failed += one
	}
	rate := float64(len(times)) / time.Since(began).Seconds()
	return step{rate, milliseconds(times, 0.5), milliseconds(times, 0.99), failed}
}

func (p *people) note(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.problem == "" {
		p.problem = err.Error()
	}
}

func (p *people) connect(place int) error {
	client, response, err := p.dialer.Dial(p.url, p.header)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	p.clients[place] = client
	return awaited(client, `"welcome"`)
}

func (p *people) exchange(frame []byte, expected string) func(int) error {
	return func(place int) error {
		client := p.clients[place]
		if client == nil {
			return fmt.Errorf("not connected")
		}
		if err := client.WriteMessage(websocket.TextMessage, frame); err != nil {
			return err
		}
		return awaited(client, expected)
	}
}

// awaited reads up to the frame with this text, and skips pings.
func awaited(client *websocket.Conn, expected string) error {
	_ = client.SetReadDeadline(time.Now().Add(frameLimit))
	for {
		_, frame, err := client.ReadMessage()
		if err != nil {
			return err
		}
		if bytes.Contains(frame, []byte(expected)) && !bytes.Contains(frame, []byte(`"type":"ping"`)) {
			return nil
		}
		if bytes.Contains(frame, []byte(`"disconnect"`)) || bytes.Contains(frame, []byte(`"reject_subscription"`)) {
			return fmt.Errorf("refused: %s", frame)
		}
	}
}

// leave resets the connections, so that no port stays taken for a minute.
func (p *people) leave() {
	for _, client := range p.clients {
		if client == nil {
			continue
		}
		if raw, ok := client.NetConn().(*net.TCPConn); ok {
			_ = raw.SetLinger(0)
		}
		_ = client.Close()
	}
}
